#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the captures in tests/fixtures/captures anew, and what is expected of them: of the large lab with the good guest, of
the small one with a guest that nothing was done for, and of a container that nobody in particular looks at.

    python3 tests/lab/captures.py --build-dir build/release [--expected-only]"""

import argparse
import base64
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from lab.faults import GOOD  # noqa: E402
from lab.machine import LARGE, SMALL, LabMachine  # noqa: E402
from lab.nested import IDLE, Nested, RunningNested  # noqa: E402
from lab.recipe import build_lab  # noqa: E402
from lab.stage import Stage  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CAPTURES = os.path.join(ROOT, "tests", "fixtures", "captures")
REPORTS = {"audit": ["audit", "-q", "--profile", "database"], "list": ["list"], "map": ["map"]}

# No thought was given to it: emulated, on a growing image in a file system, with what QEMU takes by itself
CARELESS = Nested(name="careless", code=IDLE, accelerator="tcg", cpu="qemu64", machine="pc", smp="1",
                  backend=("memory-backend-ram", ""), overcommit="", iothread=False,
                  drive=("-drive", "if=none,id=disk,format=qcow2,file=/srv/careless.qcow2"), disk="ide-hd,drive=disk",
                  netdev="user,id=net,restrict=on", nic="e1000,netdev=net,romfile=", pinning=None)


def report(strait, name, kind):
    """What strait says of a capture; the exit status is not asked for, since findings are expected."""
    return subprocess.run([strait, *REPORTS[kind], "--from", os.path.join(CAPTURES, f"{name}.tar.zst")], text=True,
                          capture_output=True, check=False, env={**os.environ, "LC_ALL": "C.UTF-8"}).stdout


def names():
    return sorted(name.removesuffix(".tar.zst") for name in os.listdir(CAPTURES) if name.endswith(".tar.zst"))


def keep(lab, name, command):
    lab.run(command.format(f"/tmp/{name}.tar.zst"), timeout=300)
    with open(os.path.join(CAPTURES, f"{name}.tar.zst"), "wb") as f:
        f.write(base64.b64decode(lab.run(f"base64 /tmp/{name}.tar.zst")))


def capture_all(build_dir, directory):
    image = build_lab(os.path.join(ROOT, "build", "guest"), build_dir, directory, print)
    with LabMachine(image, os.path.join(directory, "large"), LARGE) as lab:
        Stage(lab).play(GOOD)
        keep(lab, "lab-large", "strait capture --for 3 -o {}")
    with LabMachine(image, os.path.join(directory, "small"), SMALL) as lab:
        # others may write to it: who looks from the container is nobody
        keep(lab, "container", "chmod 1777 /tmp; echo nobody:x:65534:65534::/:/bin/sh >>/etc/passwd\n"
             "unshare -m -p -n -u -f sh -c 'mount -t proc proc /proc; hostname container\n"
             "su -s /bin/sh nobody -c \"strait capture --for 2 -o {}\"'")
        lab.run("mkdir -p /srv; mkfs.ext4 -q -F /dev/vda; mount /dev/vda /srv; grep -q ' /srv ' /proc/mounts || exit 1\n"
                "qemu-img create -q -f qcow2 /srv/careless.qcow2 64M")
        RunningNested(lab, CARELESS)
        keep(lab, "lab-small", "strait capture --for 3 -o {}")


def main():
    parser = argparse.ArgumentParser(description="Make the captures of tests/fixtures anew.")
    parser.add_argument("--build-dir", default=os.path.join(ROOT, "build", "release"))
    parser.add_argument("--expected-only", action="store_true", help="the captures stay, what is said of them changes")
    options = parser.parse_args()
    os.makedirs(CAPTURES, exist_ok=True)
    if not options.expected_only:
        with tempfile.TemporaryDirectory(prefix="strait-lab-", dir="/var/tmp") as directory:
            capture_all(options.build_dir, directory)
    for name in names():
        for kind in REPORTS:
            with open(os.path.join(CAPTURES, f"{name}.{kind}"), "w", encoding="utf-8") as f:
                f.write(report(os.path.join(options.build_dir, "cmd", "strait", "strait"), name, kind))


if __name__ == "__main__":
    main()
