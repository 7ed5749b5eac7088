# SPDX-License-Identifier: Apache-2.0
"""The dashboard in a real browser, with a straitd that is under load behind it. Pictures of it are kept in
BUILD/dashboard for people to look at."""

import contextlib
import itertools
import os
import re
import shutil
import signal
import socket
import tempfile
from collections import defaultdict
from urllib.parse import quote, urlsplit

import pytest

from browser import LAPTOP, PHONE, browser  # noqa: F401  (a fixture)
from daemon import MIB, Straitd, write_config
from frontend import Bench

LIMIT = 400
LONG = "w" * 63
# What is a name of a disk and might mean something else to a browser.
ODD = ("__proto__", "constructor", "a.b_c-D", "-", LONG)
NAMES = ("busy", "limited", *ODD, *(f"vm{i}" for i in range(10)))

ROW = "[...document.querySelectorAll('#disks tbody tr')].find((row) => row.dataset.key === %r)"
CELLS = f"Object.fromEntries([...({ROW}).children].map((cell) => [cell.dataset.title, cell.textContent]))"
LIVE = "document.getElementById('connection').dataset.state === 'live'"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Host:
    """A straitd with loads: "busy" gets a bit of everything, "limited" is held back by QoS."""

    def __init__(self, build_dir, directory):
        self.directory, self.bench = directory, Bench(build_dir)
        self.program = os.path.join(build_dir, "cmd", "straitd", "straitd")
        self.url = f"http://127.0.0.1:{free_port()}/"
        disks = [{"name": name, "socket": self.socket(name), "null": f"{64 * MIB} B"} for name in NAMES]
        disks[0]["delay"] = {"on": ["read"], "distribution": "normal", "mean-us": 300, "spread-us": 200}
        disks[1]["qos"] = {"group": "tenant-a", "iops": LIMIT}
        groups = [{"name": "tenants"}, {"name": "tenant-a", "parent": "tenants", "write-iops": 2 * LIMIT}]
        self.config = write_config(directory, disks, groups=groups, sandbox="off", workers=2,
                                   **{"http-listen": self.url[7:-1]})
        self.daemon = None

    def socket(self, name):
        return os.path.join(self.directory, f"{NAMES.index(name)}.sock")

    def start(self):
        self.daemon = Straitd(self.program, "--config", self.config, directory=self.directory)
        self.daemon.serves(*map(self.socket, NAMES))

    def load(self, stack):
        for name, how in {
            "busy": ["--rw", "randrw", "--depth", 2, "--rate", "2k", "--block-size", "4k,64k", "--flush-every", 10],
            "limited": ["--rw", "randwrite", "--depth", 4],
            "__proto__": ["--rw", "randread", "--depth", 1, "--rate", "100"],
        }.items():
            load = self.bench.start(self.socket(name), "--time", "3000s", "--mode", "event", *how)
            stack.callback(load.communicate)
            stack.callback(load.kill)


@pytest.fixture(scope="module")
def host(build_dir):
    directory = tempfile.mkdtemp(prefix="strait-e2e-", dir="/var/tmp")
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, directory)
        host = Host(build_dir, directory)
        stack.callback(lambda: host.daemon.kill())
        host.start()
        host.load(stack)
        yield host


@pytest.fixture(scope="module")
def pictures(build_dir):
    path = os.path.join(build_dir, "dashboard")
    os.makedirs(path, exist_ok=True)
    return path


@pytest.fixture
def page(browser, host):  # noqa: F811
    """The dashboard with numbers in it. Whatever a test does, the console stays empty and nobody else is asked."""
    browser.open(host.url)
    browser.waits(LIVE, "a connection")
    browser.waits(f"{CELLS % 'busy'}.IOPS !== '–'", "rates")
    yield browser
    assert browser.console() == []
    asked = {urlsplit(url).netloc for _, url in browser.requests()}
    assert asked <= {urlsplit(host.url).netloc}


def choose(page, name):
    page.script("location.hash = arguments[0]", f"disk={quote(name)}")
    page.waits(f"document.getElementById('detail-title').textContent === {name!r}", f"{name} to be chosen")


