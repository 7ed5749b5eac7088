# SPDX-License-Identifier: Apache-2.0
"""The HTTP server of straitd: what it answers, whom it does not, and that no client of it gets at anything else."""

import contextlib
import os
import signal
import socket
import stat
import time

import pytest

from daemon import Straitd, run, straitd, wait_for, write_config  # noqa: F401
from frontend import bench  # noqa: F401
from upgrade import service  # noqa: F401
from web import Connection, connect, free_address, get, metrics, need_http, raw

pytestmark = pytest.mark.straitd_only


@pytest.fixture
def serve(straitd, workdir):  # noqa: F811
    """with serve(address, **keys) as (daemon, address): a null disk, and HTTP."""
    need_http(straitd)

    @contextlib.contextmanager
    def start(address=None, sandbox="off", **keys):
        address = address or free_address()
        disk = {"name": "d", "socket": os.path.join(workdir, "d.sock"), "null": "1GiB", "queues": 4}
        config = write_config(workdir, [disk], **{"http-listen": address, "sandbox": sandbox, **keys})
        with Straitd(straitd, "--config", config, directory=workdir) as daemon:
            daemon.serves(disk["socket"])
            daemon.logs(f"HTTP on {address}")
            daemon.disk = disk["socket"]
            yield daemon, address
            assert daemon.stop() == 0
    return start


def descriptors(daemon):
    return len(os.listdir(f"/proc/{daemon.pid}/fd"))


@pytest.mark.parametrize("sandbox", ("off", "required"))
@pytest.mark.parametrize("where", ("port", "port of IPv6", "socket"))
def test_what_is_there(serve, workdir, where, sandbox):
    address = {"port": None, "port of IPv6": free_address().replace("127.0.0.1", "[::1]"),
               "socket": f"unix:{workdir}/http.sock"}[where]
    os.chmod(workdir, 0o711)
    with serve(address, sandbox) as (daemon, address):
        if sandbox == "required" and "sanitizer" in daemon.log():
            pytest.skip("sanitizers leave the sandbox out")
        page = get(address, "/")
        assert page.status == 200 and page.headers["Content-Type"] == "text/html; charset=utf-8"
        assert page.body.startswith(b"<!DOCTYPE html>") and page.headers["Cache-Control"] == "no-cache"
        answer = get(address, "/metrics")
        assert answer.status == 200 and answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert answer.headers["Cache-Control"] == "no-store" and 'strait_disk_up{disk="d"} 1' in answer.text
        answer = get(address, "/api/v1/disk.get?name=d")
        assert answer.status == 200 and answer.headers["Content-Type"] == "application/json"
        assert answer.json()["size"] == 1 << 30 and answer.headers["Cache-Control"] == "no-store"


def test_headers_keep_others_out(serve):
    with serve() as (_, address):
        for path in ("/", "/metrics", "/api/v1/version", "/nothing"):
            headers = get(address, path).headers
            policy = headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy and "script-src 'self'" in policy and "unsafe" not in policy
            assert "frame-ancestors 'none'" in policy
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
            assert "Access-Control-Allow-Origin" not in headers


def test_names_of_other_machines(serve, workdir):
    """A page of somebody else's, whose name was made to mean this machine, says so in Host."""
    with serve() as (_, address):
        for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example", ""):
            for path in ("/", "/metrics", "/api/v1/disk.list"):
                answer = get(address, path, headers={"Host": host})
                assert answer.status == 421 and "strait_" not in answer.text, (host, answer.text)
        for host in ("localhost", "localhost:8080", "127.0.0.1:1", "[::1]"):
            assert get(address, "/metrics", headers={"Host": host}).status == 200
        assert raw(address, b"GET /metrics HTTP/1.1\r\nConnection: close\r\n\r\n").split()[1] in (b"400", b"421")
    with serve(f"unix:{workdir}/http.sock") as (_, address):
        assert get(address, "/metrics", headers={"Host": "whatever"}).status == 200


def test_parameters_and_errors(serve):
    with serve() as (_, address):
        for query, status, words in (("disk.get?name=d", 200, '"name":"d"'), ("disk.get?name=e", 404, "disk e"),
                                     ("disk.get", 400, "name"), ("disk.get?name=d&x=1", 400, "x"),
                                     ("disk.get?name=d&name=d", 400, "once"), ("disk.get?name=%ff", 400, "UTF-8"), ("disk.get?name=d%00", 404, "disk d"),
                                     ("disk.remove?name=d", 403, ""), ("no.such", 404, "no method"), ("", 404, "no method"),
                                     ("stats.get?window=x", 400, "window"), ("stats.get?window=5", 200, '"disks"')):
            if query.startswith("disk.remove") and "disk.remove" not in get(address, "/api/v1/schema.get").json()["methods"]:
                continue
            answer = get(address, "/api/v1/" + query)
            assert (answer.status, words in answer.text) == (status, True), (query, answer.status, answer.text)
            assert (status == 200) != ("error" in answer.json()), answer.text


