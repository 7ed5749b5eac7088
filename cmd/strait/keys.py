# SPDX-License-Identifier: Apache-2.0
"""Make options of the keys that the schema of RPC has for disks and groups: keys.py SCHEMA OUTPUT.c

So an option is called, explained and typed as the key is. Keys that are no single value (faults, a delay) have none.
"""

import json
import sys
import textwrap

TABLES = {"disk_keys": ("disk-config", ""), "disk_qos_keys": ("qos", "qos"), "group_keys": ("group-config", "")}
WIDTH = 52  # of the texts in --help


def resolved(schema, node):
    """A node, or the definition that it refers to."""
    reference = node.get("$ref")
    return schema["definitions"][reference.removeprefix("#/definitions/")] if reference else node


def kind(node):
    """How an option's text becomes a value."""
    if node.get("type") == "boolean":
        return "KEY_SWITCH"
    return "KEY_NUMBER" if "integer" in node.get("type", ()) else "KEY_TEXT"


def argument(key, node):
    """What --help calls the value."""
    if "enum" in node:
        return "WORD"
    if node.get("type") == "boolean":
        return "true|false"
    if node["type"] == "string":
        return "PATH" if "Path" in node["description"] else "NAME" if key in ("group", "parent", "name") else "TEXT"
    return "RATE" if " a second" in node["description"] else "N"


def explanation(node):
    """The text in --help: the key's, and its words."""
    text = node["description"]
    if "enum" in node:
        text += ": " + ", ".join(node["enum"])
    return "\\n".join(line.replace('"', '\\"') for line in textwrap.wrap(text[0].lower() + text[1:], WIDTH))


def rows(schema, definition):
    for key, node in schema["definitions"][definition]["properties"].items():
        node = resolved(schema, node)
        if key == "name" or node.get("type") in ("array", "object"):
            continue
        yield f'\t{{"{key}", "{argument(key, node)}", "{explanation(node)}", {kind(node)}}},'


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        schema = json.load(file)
    lines = ["/* Made by cmd/strait/keys.py. */", '#include "keys.h"', ""]
    for name, (definition, _) in TABLES.items():
        lines += [f"const struct schema_key {name}[] = {{", *rows(schema, definition),
                  "\t{NULL, NULL, NULL, KEY_TEXT},", "};"]
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
