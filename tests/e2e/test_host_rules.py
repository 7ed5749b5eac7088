# SPDX-License-Identifier: Apache-2.0
"""Each rule, on a machine that it is about and on one that is as it should be.

tests/fixtures/rules/ID.yaml is the rule's, a mapping of cases:

    machine: [host, guest]    optional: the machines of tests/fixtures/machines that make up the one to change
    bad:
      profile: low-latency    optional: general
      files: {...}            what is different there; see machines.py
      expect: WARN            of the rule: all findings that are not PASS have this status, and there is one; or
      expect: [{status: WARN, object: sda, value: "1", expected: "0", guest: vm1}]    these, and others only if PASS
    good:
      expect: PASS
    unreadable:               any other name: a case more
      ...

A rule that only reports has NOTE in both.
"""

import json
import os
import subprocess
import tempfile

import pytest
import yaml

from machines import FIXTURES, build, machine

RULES = FIXTURES / "rules"


def cases():
    for path in sorted(RULES.glob("*.yaml")):
        rule = yaml.safe_load(path.read_text(encoding="utf-8"))
        layers = rule.pop("machine", ["host"])
        for name, case in rule.items():
            yield pytest.param(path.stem, layers, case, id=f"{path.stem}-{name}")


def audit(build_dir, directory, *options):
    """The findings of strait audit."""
    result = subprocess.run([os.path.join(build_dir, "cmd", "strait", "strait"), "audit", "--from", directory, "--json",
                             *options], capture_output=True, text=True, timeout=60)
    assert result.returncode in (0, 1), result.stderr
    report = json.loads(result.stdout)
    bad = [finding for finding in report["findings"] if finding["status"] in ("WARN", "FAIL")]
    assert result.returncode == bool(bad)
    assert "%s" not in "".join(finding["cure"] or "" for finding in report["findings"])
    return report["findings"]


@pytest.fixture
def place():
    """A directory for hundreds of small files, in memory where it can be."""
    memory = "/dev/shm"
    with tempfile.TemporaryDirectory(prefix="strait-e2e-", dir=memory if os.access(memory, os.W_OK) else None) as path:
        yield path


def is_meant(expected, finding):
    return all(finding[key] == value for key, value in expected.items())


@pytest.mark.parametrize("rule, layers, case", cases())
def test_rule(build_dir, place, rule, layers, case):
    build(place, *[machine(name) for name in layers], case.get("files", {}))
    findings = [finding for finding in audit(build_dir, place, "--profile", case.get("profile", "general"), "--only", rule)
                if finding["id"] == rule]
    expected = case["expect"]
    if isinstance(expected, str):
        assert {finding["status"] for finding in findings} - {"PASS"} == {expected} - {"PASS"}, findings
        assert expected in {finding["status"] for finding in findings}, findings
        return
    for one in expected:
        assert any(is_meant(one, finding) for finding in findings), (one, findings)
    rest = [finding for finding in findings if not any(is_meant(one, finding) for one in expected)]
    assert {finding["status"] for finding in rest} <= {"PASS"}, rest


@pytest.mark.parametrize("profile", ["general", "database", "density", "low-latency", "realtime"])
def test_well_tuned_host_is_not_complained_of(build_dir, place, profile):
    quick = {
        "/sys/kernel/mm/transparent_hugepage/enabled": "always madvise [never]",
        "/sys/devices/system/cpu/{isolated,nohz_full}": "4-5",
        "/sys/devices/virtual/workqueue/cpumask": "cf",
        "/sys/module/kvm_intel/parameters/ple_gap": "0",
        "/sys/module/kvm/parameters/kvmclock_periodic_sync": "N",
        "/.strait/ethtool/ens1.json": '{"coalesce":{"adaptive_rx":false,"rx_usecs":0,"tx_usecs":0}}',
    }
    build(place, *[machine(name) for name in ("host", "guest", "devices")],
          quick if profile in ("low-latency", "realtime") else {})
    found = [finding for finding in audit(build_dir, place, "--profile", profile)
             if finding["status"] in ("WARN", "FAIL")]
    assert found == []
