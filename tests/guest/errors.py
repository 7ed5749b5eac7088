# SPDX-License-Identifier: Apache-2.0
"""What can go wrong with a guest, and what a person needs to see then."""

import os


class GuestError(Exception):
    """A guest, its QEMU or a back end did not do what was asked; the message ends with what they last said."""


class GuestTimeout(GuestError):
    """Nothing came in time. The guest is not usable afterwards: it may still be busy with the request."""


def tail(path, lines=25):
    """The end of a log, indented so that it stands out inside an error; '' where there is none."""
    try:
        with open(path, "rb") as f:
            f.seek(0, os.SEEK_END)
            f.seek(max(0, f.tell() - 16384))
            text = f.read().decode("utf-8", "replace").replace("\r", "")
    except OSError:
        return ""
    return "\n".join("    " + line for line in text.splitlines()[-lines:] if line.strip())
