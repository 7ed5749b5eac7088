# SPDX-License-Identifier: Apache-2.0
"""What holds for each source file: a licence line, a length, a format, a place in the build."""

import json
import os
import shutil
import subprocess

import pytest

MAX_LINES = 500
# By suffix; files without one are looked at for "#!".
SOURCES = {".c", ".h", ".py", ".sh", ".bash", ".scd", ".build", ".yaml", ".yml"}
SOURCE_NAMES = {"meson.build", "meson.options", "Makefile"}
SPDX = "SPDX-License-Identifier: Apache-2.0"


def first_lines(path, count):
    with open(path, encoding="utf-8", errors="replace") as file:
        return [file.readline() for _ in range(count)]


def is_script(path):
    return path.suffix == "" and first_lines(path, 1)[0].startswith("#!")


def is_source(path):
    return path.suffix in SOURCES or path.name in SOURCE_NAMES or is_script(path)


def is_c(path):
    return path.suffix in {".c", ".h"}


def relative(paths, root):
    return [os.path.relpath(path, root) for path in paths]


def test_licence_line(project_files, root):
    """Near the top, where tools look for it: a "#!" line or the title of a man page may come first."""
    missing = [f for f in project_files if is_source(f) and SPDX not in "".join(first_lines(f, 3))]
    assert relative(missing, root) == []


def test_c_files_are_short(project_files, root):
    long = [f"{os.path.relpath(f, root)}: {lines} lines"
            for f in project_files if is_c(f)
            for lines in [len(f.read_bytes().splitlines())] if lines > MAX_LINES]
    assert long == [], f"at most {MAX_LINES}: split by what changes together"


def test_clang_format(project_files, root):
    if not shutil.which("clang-format"):
        pytest.skip("clang-format is not installed")
    files = [str(f) for f in project_files if is_c(f)]
    result = subprocess.run(["clang-format", "--dry-run", "-Werror", *files], capture_output=True, text=True, cwd=root)
    assert result.returncode == 0, "run clang-format -i:\n" + result.stderr[-4000:]


def test_clang_format_finds_what_is_wrong(tmp_path, root):
    if not shutil.which("clang-format"):
        pytest.skip("clang-format is not installed")
    shutil.copy(root / ".clang-format", tmp_path)
    bad = tmp_path / "bad.c"
    bad.write_text("int main(void){return 0;}\n", encoding="utf-8")
    assert subprocess.run(["clang-format", "--dry-run", "-Werror", bad], capture_output=True).returncode != 0


def test_unit_tests_are_built(project_files, build_dir, root):
    """A test that is in no meson.build passes for ever."""
    targets = json.loads((build_dir / "meson-info" / "intro-targets.json").read_text(encoding="utf-8"))
    built = {os.path.realpath(source) for target in targets for group in target["target_sources"]
             for source in group.get("sources", [])}
    forgotten = [f for f in project_files
                 if f.name.endswith("_test.c") and f.parent.parent == root / "tests" / "unit"
                 and os.path.realpath(f) not in built]
    assert relative(forgotten, root) == []


def test_unit_tests_are_run(build_dir):
    """... and so does one that is built but not registered."""
    targets = json.loads((build_dir / "meson-info" / "intro-targets.json").read_text(encoding="utf-8"))
    tests = json.loads((build_dir / "meson-info" / "intro-tests.json").read_text(encoding="utf-8"))
    run = {os.path.realpath(test["cmd"][0]) for test in tests}
    idle = [target["name"] for target in targets
            if any(source.endswith("_test.c") for group in target["target_sources"]
                   for source in group.get("sources", []))
            and os.path.realpath(target["filename"][0]) not in run]
    assert idle == []


def test_shellcheck(project_files, root):
    if not shutil.which("shellcheck"):
        pytest.skip("shellcheck is not installed")
    scripts = [f for f in project_files
               if f.suffix in {".sh", ".bash"} or is_script(f) and "sh" in os.path.basename(first_lines(f, 1)[0].split()[-1])]
    if not scripts:
        pytest.skip("there are no shell scripts")
    # --shell for completions, which have no "#!" line
    result = subprocess.run(["shellcheck", "--shell=bash", "--severity=style", *relative(scripts, root)],
                            capture_output=True, text=True, cwd=root)
    assert result.returncode == 0, result.stdout[-4000:]
