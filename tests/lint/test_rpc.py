# SPDX-License-Identifier: Apache-2.0
"""What is made of the schema of RPC is what it would be now."""

import json
import subprocess

from options import strait


def test_document_is_up_to_date(root):
    result = subprocess.run([root / "scripts" / "rpc-doc", "--check"], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def keys_of(schema, definition):
    """Keys with a single value: those that can be options."""
    for key, node in schema["definitions"][definition]["properties"].items():
        while "$ref" in node:
            node = schema["definitions"][node["$ref"].rsplit("/", 1)[-1]]
        if key != "name" and node.get("type") not in ("array", "object"):
            yield key


def test_options_are_keys_of_the_schema(root, build_dir):
    """strait disk and strait group have an option for each key, and beside them what is no key."""
    schema = json.loads((root / "src" / "control" / "rpc.schema.json").read_text(encoding="utf-8"))
    disk = {f"--{key}" for definition in ("disk-config", "qos") for key in keys_of(schema, definition)}
    assert len(disk) > 30
    assert strait(build_dir, "disk").help_options() - disk == {"--force", "--unset", "--more", "--rpc-socket",
                                                               "--json", "--help"}
    assert disk <= strait(build_dir, "disk").help_options()
    group = {f"--{key}" for key in keys_of(schema, "group-config")}
    assert strait(build_dir, "group").help_options() - group == {"--unset", "--socket", "--json", "--help"}
    assert group <= strait(build_dir, "group").help_options()
