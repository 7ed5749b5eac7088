# SPDX-License-Identifier: Apache-2.0
"""Storage that goes bad under load: I/O errors for the requests concerned, nothing for others, and all is well again
when it is. The faults are real ones: of a medium that this process serves, of full and frozen file systems, of limits."""

import contextlib
import errno
import os
import resource
import signal
import subprocess
import threading
import time

import pytest

from daemon import Straitd, make_image, straitd, wait_for, write_config  # noqa: F401
from driver import FLUSH, IN, IOERR, OK, OUT, Disk, DriverError
from frontend import bench  # noqa: F401
from medium import FSYNC, READ, WRITE, mounted_medium
from stamplog import DeepDisk

pytestmark = pytest.mark.straitd_only

MIB = 1 << 20
SIZE = 16 * MIB
HANG = float(os.environ.get("HANG_SECONDS", "1"))
LOAD = ("--rw", "randrw", "--verify", "--block-size", "4k-64k", "--depth", "8")


@pytest.fixture
def bad_and_good(straitd, workdir):
    """with bad_and_good(file, cache) as (daemon, bad, good): one worker serves a disk on that file, and another disk."""
    @contextlib.contextmanager
    def serve(file, cache="none", **keys):
        bad, good = os.path.join(workdir, "bad.sock"), os.path.join(workdir, "good.sock")
        config = write_config(workdir, [
            {"name": "bad", "socket": bad, "file": file, "cache": cache},
            {"name": "good", "socket": good, "file": make_image(workdir, "good.img", SIZE), "cache": "writeback"}], **keys)
        with Straitd(straitd, "--config", config, directory=workdir) as daemon:
            daemon.serves(bad, good)
            yield daemon, bad, good
            assert daemon.stop() == 0
    return serve


@pytest.fixture
def medium(workdir):
    with mounted_medium(os.path.join(workdir, "medium"), SIZE) as made:
        yield made


