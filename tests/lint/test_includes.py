# SPDX-License-Identifier: Apache-2.0
"""The rooms of src/ include each other in one direction only."""

import pathlib
import re

import pytest

# Room: what it may include. "room/file" allows one header of a room.
BASE = {"base"}
VIRTIO = BASE | {"virtio"}
STORAGE = BASE | {"storage"}
ENGINE = VIRTIO | STORAGE | {"engine"}
DEVICE = ENGINE | {"device"}
FRONTEND = VIRTIO | {"vhost/codec.h", "frontend"}
HOST = BASE | {"client", "host"}
ROOMS = {
    "base": BASE,
    "virtio": VIRTIO,
    "vhost": VIRTIO | {"vhost"},
    "storage": STORAGE,
    "engine": ENGINE,
    "device": DEVICE,
    "control": DEVICE | {"vhost", "control"},
    "frontend": FRONTEND,
    "bench": FRONTEND | {"bench"},
    "top": BASE | {"top"},
    "client": BASE | {"client"},
    "report": BASE | {"client", "report"},
    "host": HOST,
    "audit": HOST | {"audit"},
    "tune": HOST | {"tune"},
}

INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)


def target_of(source, name, src):
    """The file of src/ that an include means, as "room/file"; None where it is none of src/."""
    for candidate in (source.parent / name, src / name):
        candidate = pathlib.Path(candidate).resolve()
        if candidate.is_file() and src in candidate.parents:
            return candidate.relative_to(src).as_posix()
    return None


def violations(root):
    """One sentence for each include that points the wrong way."""
    src = (root / "src").resolve()
    found = []
    for source in sorted(src.rglob("*.[ch]")):
        where = source.relative_to(root)
        room = source.relative_to(src).parts[0]
        if room not in ROOMS:
            found.append(f"{where}: the room {room} is not in the table of this test")
            continue
        for name in INCLUDE.findall(source.read_text(encoding="utf-8")):
            target = target_of(source, name, src)
            if target is None:
                found.append(f'{where}: "{name}" is no file of src/')
            elif target.split("/")[0] not in ROOMS[room] and target not in ROOMS[room]:
                found.append(f'{where}: {room} may not include "{target}"')
    return found


def test_includes_point_one_way(root):
    assert violations(root) == []


def test_table_has_no_cycle():
    """What a room may include may not include it in turn: otherwise the table itself has a back arrow."""
    for room, allowed in ROOMS.items():
        for other in {entry.split("/")[0] for entry in allowed} - {room}:
            assert room not in ROOMS[other], f"{room} and {other} may include each other"


@pytest.mark.parametrize("source, text, complaint", [
    ("virtio/a.c", '#include "vhost/codec.h"\n', 'virtio may not include "vhost/codec.h"'),
    ("base/a.h", '  #  include "storage/storage.h"\n', 'base may not include "storage/storage.h"'),
    ("engine/a.c", '#include "device/blk/blk.h"\n', 'engine may not include "device/blk/blk.h"'),
    ("frontend/a.c", '#include "vhost/session.h"\n', 'frontend may not include "vhost/session.h"'),
    ("frontend/a.c", '#include "../vhost/session.h"\n', 'frontend may not include "vhost/session.h"'),
    ("device/blk/a.c", '#include "../../control/config.h"\n', 'device may not include "control/config.h"'),
    ("storage/a.c", '#include "nowhere.h"\n', '"nowhere.h" is no file of src/'),
    ("attic/a.c", "", "the room attic is not in the table"),
])
def test_planted_back_arrow_is_found(tmp_path, source, text, complaint):
    for header in ("vhost/codec.h", "vhost/session.h", "storage/storage.h", "device/blk/blk.h", "control/config.h"):
        (tmp_path / "src" / header).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "src" / header).write_text("", encoding="utf-8")
    planted = tmp_path / "src" / source
    planted.parent.mkdir(parents=True, exist_ok=True)
    planted.write_text(text, encoding="utf-8")
    found = violations(tmp_path)
    assert len(found) == 1 and complaint in found[0]


@pytest.mark.parametrize("source, text", [
    ("frontend/a.c", '#include "vhost/codec.h"\n'),
    ("control/a.c", '#include "vhost/session.h"\n#include "storage/storage.h"\n'),
    ("vhost/a.c", '#include "session.h"\n#include <stdio.h>\n'),
])
def test_allowed_arrows_are_not(tmp_path, source, text):
    for header in ("vhost/codec.h", "vhost/session.h", "storage/storage.h"):
        (tmp_path / "src" / header).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "src" / header).write_text("", encoding="utf-8")
    planted = tmp_path / "src" / source
    planted.parent.mkdir(parents=True, exist_ok=True)
    planted.write_text(text, encoding="utf-8")
    assert violations(tmp_path) == []
