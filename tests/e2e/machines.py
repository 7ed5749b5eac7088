# SPDX-License-Identifier: Apache-2.0
"""Machines that exist only as files, made of tests/fixtures/machines/NAME.yaml and what a test changes in them.

A machine is a mapping of paths to what is there:

    /proc/sys/vm/swappiness: "10"                       text; a newline is added where it has none and is no command line
    /sys/class/block/sda: {link: ../../devices/sda}     a symbolic link
    /proc/1000/cmdline: {arguments: [qemu, -m, 1G]}     a command line
    /run/thing: {directory: true}                       an empty directory
    /proc/meminfo: {replace: {"SwapFree: 8": "SwapFree: 0"}}    of text that is there already: each has to be in it
    /sys/kernel/mm/ksm: null                            nothing, and nothing below it
    /sys/.../cpu{0-7}/cpufreq/{a,b}: performance        each of them; {0-7} in a line of text repeats the line
"""

import functools
import itertools
import os
import pathlib
import re

import yaml

Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
FIXTURES = pathlib.Path(__file__).resolve().parents[1] / "fixtures"
BRACES = re.compile(r"\{([^{}]*)\}")


def _words(inside):
    """The words of "0-3,7" or "a,b"."""
    for word in inside.split(","):
        match = re.fullmatch(r"(\d+)-(\d+)", word)
        yield from (str(number) for number in range(int(match[1]), int(match[2]) + 1)) if match else (word,)


def expand(path):
    """Each path that one with braces stands for."""
    parts = BRACES.split(path)
    choices = [list(_words(part)) if index % 2 else [part] for index, part in enumerate(parts)]
    return ["".join(choice) for choice in itertools.product(*choices)]


def _lines(text):
    """Text in which lines with {0-7} are repeated."""
    return "\n".join("\n".join(expand(line)) if re.search(r"\{\d+-\d+\}", line) else line for line in text.split("\n"))


def _bytes(content):
    if isinstance(content, dict):
        return b"".join(str(word).encode() + b"\0" for word in content["arguments"])
    text = _lines(str(content))
    return (text if text.endswith(("\n", "\0")) or not text else text + "\n").encode()


def _lay(files, path, content):
    """Put one entry into files, which maps plain paths to bytes, a link (str) or a directory (None)."""
    if content is None:
        for known in [known for known in files if known == path or known.startswith(path + "/")]:
            del files[known]
    elif isinstance(content, dict) and "replace" in content:
        text = files[path].decode()
        for old, new in content["replace"].items():
            assert str(old) in text, f"{path}: there is no {old!r} to replace"
            text = text.replace(str(old), str(new))
        files[path] = text.encode()
    elif isinstance(content, dict) and "link" in content:
        files[path] = content["link"]
    elif isinstance(content, dict) and "directory" in content:
        files[path] = None
    else:
        files[path] = _bytes(content)


@functools.lru_cache(maxsize=None)
def machine(name):
    """The mapping that tests/fixtures/machines/NAME.yaml is."""
    return yaml.load((FIXTURES / "machines" / f"{name}.yaml").read_text(encoding="utf-8"), Loader)


def build(directory, *layers):
    """Make a machine of mappings, of which later ones change what earlier ones have. Returns directory."""
    files = {}
    for layer in layers:
        for path, content in layer.items():
            for plain in expand(path):
                _lay(files, plain, content)
    for path, content in files.items():
        where = os.path.join(directory, path.lstrip("/"))
        os.makedirs(where if content is None else os.path.dirname(where), exist_ok=True)
        if isinstance(content, str):
            os.symlink(content, where)
        elif content is not None:
            pathlib.Path(where).write_bytes(content)
    return directory
