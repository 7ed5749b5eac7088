# SPDX-License-Identifier: Apache-2.0
"""Captures of three machines of different shapes: what strait says of them is what it said when they were made.

Where it is to say something else, tests/lab/captures.py --expected-only writes that down; look at the difference."""

import os

import pytest
from lab.captures import CAPTURES, REPORTS, names, report


@pytest.mark.parametrize("kind", REPORTS)
@pytest.mark.parametrize("name", names())
def test_a_capture_is_reported_as_ever(build_dir, name, kind):
    with open(os.path.join(CAPTURES, f"{name}.{kind}"), encoding="utf-8") as f:
        expected = f.read()
    assert report(os.path.join(build_dir, "cmd", "strait", "strait"), name, kind) == expected


def test_there_are_three():
    assert names() == ["container", "lab-large", "lab-small"]
