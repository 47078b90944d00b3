"""The command line: python -m rga COMMAND …; --help after any command or data set explains it."""

import argparse
import sys
from importlib import import_module

from rga.version import __version__

# Each is a module of rga.commands, imported when it is chosen: PyTorch takes seconds, and --help does without it.
COMMANDS = {
    "prepare": "Unpack, read and examine a data set.",
    "train": "Train, evaluate and report as a recipe says.",
    "evaluate": "Score a checkpoint on a data set: CMC, mAP and mINP.",
    "search": "Find the images in a folder that are most similar to a query.",
    "calibrate": "Find the distance that means the same person, for verify.",
    "verify": "Verify whether two images show the same person.",
    "export": "Export a checkpoint to ONNX or torch.export.",
    "list": "List the data sets and their options.",
}


def make_parser(only: str | None = None) -> argparse.ArgumentParser:
    """The whole command line; or the arguments of `only` one command, while the others are no more than listed."""
    parser = argparse.ArgumentParser("python -m rga", description=__doc__)
    parser.add_argument("--version", action="version", version=f"rga {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, summary in COMMANDS.items():
        if only not in (name, None):
            commands.add_parser(name, help=summary)
            continue
        from rga.commands.options import subcommand

        module = import_module(f"rga.commands.{name}")
        command = subcommand(commands, name, module.run)
        command.set_defaults(run=module.run)
        module.add_arguments(command)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Runs a command and returns its exit status: 0, or 1 with the error on stderr. Wrong usage exits with 2."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a notebook's is not a file
            stream.reconfigure(errors="replace")  # for a file name that the terminal cannot show
    arguments = sys.argv[1:] if arguments is None else arguments
    chosen = next((word for word in arguments if not word.startswith("-")), "")
    args = make_parser(chosen).parse_args(arguments)
    try:
        return args.run(args)
    except Exception as error:
        from rga.data.loaders import worker_ended
        from rga.io.atomic_write import no_room

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
