# SPDX-License-Identifier: Apache-2.0
"""Each fault is put into the lab for real; the audit names it and nothing else."""

import pytest
from guest.proc import wait_until

from lab import faults
from lab.nested import READS
from lab.stage import Stage


@pytest.fixture(scope="module")
def stage(machine):
    stage = Stage(machine)
    yield stage
    stage.clear()


def told(findings):
    return [f"{f['status']} {f['id']} ({f['object']}): {f['value']}, expected {f['expected']}" for f in findings]


@pytest.mark.parametrize("profile", ["general", "database"])
def test_nothing_is_said_against_a_good_host(stage, profile):
    stage.play(faults.GOOD)
    assert told(stage.audit(profile)) == []


def name_of(fault):
    return fault.name


def check(stage, fault):
    before = stage.baseline(fault.profile)
    with stage.fault(fault):
        found = [f for f in stage.audit(fault.profile) if (f["id"], f["object"]) not in before]
    ids = {f["id"] for f in found}
    assert ids >= set(fault.rules), told(found)
    assert ids <= set(fault.rules + fault.also), told(found)


@pytest.mark.parametrize("fault", faults.ALL, ids=name_of)
def test_the_audit_names(stage, fault):
    check(stage, fault)


def test_faults_leave_no_trace(stage):
    """What they have put back is what was there."""
    stage.play(faults.GOOD)
    assert told(stage.audit("database")) == []


@pytest.mark.parametrize("fault", faults.LINGERING, ids=name_of)
def test_the_audit_names_what_lingers(stage, fault):
    check(stage, fault)


@pytest.mark.parametrize("fault", faults.CAUSES, ids=name_of)
def test_the_diagnosis_puts_first(stage, fault):
    with stage.fault(fault) as guest:
        if fault.guest.code == READS:
            reads = f"grep -E 'read_bytes' /proc/{guest.pid}/io"
            before = stage.lab.run(reads)
            wait_until(lambda: stage.lab.run(reads) != before, 60, "the guest to read", 0.5)
        causes = stage.strait("diagnose good --for 5")["causes"]
    assert causes and causes[0]["id"] in fault.rules, causes
