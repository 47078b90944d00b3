"""The files of a run hold every step once, whatever was interrupted."""

import csv
import sys
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure

from rga.metrics import evaluate_ranking
from rga.runs.run_logger import RunLogger
from rga.training.log import Log

LOG = Log(1, 4, 1, 2, 5.5, 5.0, 0.5, 1e-3, 100.0, 0.1)


def rows(folder):
    with (folder / "log.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def ranking():
    return evaluate_ranking(np.eye(3), [1, 2, 3], [1, 2, 3], [1, 1, 1], [2, 2, 2])


def test_a_line_a_step(tmp_path):
    with RunLogger(tmp_path / "new") as logger:
        logger.step(LOG)
        assert len(rows(tmp_path / "new")) == 1  # written at once
        logger.step(replace(LOG, step=2, loss=4.25))
        logger.score(2, ranking())
    assert [row["step"] for row in rows(tmp_path / "new")] == ["1", "2"]
    assert {name: float(value) for name, value in rows(tmp_path / "new")[1].items()} == {
        "step": 2, "steps": 4, "epoch": 1, "epochs": 2, "loss": 4.25, "identity": 5.0, "triplet": 0.5, "lr": 1e-3,
        "images_per_second": 100.0, "waiting": 0.1,
    }  # fmt: skip


def test_a_loss_without_terms(tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    with RunLogger(tmp_path, tensorboard=True) as logger:
        logger.step(replace(LOG, identity=None, triplet=None))
    assert (rows(tmp_path)[0]["loss"], rows(tmp_path)[0]["identity"]) == ("5.5", "")
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    names = ("images_per_second", "loss", "lr", "waiting")
    assert sorted(events.Tags()["scalars"]) == [f"train/{name}" for name in names]


def test_a_resumed_run_replays_its_logs(tmp_path):
    for held in (False, True):
        with RunLogger(tmp_path) as logger:
            logger.step(replace(LOG, held=held))
    assert len(rows(tmp_path)) == 1


def test_events_for_tensorboard(tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    for held, steps in (
        (0, (1, 2, 3)),
        (2, (1, 2, 3, 4)),
        (0, (1,)),
    ):  # a run, which loses step 3; it is resumed; a new run
        with RunLogger(tmp_path, tensorboard=True) as logger:
            for step in steps:
                logger.step(replace(LOG, step=step, loss=float(10 * held + step), held=step <= held))
                if step == 2 and not held:
                    logger.score(2, ranking(), Figure())
        events = accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
        events.Reload()
        losses = [(e.step, e.value) for e in events.Scalars("train/loss")]
        if held:
            assert losses == [(1, 1.0), (2, 2.0), (3, 23.0), (4, 24.0)]
        if len(steps) > 1:
            assert [(e.step, e.value) for e in events.Scalars("test/rank-1")] == [(2, ranking().rank(1))]
            assert len(events.Images("gates")) == 1
    assert losses == [(1, 1.0)]


def test_events_of_replayed_logs_are_written_if_there_are_none(tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    with RunLogger(tmp_path, tensorboard=True) as logger:
        for step in (1, 2):
            logger.step(replace(LOG, step=step, held=step == 1))
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [e.step for e in events.Scalars("train/loss")] == [1, 2]


def test_tensorboard_is_not_installed(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(
        ValueError, match="tensorboard=True needs the package tensorboard .*pip install tensorboard"
    ):
        RunLogger(tmp_path, tensorboard=True)
