"""The command line as a whole: wrong usage, the version, and that the options in the documentation exist."""

import argparse
import re
import subprocess
import sys

import pytest

import rga
from rga.__main__ import COMMANDS, main, make_parser
from rga.io.paths import ROOT

# Of torchrun, Slurm and papermill.
OTHERS = {"--standalone", "--nproc-per-node", "--nnodes", "--rdzv-backend", "--rdzv-endpoint", "--rdzv-id"}
OTHERS |= {"--shutdown-timeout", "--signal", "--requeue", "--help-notebook"}


def options(parser):
    """All options of a parser and those below it."""
    for action in parser._actions:
        yield from action.option_strings
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from options(below)


@pytest.mark.parametrize(
    "page",
    [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md", ROOT / "data/README.md"],
    ids=lambda page: f"{page.parent.name}/{page.name}",
)
def test_options_in_the_documentation_exist(page):
    lines = page.read_text(encoding="utf-8").splitlines()
    text = "\n".join(
        line for line in lines if "bench/" not in line
    )  # those scripts have options of their own
    mentioned = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text))
    assert not mentioned - {*options(make_parser())} - OTHERS


@pytest.mark.parametrize("arguments", ["--help", "--version", "", "no_such_command"])
def test_what_needs_no_command_imports_none(arguments):
    """PyTorch takes seconds."""
    code = f"import sys; sys.argv[1:] = {arguments.split()}; import runpy, atexit; "
    code += (
        "atexit.register(lambda: print('torch' in sys.modules)); runpy.run_module('rga', run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == "False"


def test_every_command_is_a_module(capsys):
    assert {file.stem for file in (ROOT / "rga/commands").glob("*.py")} == {*COMMANDS, "__init__", "options"}
    for name in COMMANDS:
        with pytest.raises(SystemExit, match="0"):
            main([name, "--help"])
        assert f"usage: python -m rga {name}" in capsys.readouterr().out


def test_version(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"rga {rga.__version__}\n"


@pytest.mark.parametrize(
    "arguments", ["", "prepare", "prepare cuhk3 x", "prepare cuhk03", "prepare cuhk03 x --box y"]
)
def test_wrong_usage_exits_with_2(arguments, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(arguments.split())
    assert "usage: python -m rga" in capsys.readouterr().err
