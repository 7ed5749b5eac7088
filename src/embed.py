# SPDX-License-Identifier: Apache-2.0
"""Make a file part of a program: embed.py NAME INPUT OUTPUT.c defines "const unsigned char NAME[]" and NAME_length.

JSON is checked and loses its spaces.
"""

import json
import sys


def content(path):
    """The bytes of a file, as the program gets them."""
    with open(path, "rb") as file:
        data = file.read()
    if path.endswith(".json"):
        data = json.dumps(json.loads(data), separators=(",", ":"), ensure_ascii=True).encode()
    return data


def source(name, data):
    """C that defines name as data."""
    rows = [data[at:at + 24] for at in range(0, len(data), 24)]
    lines = ["".join(f"{byte}," for byte in row) for row in rows]
    # One more byte: an empty file is an array, too, and text ends with a NUL.
    return "\n".join(["/* Made by src/embed.py. */", "#include <stddef.h>",
                      f"extern const unsigned char {name}[];", f"extern const size_t {name}_length;",
                      f"const unsigned char {name}[] = {{", *lines, "0};",
                      f"const size_t {name}_length = {len(data)};", ""])


def main():
    name, path, output = sys.argv[1:]
    with open(output, "w", encoding="ascii") as file:
        file.write(source(name, content(path)))


if __name__ == "__main__":
    main()
