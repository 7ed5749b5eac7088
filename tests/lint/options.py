# SPDX-License-Identifier: Apache-2.0
"""The options of a program from each of the places that list them."""

import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")


class Program:
    """A program, or one of its subcommands, with its page."""

    def __init__(self, path, page, arguments=()):
        self.path = path
        self.page = ROOT / "man" / f"{page}.scd"
        self.arguments = list(arguments)
        if not path.exists():
            pytest.skip(f"{path} has not been built")

    def help(self):
        """The text of --help, which goes to standard output and succeeds."""
        result = subprocess.run([self.path, *self.arguments, "--help"], capture_output=True, text=True)
        assert result.returncode == 0 and result.stderr == "", result.stderr
        return result.stdout

    def help_options(self):
        """Options that begin a line of --help: others are mentioned in text."""
        return {option for line in self.help().splitlines() if re.match(r"\s+(-\w, )?--[a-z]", line)
                for option in [OPTION.search(line).group()]}

    def commands(self):
        """Names in the list of commands: lines such as "  bench   what it does"."""
        return set(re.findall(r"^  ([a-z][a-z-]*) {2,}\S", self.help(), re.MULTILINE))

    def page_options(self):
        """Options that have an entry of their own in the man page."""
        assert self.page.exists(), f"{self.page} is missing"
        text = self.page.read_text(encoding="utf-8")
        return {option for line in text.splitlines() if re.match(r"(\*-\w\*, )?\*--[a-z]", line)
                for option in OPTION.findall(line.replace("*", " "))}


def straitd(build_dir):
    return Program(build_dir / "cmd" / "straitd" / "straitd", "straitd.8")


def strait(build_dir, command=None):
    path = build_dir / "cmd" / "strait" / "strait"
    return Program(path, f"strait-{command}.1", [command]) if command else Program(path, "strait.1")


def completion_words(name, variable):
    """The words of a variable of a completion."""
    text = (ROOT / "packaging" / "completion" / f"{name}.bash").read_text(encoding="utf-8")
    match = re.search(rf'\b{variable}="([^"]*)"', text)
    assert match, f"{name}.bash has no {variable}="
    return set(match.group(1).split())


def completion_options(name, subcommand=None):
    """The options a completion offers: the value of "options", or of "options_SUBCOMMAND"."""
    words = completion_words(name, "options" + (f"_{subcommand}" if subcommand else ""))
    return {option for word in words for option in OPTION.findall(word)}


def page_keys(path):
    """Entries of the form "*key*" on a line of their own."""
    return set(re.findall(r"^\*([a-z][a-z-]*)\*$", path.read_text(encoding="utf-8"), re.MULTILINE))
