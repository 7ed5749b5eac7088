# SPDX-License-Identifier: Apache-2.0
"""What is installed beside the programs: units, discovery, example configuration, man pages."""

import json
import re
import shutil
import subprocess

import pytest

from options import ROOT, page_keys, straitd

UNITS = ("straitd.service", "straitd@.service")


@pytest.mark.parametrize("unit", UNITS)
def test_unit_is_valid(unit, build_dir, tmp_path):
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    text = (build_dir / "packaging" / unit).read_text(encoding="utf-8")
    # What it starts and documents is not installed here: another program stands in.
    text = re.sub(r"(ExecStart|ExecReload)=\S+", rf"\1={shutil.which('true')}", text)
    text = re.sub(r"Documentation=.*\n", "", text)
    # An instance, since a template by itself is not looked at whole.
    path = tmp_path / unit.replace("@", "@example")
    path.write_text(text, encoding="utf-8")
    result = subprocess.run(["systemd-analyze", "verify", "--man=no", str(path)], capture_output=True, text=True)
    assert unit.replace("@", "@example") not in result.stderr, result.stderr
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("unit", UNITS)
def test_unit_starts_what_is_there(unit, build_dir):
    """The options in ExecStart= exist, and nothing in the unit closes /dev."""
    text = (build_dir / "packaging" / unit).read_text(encoding="utf-8")
    settings = dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))
    used = set(re.findall(r"--[a-z-]+", settings["ExecStart"] + settings["ExecReload"]))
    assert used and used <= straitd(build_dir).help_options()
    assert settings["Type"] == "notify"
    assert "PrivateDevices" not in settings and settings["DeviceAllow"] == "block-* rw"
    assert settings["LimitMEMLOCK"] == "infinity"
    assert "WatchdogSec" in settings


def test_unit_takes_the_drop_in_for_http(root, build_dir, tmp_path):
    """It adds the network of this machine to what the unit allows."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    drop_in = (root / "packaging" / "systemd" / "http.conf").read_text(encoding="utf-8")
    path = tmp_path / "straitd.service"
    path.write_text((build_dir / "packaging" / "straitd.service").read_text(encoding="utf-8") + drop_in, encoding="utf-8")
    result = subprocess.run(["systemd-analyze", "security", "--offline=true", str(path)], capture_output=True, text=True)
    if "unrecognized option" in result.stderr:
        pytest.skip("this systemd-analyze cannot look at a unit file that is not loaded (needs systemd 250)")
    assert "Service may allocate Internet sockets" in result.stdout
    assert "Service may allocate exotic sockets" not in result.stdout
    assert "allow list with only localhost entries" in result.stdout


@pytest.mark.parametrize("unit", UNITS)
def test_unit_is_hardened(unit, build_dir, tmp_path):
    """What systemd itself thinks of what the service may do: 10 is everything, 0 nothing."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    path = tmp_path / unit.replace("@", "@example")
    path.write_text((build_dir / "packaging" / unit).read_text(encoding="utf-8"), encoding="utf-8")
    result = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=20", str(path)],
                            capture_output=True, text=True)
    if "unrecognized option" in result.stderr:
        pytest.skip("this systemd-analyze cannot look at a unit file that is not loaded (needs systemd 250)")
    assert result.returncode == 0 and "Overall exposure" in result.stdout, result.stdout[-400:] + result.stderr
    assert "Unknown system call" not in result.stderr, result.stderr


def test_discovery(build_dir):
    description = json.loads((build_dir / "packaging" / "50-straitd.json").read_text(encoding="utf-8"))
    assert set(description) == {"description", "type", "binary"}
    assert description["type"] == "block"
    assert description["binary"].startswith("/") and description["binary"].endswith("/straitd")


def schema_keys(root):
    text = (root / "src" / "control" / "config_schema.c").read_text(encoding="utf-8")
    return set(re.findall(r'(?:_TEXT|_WORDS?|FIELD_\w+)\(\s*"([^"]+)"', text))


def test_configuration_keys_are_documented(root):
    keys = schema_keys(root)
    assert len(keys) > 20  # the schema was understood
    assert page_keys(root / "man" / "straitd.yaml.5.scd") == keys


def test_example_shows_every_key(root):
    text = (root / "packaging" / "straitd.yaml").read_text(encoding="utf-8")
    shown = set(re.findall(r"^[#\s-]*([a-z][a-z-]*):(?:\s|$)", text, re.MULTILINE))
    assert schema_keys(root) <= shown


def uncomment(text):
    """The example with all its disks: what is behind "    # " belongs to the list."""
    lines = []
    for line in text.splitlines():
        match = re.match(r"    # ( *(?:- )?[a-z].*:.*)$", line)
        lines.append("  " + match.group(1) if match else line)
    return "\n".join(lines) + "\n"


def test_example_is_valid(root, build_dir, tmp_path):
    """As it is, and with what it shows in comments. Only the place of the sockets is not there."""
    text = (root / "packaging" / "straitd.yaml").read_text(encoding="utf-8")
    for number, version in enumerate((text, uncomment(text))):
        path = tmp_path / f"{number}.yaml"
        path.write_text(version.replace("/run/strait", str(tmp_path)), encoding="utf-8")
        result = subprocess.run([straitd(build_dir).path, "--check", "--config", path], capture_output=True, text=True)
        assert result.returncode == number, result.stdout + result.stderr
    # The second names two images that do not exist, and nothing else is wrong with it.
    assert "1 of 3 disks" in result.stdout and "2 findings" in result.stdout, result.stdout


@pytest.mark.parametrize("source", sorted((ROOT / "man").glob("*.scd")), ids=lambda path: path.stem)
def test_man_page_is_formatted(source):
    if not shutil.which("scdoc"):
        pytest.skip("scdoc is not installed")
    formatted = subprocess.run(["scdoc"], stdin=source.open("rb"), capture_output=True)
    assert formatted.returncode == 0, formatted.stderr.decode()
    if shutil.which("groff"):
        checked = subprocess.run(["groff", "-man", "-ww", "-z", "-Kutf8"], input=formatted.stdout, capture_output=True)
        assert checked.stderr == b"", checked.stderr.decode()
