#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Make C of the dashboard's files: embed.py OUTPUT.c FILE..."""

import pathlib
import sys

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
}


def main(output, *files):
    parts, rows = [], []
    for number, path in enumerate(map(pathlib.Path, files)):
        data = path.read_bytes()
        lines = ["".join(f"{byte}," for byte in data[at:at + 24]) for at in range(0, len(data), 24)]
        parts.append(f"static const unsigned char file_{number}[] = {{\n" + "\n".join(lines or ["0,"]) + "\n};\n")
        rows.append(f'\t{{"{path.name}", "{TYPES[path.suffix]}", file_{number}, {len(data)}}},\n')
    pathlib.Path(output).write_text(
        '/* Made by embed.py. */\n#include "control/dashboard.h"\n\n' + "\n".join(parts) +
        "\nconst struct dashboard_file dashboard_files[] = {\n" + "".join(rows) + "\t{NULL, NULL, NULL, 0},\n};\n",
        encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
