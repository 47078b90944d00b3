"""The command line: python -m rga COMMAND …; --help after any command or data set explains it."""

import argparse
import inspect
import sys
import typing

from rga import data
from rga.data import doctor


def main(arguments: list[str] | None = None) -> int:
    """Runs a command and returns its exit status: 0, or 1 with the reason on stderr. Wrong usage exits with 2."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # a name that the terminal cannot show shall not end the command
    parser = argparse.ArgumentParser("python -m rga", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, (add_arguments, run) in COMMANDS.items():
        command = _subcommand(commands, name, run)
        command.set_defaults(run=run)
        add_arguments(command)
    args = parser.parse_args(arguments)
    try:
        return args.run(args)
    except (
        ValueError,
        OSError,
    ) as error:  # meant for users; any other is a fault of ours, with its traceback
        print(error, file=sys.stderr)
        return 1


def prepare_arguments(parser: argparse.ArgumentParser) -> None:
    names = parser.add_subparsers(required=True, metavar="NAME", dest="name")
    for name, load in data.DATASETS.items():
        one = _subcommand(names, name, load)
        for option in _options(load):
            _add_option(one, option)
        one.add_argument("--quick", action="store_true", help="do not decode the images")


def prepare(args: argparse.Namespace) -> int:
    """Unpack, read and examine a data set: its splits, whether their counts are as published, and every fault."""
    given = {o.name: vars(args)[o.name] for o in _options(data.DATASETS[args.name]) if o.name in args}
    options = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    doctor.LOG.disabled = True  # the report below says all that loading would log
    try:
        splits = data.load(args.name, **options)
    finally:
        doctor.LOG.disabled = False
    print(splits)
    for subset, (ids, images) in splits.published.items():
        same = splits.counts().get(subset, (0, 0))[:2] == (ids, images)
        print(f"{subset:<8} | {'as published' if same else f'published: {ids} ids, {images} images'}")
    report = doctor.examine(splits, thorough="quick" not in args)
    print(f"\n{report}")
    if report.errors:
        print(f"{splits.name} has errors: mend them before you train or evaluate.", file=sys.stderr)
    return 1 if report.errors else 0


def list_sets(args: argparse.Namespace) -> int:
    """The data sets and their options."""
    for name, load in data.DATASETS.items():
        print(f"{name:<12}{_first_line(load)}\n{'':<12}{' '.join(_flag(o) for o in _options(load))}")
    return 0


COMMANDS = {"prepare": (prepare_arguments, prepare), "list": (lambda parser: None, list_sets)}


def _subcommand(commands, name: str, function) -> argparse.ArgumentParser:
    return commands.add_parser(
        name,
        help=_first_line(function).replace("%", "%%"),
        description=inspect.getdoc(function),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,  # what is not given is not passed on
        allow_abbrev=False,
    )


def _first_line(function) -> str:
    return inspect.getdoc(function).splitlines()[0]


def _options(load) -> list[inspect.Parameter]:
    return list(inspect.signature(load, eval_str=True).parameters.values())


def _flag(option: inspect.Parameter) -> str:
    """How an option is written on the command line: ROOT, [ROOT], --allow-missing."""
    if option.name == "root":
        return "ROOT" if option.default is option.empty else "[ROOT]"
    return "--" + option.name.replace("_", "-")


def _add_option(parser: argparse.ArgumentParser, option: inspect.Parameter) -> None:
    """What a parameter of `load` takes, by its annotation: a bool is a switch, a tuple takes several values."""
    kinds = typing.get_args(option.annotation) or (option.annotation,)
    shown = f"default: {option.default}".replace("%", "%%")
    if option.name == "root":
        parser.add_argument("root", metavar="ROOT", nargs=None if option.default is option.empty else "?")
    elif kinds == (bool,):
        parser.add_argument(_flag(option), action=argparse.BooleanOptionalAction, help=shown)
    else:
        several = len(kinds) if typing.get_origin(option.annotation) is tuple else None
        kind = kinds[0].__name__.upper()
        parser.add_argument(_flag(option), type=kinds[0], nargs=several, metavar=kind, help=shown)


if __name__ == "__main__":
    sys.exit(main())
