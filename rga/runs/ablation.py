"""An ablation: many runs that differ in one thing at a time, side by side, each written once and never repeated."""

import json
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import fields
from multiprocessing import get_context
from pathlib import Path

import torch

from rga.data import Splits, normalise, stack_images
from rga.data.greyed import read_parts
from rga.data.synthetic import DETAILS, read_people
from rga.evaluation import evaluate
from rga.io.json_files import plain, read_json, write_json
from rga.io.provenance import provenance
from rga.metrics import attention_share, detail_share, next_person
from rga.models import ReIDModel, stage_names
from rga.models.hooks import capture, evaluating
from rga.models.map_layout import find_layout
from rga.runs.recipe import Recipe
from rga.training.loop import fit

# What decides a run's numbers; the other fields of a recipe say how it is started and where it writes.
ALWAYS = ("dataset", "backbone", "attention", "seed", "epochs")
HOW = ("out", "root", "cache", "workers", "save_every", "keep", "resume", "overwrite", "tensorboard")


def run_ablation(
    runs: Mapping[str, Recipe],
    file: str | Path,
    processes: int = 1,
    threads: int = 1,
    seconds: float = float("inf"),
) -> Iterator[tuple[str, dict]]:
    """Train and test each recipe that `file` has no result of; yields (name, result) of all, as they are done.

    Results are written as they come, so an ablation that was stopped goes on where it left off. A run that ends in a
    ValueError, as for a loss of NaN, is a result, too: {"settings", "error"}.

    Args:
        runs: {name: recipe}, in the order in which they start.
        file: JSON, {name: result of `train_and_test`}.
        processes: runs side by side, each in a process of its own.
        threads: CPU threads of each. A number depends on it in its last digits.
        seconds: no run starts later than that; those that have are finished.

    Raises:
        ValueError: the file holds a run of one of these names with other settings; a process was killed.
    """
    file, end = Path(file), time.monotonic() + seconds
    results = read_results(file)
    for name, recipe in runs.items():
        if name in results and (wrong := _differs(results[name]["settings"], settings(recipe))):
            raise ValueError(
                f"{file} holds a run {name!r} with other settings ({wrong}): give this one another name, or "
                "remove that."
            )
    yield from ((name, results[name]) for name in runs if name in results)
    waiting = [(name, recipe) for name, recipe in runs.items() if name not in results]
    # spawn: a forked process cannot use a GPU that its parent has used.
    with ProcessPoolExecutor(
        processes, get_context("spawn"), initializer=torch.set_num_threads, initargs=(threads,)
    ) as pool:
        running = {}
        while running or (waiting and time.monotonic() < end):
            while waiting and len(running) < processes and time.monotonic() < end:
                name, recipe = waiting.pop(0)
                running[pool.submit(train_and_test, recipe)] = name
            for future in as_completed(running):
                name = running.pop(future)
                try:
                    result = future.result()
                except BrokenProcessPool:
                    raise ValueError(
                        f"a process was killed while it trained {name!r} or a run beside it, perhaps for lack of "
                        f"memory; {file} has the finished runs. Start again, with fewer processes."
                    ) from None
                except ValueError as error:  # a loss of NaN, say: the others go on
                    result = {"settings": settings(runs[name]), "error": str(error)}
                results[name] = json.loads(json.dumps(result, default=plain))
                write_json(file, results)
                yield name, results[name]
                break


def read_results(file: str | Path) -> dict[str, dict]:
    """{name: result} of a file of `run_ablation`, of failed runs ("error" in result), too; {} if there is none."""
    file = Path(file)
    return read_json(file, "the results of an ablation") if file.exists() else {}


def settings(recipe: Recipe) -> dict:
    """The fields of a recipe that decide its numbers, as plain values; left out are those at their default."""
    default = {field.name: field.default for field in fields(Recipe)}
    given = {
        name: value
        for name, value in vars(recipe).items()
        if name in ALWAYS or name not in HOW and value != default[name]
    }
    return json.loads(json.dumps(given, default=plain))


