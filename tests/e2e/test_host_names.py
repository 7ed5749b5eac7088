# SPDX-License-Identifier: Apache-2.0
"""Whatever a guest is called, no command moves a terminal, and what is for programs can be read by them."""

import json
import os
import pathlib
import subprocess
import xml.etree.ElementTree

import pytest

from machines import build, machine

NAME = b"a\"<b>&'\x1b[2J\x1b]0;x\x07\n\xff\xef\xbf\xbf"
COMMANDS = ["list", "list --json", "map 1000", "map --json 1000", "map --dot 1000", "diagnose 1000", "diagnose --json 1000",
            "exits 1000", "exits --json 1000", "audit --vm 1000", "audit --json", "audit --format junit", "audit --format html",
            "advise 1000 vda", "advise --json 1000 vda"]


@pytest.mark.parametrize("command", COMMANDS)
def test_hostile_name(build_dir, workdir, command):
    build(workdir, *map(machine, ("host", "guest", "devices", "measured")),
          {"/proc/1000/cmdline": {"replace": {"guest=db1,": "guest=NAME,"}}})
    line = pathlib.Path(workdir, "proc/1000/cmdline")
    line.write_bytes(line.read_bytes().replace(b"NAME", NAME))
    word, *rest = command.split()
    result = subprocess.run([os.path.join(build_dir, "cmd", "strait", "strait"), word, "--from", workdir, *rest],
                            capture_output=True, timeout=60)
    assert result.returncode in (0, 1), result.stderr
    for text in (result.stdout, result.stderr):
        assert not [byte for byte in text if byte < 0x20 and byte not in b"\n\t" or byte == 0x7f], text
        text.decode()
    if "--json" in rest:
        json.loads(result.stdout)
    elif "junit" in rest:
        xml.etree.ElementTree.fromstring(result.stdout)