def pick(page, name, value):
    """Choose from a list."""
    page.script("""const list = document.getElementById(arguments[0]); list.value = arguments[1];
        list.dispatchEvent(new Event("change"));""", name, value)


def number(text):
    """The number of a cell, with its unit."""
    match = re.fullmatch(r"([\d.]+)(?:\u202f?(k|M|ns|µs|ms|s|%))?", text)
    assert match, text
    return float(match.group(1)) * {"k": 1e3, "M": 1e6, "ns": 1e-9, "µs": 1e-6, "ms": 1e-3, "%": 0.01}.get(
        match.group(2), 1)


def test_disks_at_a_glance(page):
    shown = page.script("return [...document.querySelectorAll('#disks tbody tr')].map((row) => row.dataset.key)")
    assert shown[0] == "busy" and len(shown) == 12  # sorted by IOPS; the rest on demand
    assert page.text("#show-all") == f"Show all {len(NAMES)} disks"
    page.script("document.getElementById('show-all').click()")
    shown = page.script("return [...document.querySelectorAll('#disks tbody tr')].map((row) => row.dataset.key)")
    assert sorted(shown) == sorted(NAMES)
    page.waits(f"{CELLS % 'busy'}.p99 !== '–' && {CELLS % 'limited'}.p99 !== '–'", "latencies")
    busy, limited, idle = (page.script(f"return {CELLS % name}") for name in ("busy", "limited", "vm3"))
    assert busy["State"] == "connected" and 100 < number(busy["IOPS"]) < 20000 and number(busy["MB/s"]) > 0
    assert number(busy["p50"]) <= number(busy["p99"]) <= number(busy["p99.9"]) and "backend" in busy["Mostly"]
    assert number(limited["IOPS"]) <= 1.5 * LIMIT and "held" in limited["Mostly"] and number(limited["Held"]) > 0
    assert (idle["State"], idle["IOPS"], idle["p99"]) == ("serving", "0", "–")
    assert re.match(rf"{len(NAMES)} disks · [\d.]+.* IOPS · [\d.]+.MB/s", page.text("#summary"))


def test_numbers_live(page):
    points = "({ROW}).querySelector('polyline').points.length".replace("{ROW}", ROW % "busy")
    before = page.script(f"return {CELLS % 'busy'}")
    first = page.script(f"return {points}")
    page.waits(f"JSON.stringify({CELLS % 'busy'}) !== JSON.stringify({before!r})", "other numbers")
    page.waits(f"{points} >= {first} + 3", "a longer line")
    # Below is none, above the most there was.
    assert 1 == min(page.script(f"return [...({ROW % 'busy'}).querySelector('polyline').points].map((p) => p.y)"))


def test_each_thing_is_asked_for_once_a_second_at_most(page):
    choose(page, "busy")
    page.waits("document.querySelectorAll('#slow tbody tr').length > 0", "slow requests")
    page.requests()
    page.waits("(window.later ??= Date.now() + 6000) < Date.now()", "six seconds")
    times = defaultdict(list)
    for at, url in page.requests():
        times[urlsplit(url).path].append(at)
    assert "/api/v1/stats.get" in times and "/api/v1/history.get" in times and "/api/v1/budget.get" in times
    for path, when in times.items():
        assert all(later - sooner > 0.85 for sooner, later in itertools.pairwise(when)), (path, when)


