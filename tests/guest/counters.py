# SPDX-License-Identifier: Apache-2.0
"""Counts kicks, calls and I/Os of a disk inside the guest, so that any back end is counted alike.

Calls are the interrupts of the device's queues. Kicks are counted by a kprobe on virtio_pci's vp_notify() whose
histogram is keyed by the number of the virtio device, which is read through `struct virtqueue`:
vdev at offset 32, and in that the index at 0 (Linux 5.x to 6.x)."""

from collections import namedtuple

Sample = namedtuple("Sample", "ios kicks calls seconds")

_TRACE = "/sys/kernel/tracing"
_ARM = f"""
cd {_TRACE} || exit 1
[ -e events/strait/kick ] && exit 0
echo 'p:strait/kick virtio_pci:vp_notify device=+0(+32($arg1)):s32' >>kprobe_events || exit 1
echo 'hist:keys=device' >events/strait/kick/trigger && echo 1 >events/strait/kick/enable
"""
_HIST = f"cat {_TRACE}/events/strait/kick/hist"


def _number(guest, device):
    """N of the virtioN that is behind /dev/<device>."""
    path = guest.run(f"readlink -f /sys/block/{device.removeprefix('/dev/')}/device")
    return int(path.rpartition("virtio")[2])


def _calls(text, number):
    total = 0
    for line in text.splitlines():
        words = line.split()
        if words and words[-1].startswith(f"virtio{number}-"):
            total += sum(int(w) for w in words[1:] if w.isdigit())
    return total


def _kicks(text, number):
    for line in text.splitlines():
        words = line.split()  # { device:          1 } hitcount:        123
        if words[:2] == ["{", "device:"] and int(words[2]) == number:
            return int(words[-1])
    return 0


def irq_count(guest, device):
    return _calls(guest.run("cat /proc/interrupts"), _number(guest, device))


def kick_count(guest, device):
    if guest.run(_ARM, check=False)[0] != 0:
        return None
    return _kicks(guest.run(_HIST), _number(guest, device))


def sample(guest, device):
    """Return a Sample of counts since boot; kicks is None where it cannot be had. Call kick_count() once before."""
    number = _number(guest, device)
    text = guest.run(f"cat /sys/block/{device.removeprefix('/dev/')}/stat /proc/uptime; cat /proc/interrupts; "
                     f"{_HIST} 2>/dev/null || echo none")
    lines = text.splitlines()
    fields = [int(w) for w in lines[0].split()]
    kicks = None if lines[-1] == "none" else _kicks(text, number)
    return Sample(fields[0] + fields[4], kicks, _calls(text, number), float(lines[1].split()[0]))
