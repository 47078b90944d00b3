"""List the data sets."""

import argparse

from rga import data
from rga.commands.options import first_line, flag, options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`run` takes none."""


def run(args: argparse.Namespace) -> int:
    """The data sets and their options."""
    for name, load in data.DATASETS.items():
        print(f"{name:<12}{first_line(load)}\n{'':<12}{' '.join(flag(o) for o in options(load))}")
    return 0