def test_budget_of_a_disk(page):
    choose(page, "limited")
    pick(page, "budget-window", "10")
    # The first requests pass with what a limit has saved up: of the last ten seconds' most are to have waited.
    page.waits("""document.getElementById("budget-bars").checkVisibility() &&
        [...document.querySelectorAll("#budget-bars [data-stage=held]")]
            .every((bar) => parseFloat(bar.style.width) > 50)""",
               "held ones")
    assert len(page.texts("#budget-bars .budget-row")) == 3
    rows = {row[0]: row[1:] for row in page.script("""
        return [...document.querySelectorAll("#budget tbody tr")].map((row) => [...row.children].map((cell) =>
            (cell.tagName === "TD" ? cell.firstElementChild : cell).textContent));""")}
    assert list(rows) == ["ring", "held", "submit", "backend", "publish", "notify", "total"]
    assert page.texts("#budget thead th") == ["Stage", "p50", "p99", "p99.9", "mean"]
    for column in range(4):
        values = {stage: number(row[column]) for stage, row in rows.items()}
        # It adds up, and a request that was held is no fault of the back end's.
        assert sum(values.values()) - values["total"] == pytest.approx(values["total"], rel=0.05)
        assert values["held"] > 0.5 * values["total"]
    share = page.script("""
        const stack = document.querySelector("#budget-bars .stack"), held = stack.querySelector("[data-stage=held]");
        return held.getBoundingClientRect().width / stack.getBoundingClientRect().width;""")
    assert share == pytest.approx(number(rows["held"][0]) / number(rows["total"][0]), abs=0.05)
    assert "wait for a CPU" in page.text("#budget-host")
    # Of an operation that it does not do there is none.
    pick(page, "budget-op", "read")
    page.waits("document.getElementById('budget-empty').textContent.startsWith('No such requests')", "no reads")


def inked(page):
    """Share of the picture's points that have a colour."""
    return page.script("""
        const heat = document.getElementById("heat"), copy = new OffscreenCanvas(heat.width, heat.height);
        const context = copy.getContext("2d", {willReadFrequently: true});
        context.drawImage(heat, 0, 0);
        const data = context.getImageData(0, 0, heat.width, heat.height).data;
        let inked = 0;
        for (let i = 3; i < data.length; i += 4) inked += data[i] > 0;
        return inked / (data.length / 4);""")


def test_heat_map(page):
    choose(page, "busy")
    page.waits("document.getElementById('heat-words').textContent.includes('p99')", "a picture")
    first = inked(page)
    assert first > 0.005
    # It fills as time goes by.
    page.waits("(window.later ??= Date.now() + 4000) < Date.now()", "some time")
    assert inked(page) > first
    # What it shows can be read off with keys, and as a table.
    page.script("document.getElementById('heat').focus()")
    page.press("ArrowLeft")
    words = page.text("#heat-words")
    assert re.search(r"ago: .* IOPS, p50 .*, p99 .*, p99\.9 ", words)
    page.press("ArrowLeft")
    assert page.text("#heat-words") != words
    page.script("document.querySelector('#heat-details summary').click()")
    page.waits("document.querySelectorAll('#heat-table tbody tr').length > 3", "rows")
    cells = page.texts("#heat-table tbody tr:nth-child(2) td")
    assert number(cells[1]) > 0 and number(cells[2]) <= number(cells[3]) <= number(cells[4])
    # An idle disk has none, and says so.
    choose(page, "vm3")
    page.waits("document.getElementById('heat-empty').textContent.startsWith('No requests')", "an empty picture")
    assert inked(page) == 0


def test_slow_requests(page):
    choose(page, "busy")
    page.waits("document.querySelectorAll('#slow tbody tr').length > 3", "slow requests")
    rows = page.script("""return [...document.querySelectorAll("#slow tbody tr")].map((row) =>
        Object.fromEntries([...row.children].map((cell) => [cell.dataset.title, cell.textContent])));""")
    for row in rows:
        assert re.fullmatch(r"\d\d:\d\d:\d\d", row["When"]) and row["What"] in ("read", "write", "flush")
        assert number(row["Took"]) > 0 and re.match(r"(ring|submit|backend|publish|notify) ", row["Where"])
    choose(page, "vm3")
    page.waits("document.getElementById('slow-empty').textContent === 'None so far.'", "none")


