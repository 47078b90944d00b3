"""Train as a recipe says, in this process or as one of those that torchrun started."""

import argparse
import sys
import time
import typing
from contextlib import ExitStack
from pathlib import Path

import torch

from rga import runs
from rga.commands.options import first_line
from rga.data import Splits
from rga.device import distributed
from rga.evaluation import Evaluation
from rga.io.json_files import write_json
from rga.io.provenance import provenance
from rga.models import ReIDModel
from rga.runs import out_folder, replay
from rga.runs.recipe import PATHS, Recipe
from rga.runs.recipes import RECIPES, get_recipe
from rga.training.progress import progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The fields of a recipe as options; what is not given (None) is as the named recipe says."""
    parser.add_argument("profile", nargs="?", choices=RECIPES, help=_recipes())
    like = (
        "instead of a named recipe, that of an earlier run by its metrics.json or settings.json, but for its folder; "
        "the options beside it win"
    )
    parser.add_argument("--like", type=Path, metavar="FILE", help=like)
    for name, hint in typing.get_type_hints(Recipe, include_extras=True).items():
        if name == "profile":
            continue
        kind, words = hint.__origin__, hint.__metadata__[0].replace("%", "%%")
        literals = [word for part in typing.get_args(kind) for word in typing.get_args(part)]
        if kind is bool or literals:
            parser.add_argument(*flags(name), action=argparse.BooleanOptionalAction, default=None, help=words)
            for word in literals:  # as --switch=word: after a space it would be the positional argument
                option = f"{flags(name)[0]}={word}"
                parser.add_argument(
                    option, dest=name, action="store_const", const=word, help="instead of true or false"
                )
        else:
            read = kind if kind in (int, float) else _value
            metavar = kind.__name__.upper() if read in (int, float) else name.upper()
            parser.add_argument(*flags(name), dest=name, type=read, metavar=metavar, help=words)


def flags(name: str) -> list[str]:
    """How a field is written as an option; a letter as -p first, for torchrun takes --p for one of its own."""
    return [f"-{name}"] * (len(name) == 1) + ["--" + name.replace("_", "-")]


def _recipes() -> str:
    """The named recipes with the first line of their docstrings."""
    lines = (f"{name}: {first_line(recipe)}" for name, recipe in RECIPES.items())
    return "the recipe (default: quick; none with --like). " + " ".join(lines).replace("%", "%%")


def _value(text: str) -> str | bool:
    """Text, and the bools that it may stand for."""
    return {"true": True, "false": False}.get(text.lower(), text)


def run(args: argparse.Namespace) -> int:
    """Train, evaluate and report as a recipe says; torchrun -m rga train … does it on several GPUs or machines."""
    if args.like and args.profile:
        raise ValueError(f"--like takes the recipe of an earlier run: leave out {args.profile!r}, or --like.")
    earlier = replay.read(args.like) if args.like else None
    if earlier:
        recipe = replay.recipe_like(args.like, earlier, **_given(args))
    else:
        recipe = get_recipe(args.profile or "quick", **_given(args))
    with ExitStack() as stack:
        device = stack.enter_context(distributed.init_distributed())
        first, logs = distributed.rank() == 0, []
        with distributed.main_process_first():  # it draws, unpacks or extracts; the others find the files
            splits = recipe.load_data()
        if first:
            stack.enter_context(out_folder.lock(recipe.out))  # until the report is written
            out_folder.check_free(recipe, splits)
        model = recipe.make_model(splits.num_pids).to(device)
        if first:
            print(splits)
            if earlier:
                _say_what_differs(args.like, earlier, recipe, splits, device)
            if not runs.has_test_people(splits):
                print("nobody to test with (query and gallery are empty): no evaluation, no scores")
            print(f"{recipe.backbone} + {recipe.attention}; weights: {model.config['weights']}", flush=True)
        started = time.perf_counter()
        steps = runs.train(recipe, model, splits)
        for log in progress(steps) if first else steps:
            logs.append(log)
        seconds = {"training": time.perf_counter() - started}
        result = _tested(recipe, model, splits) if runs.has_test_people(splits) else None
        if first:
            seconds["training_and_evaluation"] = time.perf_counter() - started
            report = runs.report(recipe, model, splits, result, logs, seconds)
            write_json(recipe.out / "metrics.json", report)
            if result:
                print(f"before the neck | {result.feature}\nafter the neck  | {result.embedding}")
                print(f"chance: rank-1 {100 * report['chance_rank1']:.1f} %")
            if earlier:
                print(replay.compare(args.like, earlier, report))
            print(f"wrote {recipe.out / 'metrics.json'}")
    return 0


def _say_what_differs(
    file: Path, earlier: dict, recipe: Recipe, splits: Splits, device: torch.device
) -> None:
    if settings := replay.changed_settings(earlier, recipe):
        print(f"like {file}, but for {'; '.join(settings)}")
    if others := replay.changed_surroundings(earlier, recipe, splits, provenance(device)):
        print(f"warning: not as in {file}, so the scores may differ: {'; '.join(others)}", file=sys.stderr)


def _tested(recipe: Recipe, model: ReIDModel, splits: Splits) -> Evaluation:
    try:
        return runs.test(recipe, model, splits)
    except (ValueError, OSError) as error:
        raise ValueError(
            f"{error}\nThe evaluation failed, the training did not: it is saved in {recipe.checkpoint}. Evaluate it by "
            "the same command with --resume true, once the reason is mended."
        ) from error


def _given(args: argparse.Namespace) -> dict:
    """The fields that were given. Relative paths start at the working folder, not at the repository."""
    given = {name: getattr(args, name) for name in Recipe.__dataclass_fields__ if name != "profile"}
    given = {name: value for name, value in given.items() if value is not None}
    for name, words in PATHS.items():
        if isinstance(given.get(name), str) and given[name] not in words:
            given[name] = Path(given[name]).expanduser().absolute()
    return given
