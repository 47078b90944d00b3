"""The loops: they learn, they repeat, they go on where they stopped, and they refuse what cannot be right."""

import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers import tiny_cuhk03
from helpers.small_network import SIZE, network

import rga
from rga.models import create_model


def train(model, samples, **kwargs):
    return list(rga.fit(model, samples, **{"epochs": 3, "p": 2, "k": 3, "lr": 3e-4} | kwargs))


def losses(logs):
    return [replace(log, images_per_second=0.0, waiting=0.0, held=False) for log in logs]


def test_logs_count_steps_and_epochs(samples):
    logs = train(network(), samples)
    assert [(log.step, log.epoch) for log in logs] == [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (6, 3)]
    assert {(log.steps, log.epochs) for log in logs} == {(6, 3)}
    assert all(log.loss == pytest.approx(log.identity + log.triplet, abs=1e-5) for log in logs)
    assert logs[0].identity == pytest.approx(np.log(4), abs=0.1)
    assert logs[0].lr == pytest.approx(3e-6)


def test_it_learns_who_is_who(samples):
    model = network()
    logs = train(model, samples, epochs=10, schedule=lambda o: torch.optim.lr_scheduler.ConstantLR(o, 1.0))
    assert logs[-1].loss < 0.8 * logs[0].loss
    splits = rga.data.Splits("tiny", tuple(samples), tuple(samples[::5]), tuple(samples))
    result = rga.evaluate(model, splits)
    assert result.embedding.rank(1) == 1
    assert result.embedding.num_valid == 4
    assert model.training  # evaluation leaves the mode as it was


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_same_seed_gives_the_same_numbers(samples, precision):
    one, same = network(), network()
    first, second = (train(model, samples, precision=precision) for model in (one, same))
    assert losses(first) == losses(second)
    torch.testing.assert_close(same.state_dict(), one.state_dict(), rtol=0, atol=0)
    assert losses(first) != losses(train(network(), samples, precision=precision, seed=1))


def test_other_numbers_of_threads_differ_within_rounding(samples):
    before = torch.get_num_threads()
    try:
        runs = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            runs.append([log.loss for log in train(network(), samples, epochs=1)])
    finally:
        torch.set_num_threads(before)
    assert runs[0] == pytest.approx(runs[1], rel=1e-3)


@pytest.mark.filterwarnings(
    "ignore:.*multi-threaded, use of fork:DeprecationWarning"
)  # Python 3.12 and later
@pytest.mark.parametrize("options", [{"cache": True}, {"cache": "folder"}, {"workers": 1}, {"workers": 2}])
def test_workers_and_cache_change_nothing(samples, tmp_path, monkeypatch, options):
    monkeypatch.chdir(tmp_path)
    plain, other = network(), network()
    assert losses(train(other, samples, epochs=2, **options)) == losses(train(plain, samples, epochs=2))
    torch.testing.assert_close(other.state_dict(), plain.state_dict(), rtol=0, atol=0)


def test_a_released_checkpoint_trains_on(samples):
    model = create_model("resnet18", "rga_sc", num_pids=4, size=SIZE)
    rga.models.load_released(model, rga.models.released_state_dict(model))
    assert len(train(model, samples, epochs=1)) == 2


def test_the_log_says_what_the_weights_are(samples, caplog):
    with caplog.at_level("INFO", logger="rga"):
        next(rga.fit(network(), samples, epochs=1, p=2, k=2))
    assert "resnet18 + rga_s" in caplog.text
    assert "weights before training: random initialisation (no pretraining)" in caplog.text


def test_the_last_checkpoints_stay(samples, tmp_path):
    train(network(), samples, epochs=4, path=tmp_path / "run.pt", save_every=1, keep=2)
    names = sorted(file.name for file in tmp_path.iterdir())
    assert names == ["run-0000006.pt", "run-0000008.pt", "run.pt"]
    logs = train(network(), samples, epochs=4, path=tmp_path / "run-0000006.pt", resume=True)
    assert [log.held for log in logs] == [True] * 6 + [False] * 2


def test_the_speed_is_that_of_the_whole_step(samples, monkeypatch):
    update = torch.optim.Adam.step

    def slow(self, *args, **kwargs):
        time.sleep(0.3)
        return update(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.Adam, "step", slow)
    assert all(log.images_per_second < 2 * 3 / 0.3 for log in train(network(), samples, epochs=1))


def test_the_official_release_from_file_to_score(tmp_path):
    splits = rga.data.load("cuhk03", tiny_cuhk03.write_all(tmp_path / "cuhk03"))
    torch.manual_seed(0)
    model = create_model("mobilenet_v2", "rga_sc", num_pids=splits.num_pids, size=SIZE, init_gates="identity")
    assert len(train(model, splits.train, p=2, k=2, epochs=1)) == splits.num_pids // 2
    result = rga.evaluate(model, splits)
    assert 0 <= result.feature.mAP <= 1
    assert len(result.query.pids) == len(splits.query)
