"""What several commands take: a data set with options of its own, a network, a device.

A data set's options are the parameters of its `load`. tyro derives command lines in this way, too; here it would save
some thirty lines, but costs three packages, and four of its markers to keep this command line as it is (options after
the data set's name, None for what is not given, --no-… switches, no prefixes). argparse also reports an error in one
line, as the rest of this package does.
"""

import argparse
import inspect
import sys
import tempfile
import typing
from collections.abc import Callable, Iterable
from pathlib import Path

import torch

from rga import data
from rga.data import Splits
from rga.device.cpu_threads import use_idle_cores
from rga.metrics import rerank
from rga.models import ReIDModel
from rga.training import checkpoint
from rga.training.resume import people_trained_on


def subcommand(commands, name: str, function: Callable, **options) -> argparse.ArgumentParser:
    """A parser for the command called `name`; its help is the docstring of `function`."""
    return commands.add_parser(
        name,
        help=first_line(function).replace("%", "%%"),
        description=inspect.getdoc(function),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        **options,
    )


def first_line(function: Callable) -> str:
    return inspect.getdoc(function).splitlines()[0]


def add_data_sets(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    """NAME [ROOT] and the options of that data set; returns a parser for each, to add more to."""
    names = parser.add_subparsers(required=True, metavar="NAME", dest="name")
    parsers = []
    for name, load in data.DATASETS.items():
        # resolve: --workers of a command takes the place of that of the drawn people, and is passed on to them.
        parsers.append(subcommand(names, name, load, conflict_handler="resolve"))
        for option in options(load):
            _add_option(parsers[-1], option)
    return parsers


def load_data(args: argparse.Namespace, examined: bool = True) -> Splits:
    """The data set that the arguments name, with the options that were given: by `data.load`, or `data.read`."""
    given = {o.name: vars(args)[o.name] for o in options(data.DATASETS[args.name])}
    given = {k: tuple(v) if isinstance(v, list) else v for k, v in given.items() if v is not None}
    return (data.load if examined else data.read)(args.name, **given)


def options(load: Callable) -> list[inspect.Parameter]:
    return list(inspect.signature(load, eval_str=True).parameters.values())


def flag(option: inspect.Parameter) -> str:
    """How an option is written on the command line: ROOT, [ROOT], --allow-missing."""
    if option.name == "root":
        return "ROOT" if option.default is option.empty else "[ROOT]"
    return "--" + option.name.replace("_", "-")


def _add_option(parser: argparse.ArgumentParser, option: inspect.Parameter) -> None:
    """An option for a parameter of `load`, by its annotation: a bool is a switch, a tuple takes several values."""
    kinds = typing.get_args(option.annotation) or (option.annotation,)
    shown = f"default: {option.default}".replace("%", "%%")
    if option.name == "root":
        parser.add_argument("root", metavar="ROOT", nargs=None if option.default is option.empty else "?")
    elif kinds == (bool,):
        parser.add_argument(flag(option), action=argparse.BooleanOptionalAction, help=shown)
    else:
        several = len(kinds) if typing.get_origin(option.annotation) is tuple else None
        metavar = kinds[0].__name__.upper()
        parser.add_argument(flag(option), type=kinds[0], nargs=several, metavar=metavar, help=shown)


def positive_int(text: str) -> int:
    """An int of at least 1, for `type=`; argparse reports any other text."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, got {number}")
    return number


def fraction(text: str) -> float:
    """A number between 0 and 1, neither of them, for `type=`."""
    number = float(text)
    if not 0 < number < 1:
        raise argparse.ArgumentTypeError(f"expected a number between 0 and 1, got {text}")
    return number


def share(text: str) -> float:
    """A number from 0 to 1, both of them included, for `type=`."""
    number = float(text)
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 1, got {text}")
    return number


def check_outputs(*paths: Path | None) -> None:
    """OSError for the first file that cannot be written, before hours of work are lost; makes their folders."""
    for path in filter(None, paths):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=path.parent):
                pass
        except OSError as error:
            raise OSError(f"{path} cannot be written ({error}): name a file elsewhere.") from error
        if path.is_dir():
            raise IsADirectoryError(f"{path} cannot be written, it is a folder: name a file.")


def check_files(paths: Iterable[Path]) -> None:
    """FileNotFoundError for the first image that does not exist, before a network is loaded."""
    for path in paths:
        if not path.is_file():
            raise FileNotFoundError(f"there is no image {path}.")


def add_network(parser: argparse.ArgumentParser) -> None:
    """The options that `load_network` reads, and `--workers`, which is None if it is not given."""
    network = "checkpoint of the trained network"
    parser.add_argument("--checkpoint", type=Path, required=True, metavar="FILE", help=network)
    parser.add_argument("--device", help="cpu, cuda, cuda:1, …; default: cuda if there is one")
    parser.add_argument("--workers", type=int, metavar="N", help="processes that read images; default: 0")
    # Its earlier name.
    parser.add_argument("--readers", type=int, dest="workers", help=argparse.SUPPRESS)


def add_flip(parser: argparse.ArgumentParser) -> None:
    """Not part of `add_network`: verify does what its calibration did."""
    mean = "average the features of each image and its mirror image, for twice the time"
    parser.add_argument("--flip", action="store_true", help=mean)


def add_rerank(parser: argparse.ArgumentParser, what: str) -> None:
    """--rerank, and the parameters of `rga.metrics.rerank`."""
    parser.add_argument("--rerank", action="store_true", help=what)
    defaults = {name: option.default for name, option in inspect.signature(rerank).parameters.items()}
    for name, kind, metavar, words in (
        ("k1", positive_int, "N", "for --rerank: nearest images that make a set"),
        ("k2", positive_int, "N", "for --rerank: nearest images over which sets are averaged"),
        ("lambda_", share, "SHARE", "for --rerank: share of the original distance, 0 to 1"),
    ):
        shown = f"{words}; default: {defaults[name]}"
        option = f"--{name.rstrip('_')}"
        parser.add_argument(option, dest=name, type=kind, default=defaults[name], metavar=metavar, help=shown)


def rerank_options(args: argparse.Namespace, images: int) -> dict:
    """k1, k2 and lambda_ for `rerank`; said on stderr where a set of so few images cannot have the neighbours."""
    k1, k2 = min(args.k1, images - 1), min(args.k2, images)
    if (k1, k2) != (args.k1, args.k2):
        print(
            f"re-ranking with k1 = {k1} and k2 = {k2} instead of {args.k1} and {args.k2}, as query and gallery have "
            f"only {images} images: where every image is a neighbour, re-ranking says little.",
            file=sys.stderr,
        )
    return {"k1": k1, "k2": k2, "lambda_": args.lambda_}


def load_network(args: argparse.Namespace) -> ReIDModel:
    """The network in the checkpoint, on the device. Raises ValueError for a device that does not exist."""
    device = args.device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # which of them depends on how torch was built
        raise ValueError(f"there is no device {device!r} here: {error}") from error
    if torch.device(device).type == "cpu":
        use_idle_cores()
    return checkpoint.load_model(args.checkpoint).to(device)


def warn_if_trained_on(file: Path, splits: Splits) -> int | None:
    """How many of the query people the network in a checkpoint was trained on, which is said on stderr."""
    if known := people_trained_on(file, splits):
        people = len({sample.pid for sample in splits.query})
        print(
            f"warning: {file} was trained on images of {known} of the {people} query people, so the scores are too "
            "good: test with others. Was the set divided by chance, and people added since?",
            file=sys.stderr,
        )
    return known
