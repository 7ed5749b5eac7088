# SPDX-License-Identifier: Apache-2.0
"""Builds the guest: a Debian kernel, and an initramfs with just what the tests run in it.

Built once and kept under a name made of the hash of everything that goes in (scripts by content, the machine's
programs by size and time), so that a new kernel, another fio or an edited script makes a new one. Two tests that start
together build it once."""

import contextlib
import fcntl
import glob
import hashlib
import lzma
import os
import re
import shutil
import subprocess
import tempfile
from collections import namedtuple

from . import slim
from .errors import GuestError

Image = namedtuple("Image", "kernel initramfs")

# What a guest is made of. name: of its images in the cache; modules: loaded by init, with what they need; programs: what it
# runs besides busybox, and the package that has each; links: in /bin; files: a directory with init, agent and inittab;
# data: files and modules of QEMU's that are where they are here, and the package that has each
Recipe = namedtuple("Recipe", "name modules programs links files data", defaults=((),))

META_PACKAGE = "linux-image-cloud-amd64"
FILES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "files")
GUEST = Recipe(name="image", modules=("virtio_pci", "virtio_blk", "virtio_console"),
               programs={"fio": "fio", "mke2fs": "e2fsprogs", "e2fsck": "e2fsprogs", "resize2fs": "e2fsprogs",
                         "blkdiscard": "util-linux"},
               links={"mkfs.ext4": "mke2fs", "fsck.ext4": "e2fsck"}, files=FILES)
_SEARCH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


def build_image(cache, progress=lambda text: None, recipe=GUEST):
    """Return the Image in the directory `cache`, built if it is not there. `progress` hears of the long steps."""
    os.makedirs(cache, exist_ok=True)
    with _locked(os.path.join(cache, "lock")):
        deb = _kernel_package(cache, progress)
        programs = {"busybox": _tool("busybox", "busybox-static")}
        programs.update((name, _tool(name, package)) for name, package in recipe.programs.items())
        target = os.path.join(cache, f"{recipe.name}-{_key(deb, programs, recipe)}")
        if not os.path.isdir(target):
            progress("build the guest's initramfs" if recipe is GUEST else f"build the initramfs of the {recipe.name}")
            with tempfile.TemporaryDirectory(dir=cache, prefix="building-") as work:
                ready = os.path.join(work, "image")
                os.mkdir(ready)
                _build(deb, programs, work, ready, recipe)
                for old in glob.glob(os.path.join(cache, f"{recipe.name}-" + "[0-9a-f]" * 16)):
                    shutil.rmtree(old)
                os.rename(ready, target)
    return Image(os.path.join(target, "vmlinuz"), os.path.join(target, "initramfs"))


@contextlib.contextmanager
def _locked(path):
    with open(path, "w", encoding="ascii") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        yield


def _output(*argv, cwd=None):
    try:
        done = subprocess.run(argv, cwd=cwd, env={**os.environ, "LC_ALL": "C", "PATH": _SEARCH}, text=True,
                              capture_output=True, check=False)
    except FileNotFoundError as e:
        raise GuestError(f"cannot build the guest: {argv[0]} is not installed") from e
    if done.returncode != 0:
        raise GuestError(f"cannot build the guest: {' '.join(argv)}: {done.stderr.strip() or done.returncode}")
    return done.stdout


def _tool(name, package):
    path = shutil.which(name, path=_SEARCH)
    if not path:
        raise GuestError(f"cannot build the guest: {name} is missing: install the package {package}")
    return os.path.realpath(path)


def _kernel_package(cache, progress):
    """The kernel's .deb in the cache, downloaded if it is not there. A cached one does when apt knows of none."""
    cached = glob.glob(os.path.join(cache, "linux-image-*.deb"))
    advice = "is apt set up, and its lists fresh? (apt-get update)"
    try:
        known = re.search(r"^Depends: (linux-image-\S+) \(= (\S+)\)",
                          _output("apt-cache", "show", "--no-all-versions", META_PACKAGE), re.M)
        if not known:
            raise GuestError(f"cannot build the guest: apt does not say which kernel {META_PACKAGE} is")
    except GuestError as e:
        if cached:
            return max(cached, key=os.path.getmtime)
        raise GuestError(f"{e}; {advice}") from None
    name, version = known.groups()
    deb = os.path.join(cache, f"{name}_{version.replace(':', '_')}.deb")
    if not os.path.exists(deb):
        progress(f"download the package {name} (about 30 MB, not installed)")
        with tempfile.TemporaryDirectory(dir=cache, prefix="download-") as work:
            try:
                _output("apt-get", "-q", "download", f"{name}={version}", cwd=work)
            except GuestError as e:
                raise GuestError(f"{e}; {advice}") from None
            os.rename(glob.glob(os.path.join(work, "*.deb"))[0], deb)
        for old in cached:
            os.unlink(old)
    return deb


