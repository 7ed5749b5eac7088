# SPDX-License-Identifier: Apache-2.0
"""--help, man page and completion list the same options."""

from options import completion_options, straitd


def test_straitd(build_dir):
    program = straitd(build_dir)
    options = program.help_options()
    assert len(options) > 5  # --help was understood
    assert program.page_options() == options
    assert completion_options("straitd") == options
