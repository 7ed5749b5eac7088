# SPDX-License-Identifier: Apache-2.0
"""The rules of the audit are complete: texts and a page."""

import json
import subprocess

import pytest

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
