"""A run from its recipe to its report: what notebook 03, `python -m rga train` and `torchrun -m rga train` do."""

import json
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING

import torch

from rga.data import Splits, normalise, stack_images
from rga.device import cpu_memory, distributed
from rga.evaluation import Evaluation, evaluate
from rga.io.json_files import write_json
from rga.io.provenance import provenance
from rga.metrics import Ranking, chance_rank1
from rga.models import ReIDModel
from rga.models.hooks import capture, evaluating
from rga.runs.recipe import Recipe
from rga.runs.run_logger import RunLogger
from rga.training import checkpoint
from rga.training.log import Log
from rga.training.loop import fit

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def train(recipe: Recipe, model: ReIDModel, splits: Splits) -> Iterator[Log]:
    """Train `model` as the recipe says; yields the Log of every step, as `rga.fit` does.

    Writes into `recipe.out`: checkpoint.pt, log.csv, TensorBoard events if asked for, and where evaluate_every is
    above 0, scores.json ({epoch: scores}) and best.pt, the network with the highest mAP. That one is selected on the
    people it is tested on, so its score is optimistic; the paper, and the report, take the last.

    On a CPU the process keeps the memory that it frees (`rga.device.cpu_memory`).
    """
    if next(model.parameters()).device.type == "cpu":
        cpu_memory.keep_memory()
    first = distributed.rank() == 0
    scores = distributed.broadcast_object(_earlier_scores(recipe))
    with RunLogger(recipe.out, recipe.tensorboard) if first else nullcontext() as logger:
        for log in fit(model, splits.train, **recipe.fit_options()):
            if logger:
                logger.step(log)
            yield log
            due = recipe.evaluate_every and log.ends_epoch and log.epoch % recipe.evaluate_every == 0
            if due and not log.held:
                ranking = test(recipe, model, splits).embedding
                scores = {epoch: score for epoch, score in scores.items() if int(epoch) < log.epoch}
                best = all(ranking.mAP > score["mAP"] for score in scores.values())
                scores[str(log.epoch)] = scored(ranking)
                if logger:
                    figure = _gates(recipe, model, splits) if recipe.tensorboard else None
                    logger.score(log.step, ranking, figure)
                    write_json(recipe.out / "scores.json", scores)
                    if best:
                        checkpoint.save(recipe.out / "best.pt", model, epoch=log.epoch, mAP=ranking.mAP)


def test(recipe: Recipe, model: ReIDModel, splits: Splits) -> Evaluation:
    """Evaluate on the test people, at the recipe's precision."""
    return evaluate(model, splits, precision=recipe.precision, workers=recipe.workers)


def scored(ranking: Ranking) -> dict[str, float]:
    """The scores of a report, as fractions."""
    ranks = {f"rank{k}": ranking.rank(k) for k in (1, 5, 10)}
    return ranks | {"mAP": ranking.mAP, "mINP": ranking.mINP, "queries": ranking.num_valid}


def report(
    recipe: Recipe,
    model: ReIDModel,
    splits: Splits,
    result: Evaluation,
    logs: Sequence[Log],
    seconds: dict[str, float],
    **more: object,
) -> dict:
    """The content of metrics.json: settings, data, scores beside chance, seconds and provenance.

    Args:
        recipe: the settings of the run.
        model: the trained network.
        splits: the data set.
        result: of `test`.
        logs: of `train`, all of them.
        seconds: {what was timed: seconds}.
        more: further entries, such as scores before training.
    """
    ids = result.query.pids, result.gallery.pids, result.query.camids, result.gallery.camids
    return {
        "settings": vars(recipe),
        "data": {"summary": str(splits).splitlines(), "missing": len(splits.missing)},
        "weights": model.config["weights"],
        "chance_rank1": chance_rank1(*ids, single_shot=splits.single_shot),
        "before_neck": scored(result.feature),
        "after_neck": scored(result.embedding),
        "last_loss": logs[-1].loss,
        "processes": distributed.world_size(),
        "resumed_after_step": sum(log.held for log in logs),  # the seconds count from there
        "seconds": seconds,
        **more,
        "provenance": provenance(next(model.parameters()).device),
    }


def _earlier_scores(recipe: Recipe) -> dict:
    file = recipe.out / "scores.json"
    if recipe.resume and recipe.checkpoint.exists() and file.exists():
        return json.loads(file.read_text(encoding="utf-8"))
    return {}


def _gates(recipe: Recipe, model: ReIDModel, splits: Splits) -> "Figure | None":
    """The spatial gates of all stages on the first four queries; None for a network without any."""
    from rga import plot  # here, so that a run needs matplotlib only for this figure

    images = stack_images([sample.path for sample in splits.query[:4]], recipe.size)
    try:
        with capture(model, "*.spatial.gate") as gates, evaluating(model), torch.no_grad():
            model(normalise(images.to(next(model.parameters()).device)))
    except ValueError:  # no module has such a name
        return None
    return plot.attention(images, {f"stage {i}": maps.cpu() for i, maps in enumerate(gates.values(), 1)})
