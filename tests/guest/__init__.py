# SPDX-License-Identifier: Apache-2.0
"""Real Linux guests for the end-to-end tests and the demo.

One kernel and one small initramfs are built by `image`, started by `guest.Guest`; `disks` says which disks a guest has
and `daemon` starts the back ends that serve them. Nothing here needs root, an installed kernel or anything but the
distribution's packages and python3.
"""

from .daemon import QemuStorageDaemon, Straitd, straitd_config
from .disks import QemuDisk, VhostUserDisk
from .errors import GuestError, GuestTimeout
from .guest import Guest
from .image import build_image

__all__ = ["Guest", "GuestError", "GuestTimeout", "QemuDisk", "QemuStorageDaemon", "Straitd", "VhostUserDisk",
           "build_image", "straitd_config"]
