# SPDX-License-Identifier: Apache-2.0
"""strait audit as its users see it: reports, what decides the exit code, and machines that say what they should not."""

import datetime
import json
import os
import re
import shutil
import subprocess
import xml.etree.ElementTree

import pytest

from machines import build, machine

BAD = {
    "/sys/kernel/mm/ksm/run": "1",
    "/sys/kernel/mm/ksm/merge_across_nodes": "0",
    "/sys/devices/system/cpu/cpu{2-5,7}/cpufreq/scaling_governor": "powersave",
    "/sys/module/kvm_intel/parameters/ept": "N",
}


class Machine:
    """A machine of files, and the command that looks at it."""

    def __init__(self, build_dir, workdir, *layers):
        self.tool = os.path.join(build_dir, "cmd", "strait", "strait")
        self.workdir = workdir
        self.path = build(os.path.join(workdir, "machine"), *layers)

    def run(self, *arguments, expect=0, **environment):
        result = subprocess.run([self.tool, "audit", "--from", self.path, *arguments], capture_output=True, text=True,
                                timeout=60, env={**os.environ, "TZ": "UTC", **environment})
        assert result.returncode == expect, result.stdout + result.stderr
        return result.stderr if expect > 1 else result.stdout

    def audit(self, *arguments, expect=0):
        return json.loads(self.run("--json", *arguments, expect=expect))

    def write(self, name, text):
        path = os.path.join(self.workdir, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path


@pytest.fixture
def good(build_dir, workdir):
    return Machine(build_dir, workdir, machine("host"), machine("guest"))


@pytest.fixture
def bad(build_dir, workdir):
    return Machine(build_dir, workdir, machine("host"), machine("guest"), BAD)


def test_good_machine_is_clean(good):
    text = good.run()
    assert "PASS     host.ksm.run: 0\n" in text
    assert re.search(r"^general: 0 FAIL, 0 WARN, \d+ UNKNOWN, \d+ NOTE, \d+ PASS$", text, re.MULTILINE)
    assert good.run("--quiet") == ""


def test_finding_says_all_there_is_to_know(bad):
    text = bad.run(expect=1)
    assert "WARN     host.ksm.run: 1, expected 0 or 2\n" in text
    # Objects that are alike are one finding.
    assert "WARN     host.cpu.governor (cpu2-5, cpu7): powersave, expected performance\n" in text
    assert "echo performance >/sys/devices/system/cpu/NAME/cpufreq/scaling_governor (NAME: each of them)" in \
        re.sub(r"\s+", " ", text)
    # The worst is next to the prompt.
    assert text.index("PASS ") < text.index("WARN ") < text.index("FAIL ")
    details = text[text.index("FAIL     host.kvm.ept"):]
    for label in ("why", "read", "now", "for good", "costs", "source"):
        assert re.search(rf"^         {label} ", details, re.MULTILINE), label
    assert "\033" not in text


def test_quiet_is_a_line_for_each_finding(bad):
    assert bad.run("-q", expect=1).splitlines() == [
        "WARN     host.cpu.governor (cpu2-5, cpu7): powersave, expected performance",
        "WARN     host.ksm.run: 1, expected 0 or 2",
        "FAIL     host.kvm.ept: N, expected Y or 1",
    ]


def test_json(bad):
    report = bad.audit(expect=1)
    assert report["machine"] == "bench7" and report["profile"] == "general" and report["contexts"] == ["general"]
    finding = next(finding for finding in report["findings"] if finding["id"] == "host.cpu.governor"
                   and finding["object"] == "cpu7")
    assert finding["status"] == "WARN" and finding["value"] == "powersave" and finding["expected"] == "performance"
    assert finding["read"] == "/sys/devices/system/cpu/cpu7/cpufreq/scaling_governor"
    assert finding["cure"] == "echo performance >/sys/devices/system/cpu/cpu7/cpufreq/scaling_governor"
    for status in ("PASS", "NOTE", "UNKNOWN", "WARN", "FAIL"):
        assert report["summary"][status] == sum(finding["status"] == status for finding in report["findings"])


def test_junit(bad):
    root = xml.etree.ElementTree.fromstring(bad.run("--format=junit", expect=1))
    suite = root.find("testsuite")
    cases = suite.findall("testcase")
    assert int(suite.get("tests")) == len(cases) > 50
    failures = [case for case in cases if case.find("failure") is not None]
    assert int(suite.get("failures")) == len(failures) == 7
    assert int(suite.get("skipped")) == len(suite.findall("testcase/skipped"))
    ept = next(case for case in failures if case.get("classname") == "host.kvm.ept")
    assert ept.find("failure").get("type") == "FAIL"
    assert ept.find("failure").get("message") == "N, expected Y or 1"
    assert "source: " in ept.find("failure").text


def test_html(bad):
    page = bad.run("--format", "html", expect=1)
    assert page.startswith("<!DOCTYPE html>")
    assert "Audit of bench7" in page and "<script" not in page and "http://" not in page and "src=" not in page
    # A finding is open, what passes is folded.
    assert re.search(r'<details open>\n<summary><span class="status FAIL">', page)
    assert re.search(r'<details>\n<summary><span class="status PASS">', page)


def test_html_in_a_browser(bad, build_dir):
    browser = shutil.which("chromium")
    if not browser:
        pytest.skip("chromium is not installed")
    page = os.path.join(bad.workdir, "report.html")
    assert bad.run("--format", "html", "--output", page, expect=1) == ""
    pictures = os.path.join(build_dir, "audit")
    os.makedirs(pictures, exist_ok=True)
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={bad.workdir}/browser"]
    subprocess.run([*command, "--window-size=1200,1600", f"--screenshot={pictures}/report.png", f"file://{page}"],
                   capture_output=True, timeout=120, check=True)
    shown = subprocess.run([*command, "--dump-dom", f"file://{page}"], capture_output=True, text=True, timeout=120,
                           check=True).stdout
    assert "frequency of CPUs (cpu2-5, cpu7)" in shown
    assert shown.count("<summary>") == shown.count("</details>") > 40


def test_output_is_whole_or_not_at_all(bad):
    there = bad.write("there.json", "old")
    assert bad.run("--json", "-o", there, expect=1) == ""
    assert json.loads(open(there, encoding="utf-8").read())["machine"] == "bench7"
    nowhere = os.path.join(bad.workdir, "no", "such", "directory.json")
    assert nowhere in bad.run("-o", nowhere, expect=3)
    full = subprocess.run([bad.tool, "audit", "--from", bad.path], stdout=open("/dev/full", "w"), stderr=subprocess.PIPE,
                          text=True, timeout=60)
    assert full.returncode == 3 and "No space left on device" in full.stderr


def test_colour_is_for_terminals(bad):
    command = f"{bad.tool} audit --from {bad.path} -q"
    shown = {}
    for name, environment in (("colour", {"TERM": "xterm"}), ("plain", {"TERM": "xterm", "NO_COLOR": "1"})):
        clean = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
        shown[name] = subprocess.run(["script", "-qec", command, "/dev/null"], capture_output=True, text=True, timeout=60,
                                     env={**clean, **environment}, stdin=subprocess.DEVNULL).stdout
    assert "\033[1;31mFAIL\033[0m" in shown["colour"]
    assert "FAIL" in shown["plain"] and "\033" not in shown["plain"]


def test_rules_are_chosen(bad):
    ids = {finding["id"] for finding in bad.audit("--only", "host.ksm,host.thp.defrag", expect=1)["findings"]}
    assert ids == {"host.ksm.run", "host.ksm.nodes", "host.thp.defrag"}
    ids = {finding["id"] for finding in bad.audit("--skip", "host.ksm.run,host.cpu,host.kvm.ept")["findings"]}
    assert "host.ksm.nodes" in ids and not ids & {"host.ksm.run", "host.cpu.governor", "host.kvm.ept"}


def test_one_guest_alone(build_dir, workdir):
    two = Machine(build_dir, workdir, machine("host"), machine("guest"), {
        "/proc/2000/cmdline": {"arguments": ["qemu-system-x86_64", "-name", "web1", "-smp", 1]}})

    def guests(*arguments):
        return {finding["guest"] for finding in two.audit(*arguments, expect=1)["findings"]}
    assert guests() == {None, "db1", "web1"}
    assert guests("--vm", "web1") == {None, "web1"}
    assert {finding["guest"] for finding in two.audit("--vm", "1000")["findings"]} == {None, "db1"}
    assert "web2" in two.run("--vm", "web2", expect=3)


def test_profiles_expect_different_things(bad):
    def status(profile):
        findings = bad.audit("--profile", profile, "--only", "host.ksm.run,host.thp.enabled",
                             expect=0 if profile == "density" else 1)["findings"]
        return {finding["id"]: finding["status"] for finding in findings}
    assert status("general") == {"host.ksm.run": "WARN", "host.thp.enabled": "PASS"}
    assert status("database") == {"host.ksm.run": "WARN", "host.thp.enabled": "PASS"}
    assert status("low-latency") == {"host.ksm.run": "WARN", "host.thp.enabled": "WARN"}
    assert status("density") == {"host.ksm.run": "PASS", "host.thp.enabled": "PASS"}


@pytest.mark.parametrize("arguments, complaint", [
    (["--profile", "fast"], "--profile=fast: expected one of general, database"),
    (["--only", "host.nothing"], "host.nothing: no such rule"),
    (["--skip", "host.kv"], "host.kv: no such rule"),
    (["--only", ""], "no such rule"),
    (["--format", "pdf"], "--format=pdf: expected table, json, junit or html"),
    (["--json", "--format", "html"], "only one of them"),
    (["--for", "never"], "--for=never: expected seconds"),
    (["vm1"], "vm1"),
])
def test_wrong_usage(good, arguments, complaint):
    assert complaint in good.run(*arguments, expect=2)


def test_list_names_all_rules(good):
    listed = [line.split()[0] for line in good.run("--list").splitlines()]
    rules = json.loads(good.run("--list", "--json"))
    assert listed == [rule["id"] for rule in rules] and len(set(listed)) == len(listed) >= 60


TODAY = datetime.datetime.now(datetime.timezone.utc).date()
DAY = datetime.timedelta(days=1)


def suppressions(*entries):
    return json.dumps({"suppressions": [{"reason": "known", "expires": str(TODAY + 30 * DAY), **entry}
                                        for entry in entries]})


def test_suppressed_findings_do_not_count(bad):
    path = bad.write("known.yaml", suppressions({"id": "host.ksm.run", "reason": "saves 40 GiB"},
                                                {"id": "host.kvm"}, {"id": "host.cpu.governor", "object": "cpu*"}))
    text = bad.run("--suppressions", path)
    assert "WARN     host.ksm.run: 1, expected 0 or 2 (suppressed: saves 40 GiB)\n" in text
    assert "general: 0 FAIL, 0 WARN" in text and "7 suppressed" in text
    assert bad.run("--suppressions", path, "-q") == ""
    report = bad.audit("--suppressions", path)
    assert report["summary"]["suppressed"] == 7 and report["remarks"] == []


def test_suppression_is_as_narrow_as_it_says(bad):
    path = bad.write("known.yaml", suppressions({"id": "host.ksm"}, {"id": "host.kvm.ept", "guest": "db1"},
                                                {"id": "host.cpu", "object": "cpu[2-4]"}))
    assert bad.run("-x", path, "-q", expect=1).splitlines() == [
        "WARN     host.cpu.governor (cpu5, cpu7): powersave, expected performance",
        "FAIL     host.kvm.ept: N, expected Y or 1",
        "",
        "suppression of host.kvm.ept (known) fits no finding: remove it, or ask the rule it is for",
    ]


def test_suppression_expires(bad):
    def run(days, expect):
        path = bad.write("known.yaml", suppressions({"id": "host.ksm.run", "expires": str(TODAY + days * DAY)}))
        return bad.run("--only", "host.ksm.run", "--suppressions", path, expect=expect)
    assert "suppressed" in run(1, 0)
    text = run(-2, 1)
    assert f"suppression of host.ksm.run (known) has expired on {TODAY - 2 * DAY}" in text
    assert "(suppressed" not in text


@pytest.mark.parametrize("text, complaint", [
    ("suppressions: [{id: host.ksm.run, reason: known}]", "expires"),
    ("suppressions: [{id: host.ksm.run, expires: 2099-01-01}]", "reason"),
    ("suppressions: [{id: host.ksm.run, reason: ' ', expires: 2099-01-01}]", "reason is empty"),
    ("suppressions: [{id: host.eggs, reason: known, expires: 2099-01-01}]", 'no rule has the id "host.eggs"'),
    ("suppressions: [{id: host.ksm.run, reason: known, expires: soon}]", '"soon": expected a day'),
    ("suppressions: [{id: host.ksm.run, reason: known, expires: 2099-02-30}]", '"2099-02-30": expected a day'),
    ("suppressions: [{id: host.ksm.run, reason: known, expires: 2099-01-01, colour: red}]", "colour"),
    ("suppressions: 7", "known.yaml"),
    ("eggs", "known.yaml"),
    ("", "known.yaml"),
    ("suppressions: [", "known.yaml"),
    ("suppressions: &a [*a, *a]", "known.yaml"),
    pytest.param("#" * (1 << 21), "too large", id="too large"),
])
def test_mistake_in_suppressions_is_named(bad, text, complaint):
    said = bad.run("-x", bad.write("known.yaml", text), expect=3 if complaint == "too large" else 2)
    assert complaint in said and "known.yaml" in said


def test_suppressions_that_are_not_there(bad):
    assert "No such file" in bad.run("-x", os.path.join(bad.workdir, "none.yaml"), expect=3)
    assert bad.workdir in bad.run("-x", bad.workdir, expect=3)


HOSTILE = "<b>&\"'\033[31m]]>\n--\u202e"


@pytest.fixture
def hostile(build_dir, workdir):
    return Machine(build_dir, workdir, machine("host"), machine("guest"), {
        "/proc/sys/kernel/hostname": HOSTILE + "\n",
        "/sys/kernel/mm/ksm/run": HOSTILE + "\n",
        f"/sys/devices/system/cpu/cpu{HOSTILE}/cpufreq/scaling_governor": HOSTILE + "\n",
        "/proc/1000/cmdline": {"arguments": ["qemu-system-x86_64", "-name", HOSTILE, "-drive", f"file={HOSTILE},cache=unsafe"]},
    })


def test_hostile_text_is_only_text(hostile):
    text = hostile.run(expect=1)
    assert "\033" not in text and "\u202e" not in text and "<b>&\"'?[31m]]> --???" in text
    assert hostile.audit(expect=1)["machine"].startswith("<b>&")
    xml.etree.ElementTree.fromstring(hostile.run("--format=junit", expect=1))
    page = hostile.run("--format=html", expect=1)
    assert "<b>&" not in page and "&lt;b&gt;&amp;" in page and "\033" not in page


def test_machine_that_says_nothing(build_dir, workdir):
    """Nothing can be read: nothing passes for that reason, and nothing is complained of."""
    empty = Machine(build_dir, workdir, {"/etc": {"directory": True}})
    report = empty.audit()
    assert report["summary"]["UNKNOWN"] > 20
    assert [finding["id"] for finding in report["findings"] if finding["status"] == "PASS"] == []


def test_unknown_says_why(build_dir, workdir):
    odd = Machine(build_dir, workdir, machine("host"), {
        "/proc/sys/vm/swappiness": "12 eggs", "/proc/sys/vm/dirty_ratio": None, "/sys/kernel/mm/ksm/run": {"directory": True}})
    why = {finding["id"]: finding["found"] for finding in odd.audit()["findings"] if finding["status"] == "UNKNOWN"}
    assert why["host.memory.swappiness"] == '"12 eggs" is not a number'
    assert why["host.writeback.limit"] == "/proc/sys/vm/dirty_ratio: No such file or directory"
    assert "/sys/kernel/mm/ksm/run" in why["host.ksm.run"]


def test_this_machine(build_dir):
    """Live, with what this user may read: each rule that applies says something."""
    result = subprocess.run([os.path.join(build_dir, "cmd", "strait", "strait"), "audit", "--json", "--only", "host"],
                            capture_output=True, text=True, timeout=60)
    assert result.returncode in (0, 1), result.stderr
    findings = json.loads(result.stdout)["findings"]
    assert {"host.kvm.device", "host.memory.swappiness", "host.cpu.clocksource"} <= {finding["id"] for finding in findings}
    with open("/sys/devices/system/clocksource/clocksource0/current_clocksource", encoding="utf-8") as file:
        assert next(finding for finding in findings
                    if finding["id"] == "host.cpu.clocksource")["value"] == file.read().strip()
