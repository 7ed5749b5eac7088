# SPDX-License-Identifier: Apache-2.0
"""The model as JSON (src/host/model_fields.c, model_rates.c) has every member of the structures in src/host."""

import re

# Not of the machine, or written another way: the tree, why it could not be read, the counters of rates, counts by CPU
# (model_json.c).
LEFT_OUT = {("host", "tree"), ("host", "before"), ("host", "now"), ("host_cpus", "latency_error"), ("host_irq", "counts")}


def members(text):
    """Of each structure in C, the names of its members; counts are told by the length of their list."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    found = {}
    for name, body in re.findall(r"struct (\w+) \{(.*?)\n\}", text, re.DOTALL):
        names = [match for declaration in body.split(";")
                 for match in re.findall(r"(\w+)(?:\[[^\]]*\])?\s*(?:,|$)", declaration.strip())]
        found[name] = {member for member in names if member != "count" and not member.endswith("_count")}
    return found


def test_all_members_are_told(root):
    tables = "".join((root / "src/host" / name).read_text(encoding="utf-8") for name in ("model_fields.c", "model_rates.c"))
    told = {(struct, member) for struct, member in
            re.findall(r"\b(?:FIELD|ENUM|TEXTS|LIST|PART|POINTER|JSON)\((\w+),\s*(\w+)", tables)}
    used = {struct for struct, _ in told}
    declared = {(struct, member) for header in sorted((root / "src/host").glob("*.h"))
                for struct, names in members(header.read_text(encoding="utf-8")).items() if struct in used
                for member in names}
    assert len(declared) > 200  # the headers were understood
    assert declared - told - LEFT_OUT == set(), "members that neither table names"


def test_members_are_found():
    text = "struct a {\n\tint64_t x, y; /* z; */\n\tconst char *const *names;\n\tunsigned count, name_count;\n};\n"
    assert members(text) == {"a": {"x", "y", "names"}}