def again(result: dict, **how: object) -> Recipe:
    """The recipe of a result, to run it once more; how: other fields, such as root, that do not decide its numbers."""
    given = {
        name: tuple(value) if isinstance(value, list) else value for name, value in result["settings"].items()
    }
    return Recipe(**{"out": "runs/again"} | given | how)


def _differs(there: dict, here: dict) -> str:
    names = sorted(name for name in there.keys() | here.keys() if there.get(name) != here.get(name))
    return ", ".join(f"{name} {there.get(name)!r} there, {here.get(name)!r} here" for name in names)


def train_and_test(recipe: Recipe) -> dict:
    """One run: train, rank the test people, score where the network looks. No checkpoint is written."""
    began = time.perf_counter()
    splits = recipe.load_data()
    model = recipe.make_model(splits.num_pids).to("cuda" if torch.cuda.is_available() else "cpu")
    options = recipe.fit_options() | {"path": None, "resume": False, "evaluate_every": 0}
    loss = [log.loss for log in fit(model, splits.train, **options)]
    trained = time.perf_counter()
    result = evaluate(model, splits, precision=recipe.precision)
    found = {
        "settings": settings(recipe),
        "rank1": result.embedding.rank(1),
        "mAP": result.embedding.mAP,
        "mINP": result.embedding.mINP,
        "before_neck": {"rank1": result.feature.rank(1), "mAP": result.feature.mAP},
        "last_loss": loss[-1],
        "attention": where_it_looks(model, splits, recipe),
        "seconds": {"training": trained - began, "all": time.perf_counter() - began},
    }
    return found | {"provenance": provenance(next(model.parameters()).device)}


@torch.no_grad()
def where_it_looks(model: ReIDModel, splits: Splits, recipe: Recipe) -> dict[str, dict[str, float]]:
    """Maps of the query images against the true part maps of drawn people; {} for other sets.

    {map: {"person", "others", "area", "detail", "detail_area"}}: the map's share on the person, the same on the masks
    of other people, the share of the image that is person, and both shares for the detail in which lookalikes differ.
    Maps are the gates of every spatial attention ("stage 1" …) and "features", the mean over the channels of the last
    stage's output: what the pooled feature is the mean of, with any attention and with none.
    """
    if recipe.dataset != "synthetic":
        return {}
    gates = [name for name, _ in model.named_modules() if name.endswith("spatial.gate")]
    labels = {stage_names(model)[-1]: "features"}
    labels |= {gate: f"stage {stage}" for gate, stage in zip(gates, recipe.stages, strict=False)}
    maps: dict[str, list] = {}
    for first in range(0, len(splits.query), 64):
        images = stack_images([sample.path for sample in splits.query[first : first + 64]], model.size)
        with evaluating(model), ExitStack() as hooks:
            outputs = {name: hooks.enter_context(capture(model, name)) for name in labels}
            model(normalise(images.to(next(model.parameters()).device)))
        for name, label in labels.items():
            output = outputs[name][name].float()
            output = find_layout(name, output, model.size).to_map(output)
            maps.setdefault(label, []).append(output.mean(1, keepdim=True).clamp(min=0).cpu())
    root = splits.query[0].path.parent.parent
    parts = [read_parts(root, sample.path.stem, recipe.boxes) for sample in splits.query]
    masks = [part > 0 for part in parts]
    people = {person["label"]: person for person in read_people(root)}
    return {name: _scores(torch.cat(batches), masks, parts, splits, people) for name, batches in maps.items()}


def _scores(maps: torch.Tensor, masks: list, parts: list, splits: Splits, people: dict) -> dict[str, float]:
    other_people = [masks[i] for i in next_person([sample.pid for sample in splits.query])]
    own, others = attention_share(maps, masks), attention_share(maps, other_people)
    found = {"person": own.score, "others": others.score, "area": own.area}
    families = [i for i, sample in enumerate(splits.query) if people[sample.pid]["detail"]]
    if families:
        kin = [people[splits.query[i].pid] for i in families]
        detail = detail_share(
            maps[families],
            [parts[i] for i in families],
            [DETAILS[person["detail"]] for person in kin],
            [person["family"] for person in kin],
        )
        found |= {"detail": detail.score, "detail_area": detail.area}
    return found