def test_groups_and_workers(page):
    page.waits("document.querySelectorAll('#groups tbody tr').length === 2", "groups")
    rows = page.script("""return Object.fromEntries([...document.querySelectorAll("#groups tbody tr")].map((row) =>
        [row.dataset.key, [...row.children].map((cell) => cell.textContent)]));""")
    assert rows["tenants"][5] == "tenant-a/" and rows["tenant-a"][0] == "tenant-a (in tenants)"
    assert rows["tenant-a"][5] == "limited" and "write-iops 800" in rows["tenant-a"][1]
    page.waits("document.querySelectorAll('#workers tbody tr').length === 2", "workers")
    assert any(number(text) > 0 for text in page.texts("#workers tbody td:nth-child(2)"))


def chosen(page):
    return page.script("return document.querySelector('#disks tr[aria-current]')?.dataset.key")


def test_keyboard(page):
    choose(page, "busy")
    page.press("j")
    second = page.waits("document.querySelector('#disks tr[aria-current]')?.dataset.key", "the next")
    assert second != "busy" and page.text("#detail-title") == second
    assert page.script("return decodeURIComponent(location.hash)") == f"#disk={second}"
    page.press("k")
    assert chosen(page) == "busy"
    page.press("/")
    for letter in "VM1":
        page.press(letter)
    page.waits("document.querySelectorAll('#disks tbody tr').length === 1", "one disk")
    page.press("Escape")
    page.waits("document.querySelectorAll('#disks tbody tr').length === 12", "all again")
    page.press("s")
    assert page.text("#disks th[aria-sort]") == "MB/s"
    assert page.script("return document.querySelector('#disks th[aria-sort]').ariaSort") == "descending"
    page.press("r")
    assert page.script("return document.querySelector('#disks th[aria-sort]').ariaSort") == "ascending"
    page.press("r")
    page.script("document.querySelector('#disks thead button').click()")  # another test finds them as they were
    page.script("document.querySelector('#disks th[data-key=iops] button').click()")
    page.press("?")
    assert page.script("return document.getElementById('help').open")
    page.press("Escape")
    page.waits("!document.getElementById('help').open", "the keys to go")
    page.press("d")
    assert page.script("return document.activeElement.id") == "detail"


def test_tab_reaches_everything_and_is_seen(page):
    page.script("document.body.focus(); scrollTo(0, 0)")
    reached = set()
    for _ in range(60):
        page.press("Tab")
        where, outline = page.script("""const one = document.activeElement;
            return [one === document.body ? "" : one.id || one.textContent, getComputedStyle(one).outlineStyle];""")
        if not where:
            break  # the end of the page
        reached.add(where)
        assert outline != "none", where
    assert {"pause", "theme", "help-open", "filter", "busy", "heat", "heat-span", "budget-op"} <= reached


def test_nobody_looks(page):
    """A tab that is not seen asks for nothing."""
    first = page.driver.current_window_handle
    page.driver.switch_to.new_window("tab")
    second = page.driver.current_window_handle
    try:
        page.driver.switch_to.window(first)
        if not page.script("return document.hidden"):
            page.script("""Object.defineProperty(document, "hidden", {get: () => window.away, configurable: true});
                window.away = true; document.dispatchEvent(new Event("visibilitychange"));""")
        page.waits("(window.settled ??= Date.now() + 1500) < Date.now()", "what was under way")
        page.requests()
        page.waits("(window.later ??= Date.now() + 3500) < Date.now()", "some time")
        assert page.requests() == []
        page.script("window.away = false; document.dispatchEvent(new Event('visibilitychange'));")
        page.driver.switch_to.window(second)
        page.driver.close()
        page.driver.switch_to.window(first)
        page.waits(LIVE, "it to go on")
    finally:
        page.driver.switch_to.window(first)
    page.press("p")
    assert page.text("#connection") == "paused"
    page.press("p")
    page.waits(LIVE, "it to go on")


@pytest.mark.parametrize("name", ODD)
def test_odd_names(page, host, name):
    page.open(f"{host.url}#disk={quote(name)}")  # a deep link
    page.waits(f"document.getElementById('detail-title').textContent === {name!r}", "the disk")
    page.waits("document.querySelectorAll('#figures dd').length === 6", "its figures")
    assert chosen(page) == name and page.driver.title == f"{name} – Strait"
    page.waits("document.getElementById('detail-facts').textContent.includes('queue')", "what it is")


