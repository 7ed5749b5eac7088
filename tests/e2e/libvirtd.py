# SPDX-License-Identifier: Apache-2.0
"""A libvirt of the test's own: a real daemon in directories of the test's, so that the machine's are not touched."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile

import pytest

from daemon import wait_for

# Where libvirtd writes to, whatever its configuration says.
DIRECTORIES = ["/run/libvirt", "/var/lib/libvirt", "/var/cache/libvirt", "/var/log/libvirt", "/etc/libvirt"]

# Guests as who runs the test, and nothing of the machine's that they would need.
QEMU_CONF = """\
user = "+0"
group = "+0"
security_driver = "none"
remember_owner = 0
namespaces = []
cgroup_controllers = []
stdio_handler = "file"
"""

# It looks for the users of a distribution's package before it reads who is meant.
USERS = {"passwd": "libvirt-qemu:x:64055:64055::/:/bin/false\n", "group": "libvirt-qemu:x:64055:\n"}


class Libvirtd:
    def __init__(self, directory):
        self.directory = directory
        self.socket = os.path.join(directory, "run", "libvirt-sock")
        # The rest of a test sees guests as any other user of the machine does: read-only.
        self.uri = f"qemu:///system?socket={self.socket}-ro"
        self.process = None

    def start(self):
        binds = [(self._fill(path), path) for path in DIRECTORIES]
        for name, line in USERS.items():
            with open(f"/etc/{name}", encoding="utf-8") as file:
                text = file.read()
            path = os.path.join(self.directory, name)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text if "libvirt-qemu:" in text else text + line)
            binds.append((path, f"/etc/{name}"))
        config = os.path.join(self.directory, "libvirtd.conf")
        with open(config, "w", encoding="utf-8") as file:
            file.write(f'unix_sock_dir = "{self.directory}/run"\nauth_unix_ro = "none"\nauth_unix_rw = "none"\n'
                       f'log_outputs = "2:file:{self.directory}/libvirtd-own.log"\n')
        script = "".join(f"mkdir -p '{to}' 2>/dev/null; mount --bind '{source}' '{to}' || exit 100\n"
                         for source, to in binds)
        script += f"exec libvirtd -f '{config}' -p '{self.directory}/libvirtd.pid'\n"
        with open(os.path.join(self.directory, "libvirtd.log"), "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(["unshare", "--mount", "--propagation", "private", "sh", "-c", script],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        if self.process.poll() == 100:
            pytest.skip("cannot bind-mount")
        wait_for(self._answers, "libvirtd to answer", timeout=60)

    def _fill(self, path):
        source = os.path.join(self.directory, path.split("/")[1] if path.startswith("/run") else
                              path.strip("/").replace("/", "-"))
        os.makedirs(source, exist_ok=True)
        if path == "/etc/libvirt":
            with open(os.path.join(source, "qemu.conf"), "w", encoding="utf-8") as file:
                file.write(QEMU_CONF)
        return source

    def _answers(self):
        assert self.process.poll() is None, "libvirtd has ended"
        return os.path.exists(self.socket) and self.virsh("version", check=False).returncode == 0

    def virsh(self, *arguments, check=True):
        result = subprocess.run(["virsh", "-c", f"qemu:///system?socket={self.socket}", *arguments], text=True,
                                capture_output=True, timeout=60)
        assert not check or result.returncode == 0, result.stderr
        return result

    def define(self, xml):
        path = os.path.join(self.directory, "domain.xml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(xml)
        self.virsh("define", path)

    def forget(self, name):
        self.virsh("destroy", name, check=False)
        self.virsh("undefine", name, check=False)

    def stop(self):
        if not self.process or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGCONT)
        for name in self.virsh("list", "--name", check=False).stdout.split():
            self.virsh("destroy", name, check=False)
        self.process.terminate()
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@pytest.fixture(scope="module")
def libvirtd():
    """A libvirtd with no domains, for a module: to start it takes seconds. Skips where there can be none."""
    if os.geteuid() != 0:
        pytest.skip("a libvirtd of the test's own needs root: it gets directories by mounting")
    for program in ("libvirtd", "virsh", "unshare", "qemu-system-x86_64"):
        if not shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin"):
            pytest.skip(f"there is no {program}")
    probe = subprocess.run(["unshare", "--mount", "true"], capture_output=True, text=True)
    if probe.returncode:
        pytest.skip(f"no mount namespace: {probe.stderr.strip()}")
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="strait-libvirt-", dir="/var/tmp"))
        daemon = Libvirtd(directory)
        stack.callback(daemon.stop)
        daemon.start()
        yield daemon
