"""A run from its recipe to its report: what notebook 03, `python -m rga train` and `torchrun -m rga train` do."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

import torch

from rga.data import Splits, normalise, stack_images
from rga.device import cpu_memory, cpu_threads, distributed
from rga.evaluation import Evaluation, evaluate
from rga.io.json_files import read_json, write_json
from rga.io.provenance import provenance
from rga.metrics import Ranking, chance_rank1
from rga.models import ReIDModel
from rga.models.hooks import capture, evaluating
from rga.runs import out_folder
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
    people it is tested on, so its score is optimistic; the paper, and the report, take the last. Without people to
    test with, nobody is evaluated.

    settings.json holds the settings. The files of an earlier run in this folder are removed with the first step.
    Raises ValueError, before anything is touched, if that was not asked for (`rga.runs.out_folder`), or if another
    process is writing there; and what `rga.fit` raises, KeyboardInterrupt after a signal to stop included.

    On a CPU the process keeps the memory that it frees (`rga.device.cpu_memory`), and computes with as many threads as
    cores are idle when it starts (`rga.device.cpu_threads`).
    """
    if next(model.parameters()).device.type == "cpu":
        cpu_memory.keep_memory()
        cpu_threads.use_idle_cores()
    first, begun = distributed.rank() == 0, False
    with ExitStack() as stack:
        if first:
            stack.enter_context(out_folder.lock(recipe.out))
            out_folder.check_free(recipe, splits)
        scores, held = distributed.broadcast_object(_earlier_scores(recipe))
        logger = stack.enter_context(RunLogger(recipe.out, recipe.tensorboard)) if first else None
        for log in fit(model, splits.train, **recipe.fit_options()):
            due = recipe.evaluate_every and log.ends_epoch and log.epoch % recipe.evaluate_every == 0
            if logger:
                if not log.held and not begun:
                    out_folder.begin(recipe, splits, resumed=held > 0, saved=bool(due))
                logger.step(log)
            begun = not log.held
            yield log
            # Of the logs that are replayed only the last is of the network as it is now; it may have been saved just
            # before an evaluation that failed.
            new = not log.held or (log.step == held and str(log.epoch) not in scores)
            if due and new and has_test_people(splits):
                with torch.random.fork_rng(devices=[]):  # a resumed run, without it, draws the same numbers
                    ranking = test(recipe, model, splits).embedding
                scores = {epoch: score for epoch, score in scores.items() if int(epoch) < log.epoch}
                best = all(ranking.mAP > score["mAP"] for score in scores.values())
                scores[str(log.epoch)] = scored(ranking)
                if logger:
                    figure = _gates(recipe, model, splits) if recipe.tensorboard else None
                    logger.score(log.step, ranking, figure)
                    write_json(recipe.out / "scores.json", scores)
                    if best:
                        about = {"epoch": log.epoch, "mAP": ranking.mAP}
                        about["trained_on"] = checkpoint.load_training(recipe.checkpoint).get(
                            "trained_on", []
                        )
                        checkpoint.save(recipe.out / "best.pt", model, **about)


def has_test_people(splits: Splits) -> bool:
    """Whether the set has anybody to test with; one that has not can still be trained on."""
    return bool(splits.query and splits.gallery)


def test(recipe: Recipe, model: ReIDModel, splits: Splits) -> Evaluation:
    """Evaluate on the test people, at the recipe's precision. Raises ValueError if there are none."""
    if not has_test_people(splits):
        raise ValueError(
            f"{splits.name} has nobody to test with (its query and gallery are empty): add people to it, or train "
            "without a test by python -m rga train."
        )
    return evaluate(model, splits, precision=recipe.precision, workers=recipe.workers)


def scored(ranking: Ranking) -> dict[str, float]:
    """The scores of a report, as fractions."""
    ranks = {f"rank{k}": ranking.rank(k) for k in (1, 5, 10)}
    return ranks | {"mAP": ranking.mAP, "mINP": ranking.mINP, "queries": ranking.num_valid}


def report(
    recipe: Recipe,
    model: ReIDModel,
    splits: Splits,
    result: Evaluation | None,
    logs: Sequence[Log],
    seconds: dict[str, float],
    **more: object,
) -> dict:
    """The content of metrics.json: settings, data, scores beside chance, seconds and provenance.

    Args:
        recipe: the settings of the run.
        model: the trained network.
        splits: the data set.
        result: of `test`; None for a set without people to test with, so without scores.
        logs: of `train`, all of them.
        seconds: {what was timed: seconds}.
        more: further entries, such as scores before training.

    Raises:
        ValueError: the run is not finished.
    """
    if logs[-1].step < logs[-1].steps:
        raise ValueError(
            f"this run was stopped after step {logs[-1].step} of {logs[-1].steps}, and a report is of a whole run: "
            "go on with resume=True."
        )
    return {
        **out_folder.about(recipe, splits),
        "weights": model.config["weights"],
        **(_scores(result, splits) if result else {}),
        "last_loss": logs[-1].loss,
        "processes": distributed.world_size(),
        "resumed_after_step": sum(log.held for log in logs),  # the seconds count from there
        "seconds": seconds,
        **more,
        "provenance": provenance(next(model.parameters()).device),
    }


def _scores(result: Evaluation, splits: Splits) -> dict:
    ids = result.query.pids, result.gallery.pids, result.query.camids, result.gallery.camids
    return {
        "chance_rank1": chance_rank1(*ids, single_shot=splits.single_shot),
        "before_neck": scored(result.feature),
        "after_neck": scored(result.embedding),
    }


def _earlier_scores(recipe: Recipe) -> tuple[dict, int]:
    """The scores of the run to go on with, and after how many steps it does; ({}, 0) for a new run."""
    if not recipe.resume or not recipe.checkpoint.exists():
        return {}, 0
    file = recipe.out / "scores.json"
    scores = read_json(file, "the scores of this run") if file.exists() else {}
    if not all(
        epoch.isdigit() and isinstance(score, dict) and "mAP" in score for epoch, score in scores.items()
    ):
        raise ValueError(
            f"expected the scores of this run, {{epoch: scores}}, in {file}: restore it, or remove it."
        )
    return scores, len(checkpoint.load_training(recipe.checkpoint).get("logs", ()))


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
