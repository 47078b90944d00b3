"""The loops: they learn, they repeat, they go on where they stopped, and they refuse what cannot be right."""

import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers import tiny_cuhk03
from helpers.small_network import SIZE, network

import rga
from rga.data import Sample
from rga.models import create_model
from rga.training import checkpoint
from rga.training.lr_schedule import short_schedule


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
    first, second = (train(network(), samples, precision=precision) for _ in range(2))
    assert losses(first) == losses(second)
    assert losses(first) != losses(train(network(), samples, precision=precision, seed=1))


@pytest.mark.filterwarnings(
    "ignore:.*multi-threaded, use of fork:DeprecationWarning"
)  # Python 3.12 and later
def test_workers_and_cache_change_nothing(samples, tmp_path):
    plain = losses(train(network(), samples, epochs=1))
    assert losses(train(network(), samples, epochs=1, cache=True)) == plain
    assert losses(train(network(), samples, epochs=1, cache=tmp_path)) == plain
    assert losses(train(network(), samples, epochs=1, workers=2)) == plain


@pytest.mark.filterwarnings(
    "ignore:.*multi-threaded, use of fork:DeprecationWarning"
)  # Python 3.12 and later
@pytest.mark.parametrize("workers", [0, 2])
def test_resume_equals_the_run_without_interruption(samples, tmp_path, workers):
    whole = network()
    straight = train(whole, samples, epochs=4)
    cut = rga.fit(network(), samples, epochs=4, p=2, k=3, lr=3e-4, path=tmp_path / "run.pt", save_every=1)
    for log in cut:
        if log.epoch == 3:
            break  # in the middle of an epoch, after the checkpoint of the second
    resumed = network(seed=5)
    logs = train(resumed, samples, epochs=4, path=tmp_path / "run.pt", resume=True, workers=workers)
    assert losses(logs) == losses(straight)
    torch.testing.assert_close(resumed.state_dict(), whole.state_dict(), rtol=0, atol=0)


def test_resume_needs_a_checkpoint_of_this_network(samples, tmp_path):
    with pytest.raises(ValueError, match="pass its path"):
        train(network(), samples, resume=True)
    with pytest.raises(FileNotFoundError, match="found none"):
        train(network(), samples, resume=True, path=tmp_path / "run.pt")
    checkpoint.save(tmp_path / "run.pt", create_model("resnet18", "none", num_pids=4, size=SIZE))
    with pytest.raises(ValueError, match="another network"):
        train(network(), samples, resume=True, path=tmp_path / "run.pt")


def test_a_released_checkpoint_trains_on(samples):
    model = create_model("resnet18", "rga_sc", num_pids=4, size=SIZE)
    rga.models.load_released(model, rga.models.released_state_dict(model))
    assert len(train(model, samples, epochs=1)) == 2


def test_the_log_says_what_the_weights_are(samples, caplog):
    with caplog.at_level("INFO", logger="rga"):
        next(rga.fit(network(), samples, epochs=1, p=2, k=2))
    assert "resnet18 + rga_s" in caplog.text
    assert "weights before training: random initialisation (no pretraining)" in caplog.text


def test_labels_that_do_not_fit_the_network(samples):
    with pytest.raises(ValueError, match=r"numbered 0 … 3, .*got 2 from 7 to 9.*num_pids=splits.num_pids"):
        train(network(), [Sample(samples[0].path, 7, 1), Sample(samples[0].path, 9, 1)])
    with pytest.raises(ValueError, match="got none"):
        train(network(), [])


def test_a_loss_that_is_no_number_stops_the_run_and_spares_weights_and_checkpoint(samples, tmp_path):
    model, path = network(), tmp_path / "run.pt"
    with pytest.raises(
        ValueError, match=r"became nan .* at step 3, epoch 2, .*the last good.*run.pt.*_\d.png"
    ):
        for log in rga.fit(model, samples, epochs=3, p=2, k=3, path=path, save_every=1):
            if log.step == 2:
                good = {name: value.clone() for name, value in model.state_dict().items()}
                break_next_step = model.neck.register_forward_hook(lambda *_: _[2] * float("nan"))
    break_next_step.remove()
    kept = network(seed=1)
    checkpoint.restore(path, kept)
    weights = [name for name, _ in model.named_parameters()]
    assert all(torch.equal(model.state_dict()[name], good[name]) for name in weights)
    torch.testing.assert_close(kept.state_dict(), good, rtol=0, atol=0)


def test_weights_that_are_no_numbers_are_not_saved(samples, tmp_path):
    model, path = network(), tmp_path / "run.pt"
    with pytest.raises(ValueError, match="the weights became NaN or Inf after step 4"):
        for log in rga.fit(model, samples, epochs=3, p=2, k=3, path=path, save_every=1):
            if log.step == 4:
                with torch.no_grad():
                    model.classifier.weight[0, 0] = float("inf")
    assert len(checkpoint.restore(path, model)["logs"]) == 2


