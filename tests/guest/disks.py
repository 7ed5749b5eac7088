# SPDX-License-Identifier: Apache-2.0
"""The disks a guest can have. In the guest they are /dev/vda, /dev/vdb, ... in the order they were given."""

import os
from dataclasses import dataclass


@dataclass
class VhostUserDisk:
    """A disk served by a vhost-user back end at `socket`.

    reconnect: seconds after which QEMU connects again to a back end that went away; None: it does not.
    packed, event_idx, indirect: what the device offers, where the back end does."""
    socket: str
    queues: int = 1
    reconnect: int = 1
    queue_size: int = 128
    packed: bool = False
    event_idx: bool = True
    indirect: bool = True

    def arguments(self, index):
        again = f",reconnect={self.reconnect}" if self.reconnect else ""
        return ["-chardev", f"socket,id=vhost{index},path={_comma(self.socket)}{again}",
                "-device", f"vhost-user-blk-pci,id=disk{index},chardev=vhost{index},num-queues={self.queues},"
                           f"queue-size={self.queue_size},packed={_on(self.packed)},event_idx={_on(self.event_idx)},"
                           f"indirect_desc={_on(self.indirect)}"]


@dataclass
class QemuDisk:
    """QEMU's own virtio-blk on an image, in an I/O thread of its own unless told otherwise."""
    path: str
    queues: int = 1
    cache: str = "none"
    aio: str = "io_uring"
    iothread: bool = True
    queue_size: int = 128
    read_only: bool = False

    def arguments(self, index):
        thread = ["-object", f"iothread,id=io{index}"] if self.iothread else []
        return [*thread,
                "-drive", f"if=none,id=drive{index},format=raw,file={_comma(self.path)},cache={self.cache},"
                          f"aio={self.aio},discard=unmap,readonly={'on' if self.read_only else 'off'}",
                "-device", f"virtio-blk-pci,id=disk{index},drive=drive{index},num-queues={self.queues},"
                           f"queue-size={self.queue_size}" + (f",iothread=io{index}" if self.iothread else "")]


def device_name(index):
    """The guest's name for its disk number `index`."""
    return "vd" + chr(ord("a") + index)


def _comma(path):
    """QEMU's option parser takes a doubled comma for one."""
    return os.fspath(path).replace(",", ",,")


def _on(yes):
    return "on" if yes else "off"
