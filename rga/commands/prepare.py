"""Make a data set ready and examine it."""

import argparse
import sys

from rga.commands.options import add_data_sets, load_data
from rga.data import doctor


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A data set, and the options of `run`."""
    for one in add_data_sets(parser):
        one.add_argument("--quick", action="store_true", help="do not decode the images")


def run(args: argparse.Namespace) -> int:
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