def test_the_last_checkpoints_stay(samples, tmp_path):
    train(network(), samples, epochs=4, path=tmp_path / "run.pt", save_every=1, keep=2)
    names = sorted(file.name for file in tmp_path.iterdir())
    assert names == ["run-0000006.pt", "run-0000008.pt", "run.pt"]
    logs = train(network(), samples, epochs=4, path=tmp_path / "run-0000006.pt", resume=True)
    assert [log.held for log in logs] == [True] * 6 + [False] * 2


def test_more_epochs_get_the_schedule_of_that_many(samples, tmp_path, caplog):
    def short(epochs):
        return {"epochs": epochs, "schedule": lambda optimizer: short_schedule(optimizer, epochs)}

    train(network(), samples, **short(4), path=tmp_path / "run.pt")
    logs = train(network(), samples, **short(8), path=tmp_path / "run.pt", resume=True)
    assert "epochs 4 there, 8 here" in caplog.text
    straight = train(network(), samples, **short(8))
    assert [log.lr for log in logs[8:]] == [log.lr for log in straight[8:]]
    assert {(log.steps, log.epochs) for log in logs} == {(16, 8)}
    with pytest.raises(ValueError, match="has come to epoch 8, and epochs=4 here"):
        train(network(), samples, **short(4), path=tmp_path / "run.pt", resume=True)


def test_resume_refuses_other_batches(samples, tmp_path):
    train(network(), samples, epochs=1, path=tmp_path / "run.pt")
    with pytest.raises(ValueError, match="other batches: p 2 there, 4 here; images 20 there, 19 here"):
        train(network(), samples[1:], epochs=2, p=4, path=tmp_path / "run.pt", resume=True)
    others = [replace_name(sample) for sample in samples]
    with pytest.raises(ValueError, match="other batches: names or identities of images that are others"):
        train(network(), others, epochs=2, path=tmp_path / "run.pt", resume=True)
    checkpoint.save(tmp_path / "best.pt", network())
    with pytest.raises(ValueError, match="lacks logs, optimizer, random, scaler, settings"):
        train(network(), samples, path=tmp_path / "best.pt", resume=True)


def replace_name(sample):
    return sample._replace(path=sample.path.with_stem(sample.path.stem + "_other"))


def test_resume_with_other_ways_to_compute(samples, tmp_path, caplog):
    train(network(), samples, epochs=1, path=tmp_path / "run.pt")
    content = torch.load(tmp_path / "run.pt", weights_only=True)
    del content["training"]["settings"]["gather"]  # as an earlier version wrote it
    torch.save(content, tmp_path / "run.pt")
    options = {"p": 2, "k": 3, "lr": 3e-4, "path": tmp_path / "run.pt", "resume": True}
    steps = rga.fit(network(), samples, epochs=2, precision="fp16", **options)
    assert next(steps).held  # a step in float16 would take a CPU minutes
    assert (
        "other settings than before: epochs 1 there, 2 here; precision 'fp32' there, 'fp16' here"
        in caplog.text
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"resume": 1}, "resume must be True, False or 'auto', got 1"),
        ({"resume": "Auto"}, "got 'Auto'"),
        ({"save_every": 0}, "save_every and keep must be at least 1, got 0 and 1"),
    ],
)
def test_options_that_cannot_be(samples, tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        train(network(), samples, path=tmp_path / "run.pt", **change)


def test_the_speed_is_that_of_the_whole_step(samples, monkeypatch):
    update = torch.optim.Adam.step

    def slow(self, *args, **kwargs):
        time.sleep(0.3)
        return update(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.Adam, "step", slow)
    assert all(log.images_per_second < 2 * 3 / 0.3 for log in train(network(), samples, epochs=1))


def test_auto_goes_on_or_starts(samples, tmp_path):
    first = train(network(), samples, path=tmp_path / "run.pt", resume="auto")
    again = train(network(seed=3), samples, path=tmp_path / "run.pt", resume="auto")
    assert not any(log.held for log in first) and all(log.held for log in again)
    assert losses(first) == losses(again)


def test_a_resumed_run_draws_the_random_numbers_that_the_straight_one_draws(samples, tmp_path):
    """Of the global generators, too: a dropout in the network, a caller that shuffles."""

    def dropout():
        model = network()
        model.neck.register_forward_hook(
            lambda module, inputs, output: torch.dropout(output, 0.5, module.training)
        )
        return model

    straight = train(dropout(), samples, path=tmp_path / "straight.pt")
    for log in rga.fit(
        dropout(), samples, epochs=3, p=2, k=3, lr=3e-4, path=tmp_path / "run.pt", save_every=1
    ):
        if log.step == 5:
            break
    torch.rand(7), np.random.rand(3)
    assert losses(train(dropout(), samples, path=tmp_path / "run.pt", resume=True)) == losses(straight)


def test_the_official_release_from_file_to_score(tmp_path):
    splits = rga.data.load("cuhk03", tiny_cuhk03.write_all(tmp_path / "cuhk03"))
    torch.manual_seed(0)
    model = create_model("mobilenet_v2", "rga_sc", num_pids=splits.num_pids, size=SIZE, init_gates="identity")
    assert len(train(model, splits.train, p=2, k=2, epochs=1)) == splits.num_pids // 2
    result = rga.evaluate(model, splits)
    assert 0 <= result.feature.mAP <= 1
    assert len(result.query.pids) == len(splits.query)