def _libraries(path):
    """The shared libraries of a program, where the loader finds them; none for a static one."""
    done = subprocess.run(["ldd", path], text=True, capture_output=True, check=False)
    return re.findall(r"(/\S+) \(0x", done.stdout) if done.returncode == 0 else []


def _key(deb, programs, recipe):
    h = hashlib.sha256(os.path.basename(deb).encode() + repr(recipe).encode())
    for path in sorted(glob.glob(os.path.join(recipe.files, "*")) + glob.glob(os.path.join(FILES, "*"))) + [os.path.abspath(__file__), slim.__file__]:
        with open(path, "rb") as f:
            h.update(f.read())
    for program in sorted([*programs.values(), *recipe.data]):
        for path in [program, *_libraries(program)]:
            status = os.stat(path)
            h.update(f"{path} {status.st_size} {status.st_mtime_ns}\n".encode())
    return h.hexdigest()[:16]


def _build(deb, programs, work, ready, recipe):
    tree, root = os.path.join(work, "package"), os.path.join(work, "root")
    _output("dpkg", "-x", deb, tree)
    for name in ("bin", "etc", "lib", "lib64", "proc", "sys", "dev", "modules"):
        os.makedirs(os.path.join(root, name))
    _add_modules(tree, os.path.join(root, "modules"), recipe.modules)
    _add_programs(programs, work, root)
    for name, target in recipe.links.items():
        os.symlink(target, os.path.join(root, "bin", name))
    for path in recipe.data:
        add_file(root, path)
    for script in ("init", "agent"):
        own = os.path.join(recipe.files, script)
        shutil.copy2(own if os.path.exists(own) else os.path.join(FILES, script), os.path.join(root, script))
        os.chmod(os.path.join(root, script), 0o755)
    shutil.copy(os.path.join(recipe.files, "inittab"), os.path.join(root, "etc", "inittab"))
    pack(root, os.path.join(ready, "initramfs"))
    shutil.copy(glob.glob(os.path.join(tree, "boot", "vmlinuz-*"))[0], os.path.join(ready, "vmlinuz"))


def pack(root, path):
    """Write a directory as an archive for the kernel. Several may stand one after another in a file."""
    # not compressed: unpacking it in an emulated guest takes longer than reading it
    names = sorted(os.path.relpath(os.path.join(d, n), root) for d, dirs, files in os.walk(root) for n in dirs + files)
    with open(path, "wb") as out:
        try:
            subprocess.run(["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"], cwd=root, stdout=out, check=True,
                           input="\n".join(names).encode())
        except FileNotFoundError as e:
            raise GuestError("cannot build the guest: cpio is missing: install the package cpio") from e


def add_file(root, path):
    """Copy a file to where it is on this machine."""
    place = os.path.join(root, path.lstrip("/"))
    os.makedirs(os.path.dirname(place), exist_ok=True)
    try:
        shutil.copy(path, place)
    except FileNotFoundError as e:
        raise GuestError(f"cannot build the guest: {path} is missing: install the package that has it "
                         f"(scripts/install-packages guest)") from e


def add_program(root, path, name=None):
    """Copy a program into /bin and its libraries into /lib, except the loader, whose place is fixed."""
    _add_program(root, path, name or os.path.basename(path), _libraries(path))


def _add_program(root, path, name, libraries):
    for place in ("bin", "lib", "lib64"):
        os.makedirs(os.path.join(root, place), exist_ok=True)
    shutil.copy(path, os.path.join(root, "bin", name))
    for library in libraries:
        shutil.copy(library, os.path.join(root, "lib64" if "/ld-" in library else "lib", os.path.basename(library)))


def _add_modules(tree, into, modules):
    """Copy modules and what they need; the file `order` lists them so that insmod can load each in turn."""
    found = {}
    for path in glob.glob(os.path.join(tree, "lib/modules/*/kernel/**/*.ko*"), recursive=True):
        found[os.path.basename(path).split(".")[0].replace("-", "_")] = path
    order = []

    def add(name):
        if name in order or name not in found:  # not found: built in
            return
        for needed in _output("modinfo", "-F", "depends", found[name]).strip().split(","):
            if needed:
                add(needed.replace("-", "_"))
        order.append(name)

    for name in modules:
        add(name)
    for name in order:
        opener = lzma.open if found[name].endswith(".xz") else open
        with opener(found[name], "rb") as src, open(os.path.join(into, name + ".ko"), "wb") as dst:
            shutil.copyfileobj(src, dst)
    with open(os.path.join(into, "order"), "w", encoding="ascii") as f:
        f.writelines(name + ".ko\n" for name in order)


def _add_programs(programs, work, root):
    stubs = slim.stub_libraries(programs["fio"], os.path.join(work, "stubs"))
    for name, path in programs.items():
        _add_program(root, path, name, slim.without(path, stubs, _libraries) if name == "fio" else _libraries(path))
