# SPDX-License-Identifier: Apache-2.0
"""--help, man page and completion list the same options."""

from options import completion_options, completion_words, strait, straitd


def test_straitd(build_dir):
    program = straitd(build_dir)
    options = program.help_options()
    assert len(options) > 5  # --help was understood
    assert program.page_options() == options
    assert completion_options("straitd") == options


def test_strait(build_dir):
    program = strait(build_dir)
    options = program.help_options()
    assert program.page_options() == options
    assert completion_options("strait") == options


def test_commands_of_strait(build_dir):
    """Each command that strait --help names has a page and is completed."""
    commands = strait(build_dir).commands()
    assert commands, "strait --help was not understood"
    assert completion_words("strait", "commands") == commands
    page = strait(build_dir).page.read_text(encoding="utf-8")
    for command in commands:
        assert f"*{command}*" in page or f"*strait {command}*" in page, f"strait(1) does not mention {command}"
        assert f"*strait-{command}*(1)" in page, f"strait(1) does not refer to strait-{command}(1)"


def test_options_of_commands(build_dir):
    for command in strait(build_dir).commands():
        program = strait(build_dir, command)
        options = program.help_options()
        assert len(options) > 1, f"strait {command} --help was not understood"
        assert program.page_options() == options, f"strait-{command}(1)"
        assert completion_options("strait", command) == options, f"completion of strait {command}"
