# SPDX-License-Identifier: Apache-2.0
"""The rules of the audit are complete: texts, a page, and machines to try each on."""

import json
import subprocess

import pytest
import yaml

from options import strait

TEXTS = ("id", "title", "reads", "why", "costs", "cure", "lasting", "source")


@pytest.fixture(scope="module")
def rules(build_dir):
    result = subprocess.run([strait(build_dir, "audit").path, "audit", "--list", "--json"], capture_output=True, check=True)
    return {rule["id"]: rule for rule in json.loads(result.stdout)}


def test_there_are_enough(rules):
    assert len(rules) >= 60


def test_page_is_up_to_date(root, build_dir):
    strait(build_dir)  # skips where there is none
    result = subprocess.run([root / "scripts" / "rule-doc", "--check", build_dir], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_each_rule_says_everything(rules):
    assert [f"{rule['id']}: {key}" for rule in rules.values() for key in TEXTS if not rule[key]] == []


def test_each_rule_says_what_it_expects(rules):
    silent = [rule["id"] for rule in rules.values()
              if not rule["wants"] and not any(case["expected"] or case["comparison"] == "report" for case in rule["cases"])]
    assert silent == [], "give it .cases, or .wants where what it expects is no word or number"


def statuses(case):
    expected = case["expect"]
    return {expected} if isinstance(expected, str) else {one["status"] for one in expected}


def test_each_rule_is_tried(root, rules):
    """A machine that it finds fault with and one that it does not (tests/e2e/test_host_rules.py)."""
    fixtures = root / "tests" / "fixtures" / "rules"
    assert {path.stem for path in fixtures.glob("*.yaml")} - set(rules) == set(), "fixtures of rules that are none"
    wrong = []
    for rule in rules:
        path = fixtures / f"{rule}.yaml"
        cases = yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else {}
        bad, good = cases.get("bad"), cases.get("good")
        if not bad or not good:
            wrong.append(f"{rule}: {path.name} needs a bad and a good machine")
        elif statuses(bad) <= {"PASS"} or statuses(good) & {"WARN", "FAIL"}:
            wrong.append(f"{rule}: the bad machine is passed, or the good one is not")
    assert wrong == []