@contextlib.contextmanager
def on_ext4(workdir, size):
    """A file system on a loop device; skips where there are none."""
    image, folder = make_image(workdir, "ext4", size), os.path.join(workdir, "mounted")
    os.mkdir(folder)
    subprocess.run(["/sbin/mkfs.ext4", "-q", "-F", "-m", "0", image], check=True)
    result = subprocess.run(["mount", "-o", "loop", image, folder], capture_output=True, text=True)
    if result.returncode:
        pytest.skip(f"needs a loop device: {result.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def is_well(bench, socket, *options):
    """A short load comes through without an error."""
    result = bench.run(socket, *LOAD, "--io-count", 2000, *options)
    assert result.errors() == 0 and result.bad_sectors() == {}


@pytest.mark.parametrize("cache", ("none", "writeback"))
def test_hanging_device(bad_and_good, bench, medium, cache):
    """What hangs waits, as long as it takes; the worker serves the other disk meanwhile. More requests hang than the
    kernel has background threads for a worker unless told otherwise."""
    with bad_and_good(medium.path, cache) as (_, bad, good):
        load = bench.start(bad, *LOAD, "--depth", 4 * os.cpu_count() + 32, "--time", f"{HANG + 1}s", "--timeout", f"{HANG + 60}s")
        wait_for(lambda: len(medium.calls) > 100 or cache == "writeback", "load")
        medium.hang()
        wait_for(lambda: medium.held, "a request to hang", timeout=HANG + 15)
        until = time.monotonic() + HANG
        is_well(bench, good)
        while time.monotonic() < until:
            is_well(bench, good)
        assert load.poll() is None
        medium.go_on()
        result = bench.finish(load)
        assert result.errors() == 0 and result.bad_sectors() == {}
        is_well(bench, bad)


def test_only_what_hangs_waits(bad_and_good, medium):
    with bad_and_good(medium.path) as (_, bad, _), DeepDisk(bad) as disk:
        medium.hang(WRITE)
        stuck = disk.begin(OUT, 0, out=b"x" * 4096)
        wait_for(lambda: medium.held, "the write to hang")
        for _ in range(20):
            slot = disk.begin(FLUSH, 0)
            assert disk.finished() == (slot, OK)
        medium.go_on()
        assert disk.finished() == (stuck, OK)
        assert medium.data[:4096] == b"x" * 4096


def test_hanging_device_holds_up_a_stop(bad_and_good, medium):
    """GET_VRING_BASE and SIGTERM wait for what is in flight and the log says for what."""
    with bad_and_good(medium.path) as (daemon, bad, good):
        with Disk(bad, timeout=60) as disk, Disk(good) as other:
            medium.hang()
            disk.submit(OUT, 0, out=b"x" * 4096)
            wait_for(lambda: medium.held, "the write to hang")

            def stop():
                with contextlib.suppress(DriverError):  # a daemon that stops does not answer any more
                    disk.stop()
            stopped = threading.Thread(target=stop)
            stopped.start()
            line = daemon.logs("its queues to stop")
            assert "disk bad" in line and "has not answered 1 request (queue 0: 1)" in line
            assert other.write(0, b"y" * 512) == OK
            daemon.process.send_signal(signal.SIGTERM)
            daemon.logs("waits since 10 s")
            assert daemon.process.poll() is None and stopped.is_alive()
            medium.go_on()
            assert daemon.ends() == 0
            stopped.join()
        assert medium.data[:4096] == b"x" * 4096
        daemon.stop = lambda: 0  # it has


def test_told_twice_it_gives_up(bad_and_good, medium):
    with bad_and_good(medium.path) as (daemon, bad, _), Disk(bad) as disk:
        medium.hang()
        disk.submit(OUT, 0, out=b"x" * 4096)
        wait_for(lambda: medium.held, "the write to hang")
        daemon.process.send_signal(signal.SIGTERM)
        daemon.logs("draining")
        daemon.process.send_signal(signal.SIGTERM)
        assert "giving them up" in daemon.logs("told to stop again")
        medium.go_on()  # the kernel waits for what O_DIRECT has under way, also in a process that ends
        assert daemon.ends() == 1
        daemon.stop = lambda: 0


@pytest.mark.parametrize("error", (errno.EIO, errno.ENOSPC))
def test_writes_fail_for_a_while(bad_and_good, bench, medium, error):
    with bad_and_good(medium.path) as (_, bad, good):
        loads = [bench.start(socket, *LOAD, "--time", "2s") for socket in (bad, good)]
        wait_for(lambda: len(medium.calls) > 100, "load")
        medium.faults[WRITE] = -error
        time.sleep(0.5)
        del medium.faults[WRITE]
        result = bench.finish(loads[0], expect=1)
        assert result["operations"]["write"]["errors"]["io-error"] > 0
        assert sum(result["operations"]["read"]["errors"].values()) == 0
        assert result.bad_sectors() == {}
        result = bench.finish(loads[1])
        assert result.errors() == 0 and result.bad_sectors() == {}
        is_well(bench, bad)


@pytest.mark.parametrize("cache", ("none", "writeback"))
def test_flush_that_fails(bad_and_good, medium, cache):
    """The sync's error is the flush's, and no other request's."""
    with bad_and_good(medium.path, cache) as (_, bad, _), Disk(bad) as disk:
        assert disk.write(0, b"x" * 4096) == OK
        medium.faults[FSYNC] = -errno.EIO
        assert disk.flush() == IOERR
        assert disk.write(4096, b"y" * 4096) == OK
        assert disk.read(0, 4096) == (OK, b"x" * 4096)
        del medium.faults[FSYNC]
        assert disk.flush() == OK
        assert medium.stable[:8192] == b"x" * 4096 + b"y" * 4096


@pytest.mark.parametrize("cache", ("none", "writeback"))
def test_reads_that_come_short(bad_and_good, bench, medium, cache):
    with bad_and_good(medium.path, cache) as (_, bad, _):
        medium.shorten = cache == "none"  # into the page cache a short read is the end of the file
        result = bench.run(bad, *LOAD, "--block-size", "64k", "--io-count", 2000)
        assert result.errors() == 0 and result.bad_sectors() == {} and result.checked() > MIB


def test_reads_that_fail_for_a_while(bad_and_good, medium):
    with bad_and_good(medium.path) as (_, bad, _), Disk(bad) as disk:
        medium.faults[READ] = -errno.EIO
        assert [disk.read(offset, 4096)[0] for offset in (0, MIB)] == [IOERR] * 2
        assert disk.write(0, b"x" * 4096) == OK
        del medium.faults[READ]
        assert disk.read(0, 4096) == (OK, b"x" * 4096)


@pytest.mark.parametrize("cache", ("none", "writeback"))
def test_full_file_system(bad_and_good, bench, workdir, cache):
    with on_ext4(workdir, 24 * MIB) as folder:
        ballast = os.path.join(folder, "ballast")
        image = make_image(folder, "disk.img", SIZE)
        free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_bsize
        subprocess.run(["fallocate", "-l", str(free - MIB), ballast], check=True)
        with bad_and_good(image, cache) as (_, bad, good):
            other = bench.start(good, *LOAD, "--time", "1s")
            result = bench.run(bad, *LOAD, "--io-count", 1000, expect=1)
            assert result["operations"]["write"]["errors"]["io-error"] > 0
            assert sum(result["operations"]["read"]["errors"].values()) == 0
            assert result.ios("write") > 0 and result.bad_sectors() == {}
            os.unlink(ballast)
            is_well(bench, bad)
            result = bench.finish(other)
            assert result.errors() == 0 and result.bad_sectors() == {}


@pytest.mark.parametrize("cache", ("none", "writeback"))
def test_frozen_file_system(bad_and_good, bench, workdir, cache):
    """What fsfreeze(8) holds up, as for a snapshot, is held up and no more."""
    with on_ext4(workdir, 64 * MIB) as folder:
        with bad_and_good(make_image(folder, "disk.img", SIZE), cache) as (_, bad, good):
            load = bench.running(bad, *LOAD, "--time", "2s", "--timeout", "60s")
            subprocess.run(["fsfreeze", "-f", folder], check=True)
            try:
                with contextlib.closing(Disk(good)) as disk:
                    assert disk.write(0, b"x" * 512) == OK
                is_well(bench, good)
            finally:
                subprocess.run(["fsfreeze", "-u", folder], check=True)
            result = bench.finish(load)
            assert result.errors() == 0 and result.bad_sectors() == {}


def test_file_size_limit(bad_and_good, bench, workdir):
    # As the user that runs the test, who may then set its limits.
    with bad_and_good(make_image(workdir, "bad.img", SIZE), **{"sandbox-without": ["user"]}) as (daemon, bad, good):
        before = resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (SIZE // 2, before[1]))
        with Disk(bad) as disk:
            assert disk.write(SIZE // 2, b"x" * 4096) == IOERR
            assert disk.write(SIZE // 2 - 4096, b"x" * 4096) == OK
            assert disk.request(IN, SIZE // 1024, want=512) == OK
            resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, before)
            assert disk.write(SIZE // 2, b"x" * 4096) == OK
        is_well(bench, bad)


@pytest.mark.parametrize("place", ("disk, none", "disk, writeback", "memory, writeback"))
def test_image_truncated_and_restored(bad_and_good, bench, workdir, place):
    """Under load on the half that stays: errors for the other half alone, until it is back."""
    folder, cache = place.split(", ")
    directory = workdir
    with contextlib.ExitStack() as stack:
        if folder == "memory":
            directory = os.path.join("/dev/shm", os.path.basename(workdir))
            os.mkdir(directory)
            stack.callback(subprocess.run, ["rm", "-r", directory], check=True)
        image = make_image(directory, "bad.img", SIZE)
        with bad_and_good(image, cache) as (_, bad, good):
            load = bench.running(bad, *LOAD, "--size", SIZE // 2, "--time", "1500ms")
            os.truncate(image, SIZE // 2)
            time.sleep(0.5)
            os.truncate(image, SIZE)
            result = bench.finish(load)
            assert result.errors() == 0 and result.bad_sectors() == {}
            with Disk(bad) as disk:
                assert disk.write(SIZE // 2, b"x" * 4096) == OK
                os.truncate(image, SIZE // 2)
                assert disk.read(SIZE // 2, 4096)[0] == IOERR
                assert disk.read(SIZE // 2 - 4096, 4096)[0] == OK
                os.truncate(image, SIZE)
                assert disk.read(SIZE // 2, 4096) == (OK, bytes(4096))
            is_well(bench, good)
