#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A front end that comes and goes: offender.py SOCKET friend|foe. A friend reads a block in each session, a foe commits
the next crime of hostile.py. Until SIGTERM; then it says how many sessions there were."""

import itertools
import signal
import sys

from driver import OK, Disk
from hostile import BLOCK_CRIMES, RING_CRIMES, HostileDisk, applicable


def friendly_session(path):
    with Disk(path) as disk:
        status, _ = disk.read(0, 4096)
        assert status == OK


def hostile_session(path, crime, ring):
    with HostileDisk(path, ring, crime.features) as disk:
        disk.commit(crime)
        if crime.cause:
            disk.wait_broken()
        else:
            disk.wait_status()


def main():
    path, kind = sys.argv[1:]
    end = []
    signal.signal(signal.SIGTERM, lambda *_: end.append(True))
    for count, (crime, ring) in enumerate(itertools.cycle(applicable(RING_CRIMES + BLOCK_CRIMES))):
        if end:
            print(count)
            return
        if kind == "foe":
            hostile_session(path, crime, ring)
        else:
            friendly_session(path)


if __name__ == "__main__":
    main()