def test_only_reading(serve):
    with serve() as (_, address):
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW"):
            answer = get(address, "/api/v1/version", method)
            assert answer.status == 405 and answer.headers["Allow"] == "GET, HEAD"
        answer = get(address, "/metrics", "HEAD")
        assert answer.status == 200 and answer.body == b"" and int(answer.headers["Content-Length"]) > 1000


def test_paths_that_are_none(serve):
    with serve() as (_, address):
        for path in ("/../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd", "/index.html/..", "/metrics/", "/api/v1",
                     "/api/v2/version", "/%00", "/" + "a" * 4000, "http://localhost/metrics", "*"):
            assert get(address, path).status == 404, path


def test_access_to_a_socket(serve, workdir):
    with serve(f"unix:{workdir}/http.sock", **{"socket-mode": "0620"}):
        assert stat.S_IMODE(os.stat(f"{workdir}/http.sock").st_mode) == 0o620
    assert not os.path.exists(f"{workdir}/http.sock")


def test_socket_goes_in_the_sandbox_too(serve, workdir):
    os.mkdir(f"{workdir}/web", 0o700)
    with serve(f"unix:{workdir}/web/http.sock", "on"):
        assert os.path.exists(f"{workdir}/web/http.sock")
    assert not os.path.exists(f"{workdir}/web/http.sock")


def test_occupied_port(straitd, workdir):  # noqa: F811
    """The disks are served all the same, and --check says so beforehand."""
    need_http(straitd)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = f"127.0.0.1:{other.getsockname()[1]}"
        disk = {"name": "d", "socket": os.path.join(workdir, "d.sock"), "null": "1GiB"}
        config = write_config(workdir, [disk], **{"http-listen": address, "sandbox": "off"})
        with Straitd(straitd, "--config", config, directory=workdir) as daemon:
            daemon.serves(disk["socket"])
            assert "expected a port that nobody listens on; there is no HTTP" in daemon.logs(address)
            assert daemon.stop() == 0
        result = run(straitd, "--check", "--config", config)
        assert result.returncode == 1 and f"http-listen: {address}: Address already in use" in result.stdout
    assert run(straitd, "--check", "--config", config).returncode == 0


def sleeping_threads(daemon):
    """How often each thread was taken off its CPU or put on it."""
    count = {}
    for task in os.listdir(f"/proc/{daemon.pid}/task"):
        with open(f"/proc/{daemon.pid}/task/{task}/status", encoding="ascii") as file:
            count[task] = sum(int(line.split()[1]) for line in file if "ctxt_switches" in line)
    return count


def test_without_clients_it_sleeps(serve):
    with serve() as (daemon, address):
        assert get(address, "/metrics").status == 200
        with connect(address):
            pass
        # The last connection is forgotten, and its timer stops.
        time.sleep(2.5)
        before = sleeping_threads(daemon)
        time.sleep(3)
        assert sleeping_threads(daemon) == before


def test_a_connection_is_used_again(serve):
    with serve() as (_, address):
        connection = Connection(address)
        for _ in range(50):
            connection.request("GET", "/api/v1/version")
            assert connection.getresponse().read()
        connection.close()