@pytest.mark.parametrize("address", ["#disk=nowhere", "#disk=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E", "#disk=%zz"])
def test_addresses_of_nothing(page, host, address):
    page.open(host.url + address)
    page.waits(LIVE, "numbers")
    if "zz" in address:
        page.waits("document.getElementById('detail-title').textContent === 'busy'", "the busiest")
    else:
        page.waits("document.getElementById('detail-problem').textContent.startsWith('There is no disk')", "a sentence")
    assert page.script("return document.querySelectorAll('main img').length") == 0


def luminance(page, selector, what):
    """Of a colour, from 0 to 1."""
    red, green, blue = (int(part) for part in re.findall(r"\d+", page.script(
        "return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]", selector, what))[:3])
    linear = [((c / 255 + 0.055) / 1.055) ** 2.4 if c > 10 else c / 255 / 12.92 for c in (red, green, blue)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("size", [LAPTOP, PHONE], ids=["laptop", "phone"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_sizes_and_themes(page, pictures, size, dark):
    page.look_like(size, dark)
    choose(page, "busy")
    page.waits("document.querySelectorAll('#slow tbody tr').length > 0", "slow requests")
    page.waits("document.querySelectorAll('#budget-bars .budget-row').length === 3", "the budget")
    page.script("document.querySelector('#heat-details').open = true")
    page.waits("document.querySelectorAll('#heat-table tbody tr').length > 2", "the table")
    assert page.overflow() == []
    choose(page, LONG)
    assert page.overflow() == []
    choose(page, "busy")
    page.script("document.querySelector('#heat-details').open = false; scrollTo(0, 0)")
    page.waits("document.querySelectorAll('#budget-bars .budget-row').length === 3", "the budget")
    page.waits("document.querySelectorAll('#slow tbody tr').length > 0", "slow requests")
    name = f"{'phone' if size == PHONE else 'laptop'}-{'dark' if dark else 'light'}.png"
    page.whole_page(os.path.join(pictures, name))
    paper = luminance(page, "#fleet", "backgroundColor")
    assert paper < 0.05 if dark else paper > 0.8
    for selector in ("h2", ".faint", "#disks a", "#connection", "#disks thead button"):
        ink = luminance(page, selector, "color")
        assert (max(ink, paper) + 0.05) / (min(ink, paper) + 0.05) >= 4.5, f"{selector} is hard to read"


def test_the_theme_can_be_chosen(page):
    page.look_like(LAPTOP, dark=True)
    assert luminance(page, "body", "backgroundColor") < 0.05
    page.press("t")
    assert page.text("#theme") == "Theme: light" and luminance(page, "body", "backgroundColor") > 0.8
    page.driver.refresh()
    page.waits(LIVE, "a connection")
    assert page.text("#theme") == "Theme: light" and luminance(page, "body", "backgroundColor") > 0.8
    page.press("t")
    page.press("t")
    assert page.text("#theme") == "Theme: auto"


def test_straitd_goes_and_comes_back(browser, host):  # noqa: F811
    browser.open(host.url)
    browser.waits(LIVE, "a connection")
    os.kill(host.daemon.pid, signal.SIGKILL)
    host.daemon.ends()
    sentence = browser.waits("document.getElementById('lost').checkVisibility() && "
                             "document.getElementById('lost').textContent", "what is wrong")
    assert "does not answer" in sentence and "Trying again in" in sentence
    assert browser.text("#connection") == "no answer"
    # The last numbers stay, and it asks less and less often.
    assert browser.script(f"return {CELLS % 'busy'}.State") == "connected"
    browser.waits("/again in [48] s/.test(document.getElementById('lost').textContent)", "a longer pause")
    browser.requests()
    host.start()
    browser.waits(LIVE, "a connection", timeout=60)
    assert not browser.script("return document.getElementById('lost').checkVisibility()")
    # The browser itself complains that nobody listened; the page about nothing.
    assert [line for line in browser.console() if "ERR_CONNECTION" not in line and "ERR_EMPTY" not in line] == []
