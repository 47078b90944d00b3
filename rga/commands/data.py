"""Data sets: make one ready and examine it; list them all."""

import argparse
import sys

from rga import data
from rga.commands.options import add_data_sets, first_line, flag, load_data, options
from rga.data import doctor


def prepare_arguments(parser: argparse.ArgumentParser) -> None:
    for one in add_data_sets(parser):
        one.add_argument("--quick", action="store_true", help="do not decode the images")


def prepare(args: argparse.Namespace) -> int:
    """Unpack, read and examine a data set: its splits, whether their counts are as published, and every fault."""
    splits = load_data(args, examined=False)  # its first error would hide the others
    print(splits)
    for subset, (ids, images) in splits.published.items():
        same = splits.counts().get(subset, (0, 0))[:2] == (ids, images)
        print(f"{subset:<8} | {'as published' if same else f'published: {ids} ids, {images} images'}")
    report = doctor.examine(splits, thorough=not args.quick)
    print(f"\n{report}")
    if report.errors:
        print(f"{splits.name} has errors: fix them before you train or evaluate.", file=sys.stderr)
    return 1 if report.errors else 0


def list_arguments(parser: argparse.ArgumentParser) -> None:
    """`list` takes none."""


def list_sets(args: argparse.Namespace) -> int:
    """The data sets and their options."""
    for name, load in data.DATASETS.items():
        print(f"{name:<12}{first_line(load)}\n{'':<12}{' '.join(flag(o) for o in options(load))}")
    return 0
