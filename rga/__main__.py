"""The command line: python -m rga COMMAND …; --help after any command or data set explains it."""

import argparse
import sys

from rga.commands import data, evaluate, export, search, train, verify
from rga.commands.options import subcommand
from rga.data.loaders import worker_ended
from rga.io.atomic_write import no_room
from rga.version import __version__

COMMANDS = {
    "prepare": (data.prepare_arguments, data.prepare),
    "train": (train.add_arguments, train.run),
    "evaluate": (evaluate.add_arguments, evaluate.run),
    "search": (search.add_arguments, search.run),
    "calibrate": (verify.add_calibrate_arguments, verify.run_calibrate),
    "verify": (verify.add_verify_arguments, verify.run_verify),
    "export": (export.add_arguments, export.run),
    "list": (data.list_arguments, data.list_sets),
}


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m rga", description=__doc__)
    parser.add_argument("--version", action="version", version=f"rga {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, (add_arguments, run) in COMMANDS.items():
        command = subcommand(commands, name, run)
        command.set_defaults(run=run)
        add_arguments(command)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Runs a command and returns its exit status: 0, or 1 with the error on stderr. Wrong usage exits with 2."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a notebook's is not a file
            stream.reconfigure(errors="replace")  # for a file name that the terminal cannot show
    args = make_parser().parse_args(arguments)
    try:
        return args.run(args)
    except Exception as error:
        # These are meant for users; any other is a bug, with its traceback.
        said = error if isinstance(error, ValueError | OSError) else no_room(error) or worker_ended(error)
        if said is None:
            raise
        print(said, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130  # as a shell counts it


if __name__ == "__main__":
    sys.exit(main())
