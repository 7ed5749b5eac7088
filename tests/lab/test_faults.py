# SPDX-License-Identifier: Apache-2.0
"""Each fault is put into the lab for real; the audit names it and nothing else."""

import pytest
from guest import GuestError
from guest.proc import wait_until

from lab import faults
from lab.nested import READS
from lab.stage import Stage


@pytest.fixture(scope="module")
def stage(machine):
    stage = Stage(machine)
    yield stage
    stage.clear()


# One thread emulates all CPUs of the lab: its threads do wait for one, as long as the machine likes.
EMULATED = ("guest.thread.delay", "threads.vcpu", "threads.iothread", "threads.emulator")


def told(findings):
    return [f"{f['status']} {f['id']} ({f['object']}): {f['value']}, expected {f['expected']}" for f in findings]


@pytest.mark.parametrize("profile", ["general", "database"])
def test_nothing_is_said_against_a_good_host(stage, profile):
    stage.play(faults.GOOD)
    assert told(stage.audit(profile)) == []


def causes_besides(stage, rules):
    return [cause for cause in stage.strait("diagnose good --for 5")["causes"] if cause["id"] not in rules]


def test_the_diagnosis_finds_no_cause_in_a_good_guest(stage):
    """Before anything lingers."""
    stage.play(faults.IDLING)
    causes = causes_besides(stage, EMULATED)
    assert causes == [], causes


def name_of(fault):
    return fault.name


def check(stage, fault):
    before = stage.baseline(fault.profile)
    with stage.fault(fault):
        found = [f for f in stage.audit(fault.profile) if (f["id"], f["object"]) not in before]
    ids = {f["id"] for f in found}
    assert ids >= set(fault.rules), told(found)
    assert ids <= set(fault.rules + fault.also + EMULATED), told(found)


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


def is_reading(lab, reader, limit):
    """Whether the firmware gets done, and the guest reads its disk."""
    def read():
        return int(lab.run(f"sed -n 's/^read_bytes: //p' /proc/{reader}/io"))

    before = read()
    try:
        wait_until(lambda: read() > before + 64 * 1024, limit, "the guest to read", 0.5)
    except GuestError:
        return False
    return True


def see_it_reads(stage, fault, guest):
    """Emulated twice, the firmware goes astray at times: then another guest is started."""
    for limit in (30, 60, 90):
        if is_reading(stage.lab, fault.reader.format(pid=guest.pid), limit):
            return
        stage.clear()
        guest = stage.play(fault.guest)
    pytest.fail("three guests did not come to read their disk")


@pytest.mark.parametrize("fault", faults.CAUSES, ids=name_of)
def test_the_diagnosis_puts_first(stage, fault):
    with stage.fault(fault) as guest:
        if fault.guest.code == READS:
            see_it_reads(stage, fault, guest)
        causes = causes_besides(stage, [rule for rule in EMULATED if rule not in fault.rules])
    assert causes and causes[0]["id"] in fault.rules, causes