# What a client does that means no good: bytes to send, one after the other.
BAD_REQUESTS = {
    "no request": (b"\0" * 100000,),
    "an endless line": (b"GET /" + b"a" * 1000000,),
    "an endless header": (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 1000000,),
    "headers without end": (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 100000,),
    "a large body": (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n", b"x" * 1000000),
    "a body of a GET": (b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n", b"x" * 1000000),
    "chunks without end": (b"GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n",
                           b"ffff\r\n" + b"x" * 65535 + b"\r\n") * 8,
    "a negative length": (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",),
    "a wrong version": (b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",),
    "TLS": (bytes.fromhex("16030100c8010000c40303") + os.urandom(200),),
    "many parameters": (b"GET /api/v1/version?" + b"&".join(b"p%d=1" % i for i in range(20000)) + b" HTTP/1.1\r\n",),
}


@pytest.mark.parametrize("what", BAD_REQUESTS)
def test_bad_requests(serve, what):
    with serve() as (daemon, address):
        before = descriptors(daemon)
        answer = raw(address, *BAD_REQUESTS[what])
        assert answer == b"" or int(answer.split()[1]) >= 400, answer[:200]
        assert get(address, "/metrics").status == 200
        wait_for(lambda: descriptors(daemon) <= before, "the connection to be closed")


def test_pipelined_requests(serve):
    with serve() as (_, address):
        request = b"GET /api/v1/version HTTP/1.1\r\nHost: localhost\r\n\r\n"
        last = request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        assert raw(address, request * 20 + last).count(b"HTTP/1.1 200") == 21


def test_more_requests_than_are_answered(serve):
    """Beyond 200 a second there is an answer that costs nothing, and the rate is kept for those that are served."""
    with serve() as (_, address):
        connection, statuses = Connection(address), []
        start = time.monotonic()
        for _ in range(2000):
            connection.request("GET", "/api/v1/version")
            statuses.append((response := connection.getresponse()).status)
            response.read()
        served = statuses.count(200)
        assert set(statuses) <= {200, 429}
        # A second's worth at once, then the rate.
        assert 200 <= served <= 200 * (time.monotonic() - start + 1) + 2


@pytest.fixture
def under_load(serve, bench):  # noqa: F811
    """with under_load() as (daemon, address): strait bench runs meanwhile, without an error, and it did go on."""
    @contextlib.contextmanager
    def start():
        with serve() as (daemon, address):
            load = bench.running(daemon.disk, "--rw", "randrw", "--queues", 2, "--depth", 8, "--time", "300s")
            try:
                yield daemon, address
            finally:
                load.send_signal(signal.SIGINT)
            result = bench.finish(load, expect=None)
            assert result.errors() == 0 and result.ios() > 1000
    return start


def done(address):
    return metrics(address)("strait_disk_completed_requests_total")


def test_slow_clients(under_load):
    """Those that send their request a byte at a time, or do not read the answer, are cut off; others are served."""
    with under_load() as (daemon, address):
        before = descriptors(daemon)
        slow = [connect(address) for _ in range(20)]
        deaf = [connect(address) for _ in range(20)]
        for sock in deaf:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            with contextlib.suppress(OSError):
                sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100)
        text, cut, at = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 1000, set(), 0
        end = time.monotonic() + 90
        last = done(address)
        while len(cut) < len(slow):
            assert time.monotonic() < end, f"{len(cut)} of {len(slow)} cut off"
            for sock in slow:
                try:
                    sock.send(text[at:at + 1])
                except OSError:
                    cut.add(sock)
            at += 1
            time.sleep(0.5)
            now = done(address)
            assert now > last
            last = now
        wait_for(lambda: descriptors(daemon) <= before, "all of them to be closed", 60)
        for sock in slow + deaf:
            sock.close()


def test_a_thousand_connections(under_load):
    """No more than 64 are taken at a time. The others wait, and are served once there is room."""
    with under_load() as (daemon, address):
        before = descriptors(daemon)
        crowd = []
        for _ in range(1000):
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", int(address.rpartition(":")[2])))
            crowd.append(sock)
        assert descriptors(daemon) <= before + 64 + 4
        # Silent ones are cut off after seconds, and somebody with a request gets through.
        assert get(address, "/metrics", timeout=120).status == 200
        assert descriptors(daemon) <= before + 64 + 4
        for sock in crowd:
            sock.close()
        wait_for(lambda: descriptors(daemon) <= before, "all of them to be closed", 60)
        assert get(address, "/metrics").status == 200


def test_connections_that_come_and_go(under_load):
    with under_load() as (daemon, address):
        before = descriptors(daemon)
        for i in range(500):
            with connect(address) as sock:
                if i % 3 == 0:
                    sock.send(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"[:i % 50])
        wait_for(lambda: descriptors(daemon) <= before, "all of them to be closed")
        assert done(address) > 0


def test_upgrade(service, bench, workdir, straitd):  # noqa: F811
    """The socket goes over: nobody who connects meanwhile is turned away."""
    need_http(straitd)
    address = free_address()
    disk = {"name": "d", "socket": f"{workdir}/d.sock", "null": "1GiB"}
    serving = service([disk], **{"http-listen": address})
    load = bench.running(disk["socket"], "--time", "300s")
    for _ in range(3):
        before = done(address)
        process = serving.start_upgrade()
        while process.poll() is None:
            assert get(address, "/metrics").status == 200
            time.sleep(0.01)  # no more than are answered
        serving.finish_upgrade(process)
        assert done(address) >= before
    load.send_signal(signal.SIGINT)
    assert bench.finish(load, expect=None).errors() == 0
    # And to another address, of which nobody else has to know.
    other = f"unix:{workdir}/http.sock"
    serving.configure([disk], **{"http-listen": other})
    serving.upgrade()
    assert get(other, "/metrics").status == 200
    with pytest.raises(ConnectionRefusedError):
        get(address, "/metrics")
    serving.upgrade()
    assert get(other, "/metrics").status == 200 and os.path.exists(f"{workdir}/http.sock")
    serving.stop()
    assert not os.path.exists(f"{workdir}/http.sock")
