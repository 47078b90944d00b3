"""A resumed run equals the run without interruption; a checkpoint of another run is refused."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.small_network import SIZE, network

import rga
from rga.data.samples import TrainSample
from rga.models import create_model
from rga.training import checkpoint, resume
from rga.training.lr_schedule import short_schedule


def train(model, samples, **kwargs):
    return list(rga.fit(model, samples, **{"epochs": 3, "p": 2, "k": 3, "lr": 3e-4} | kwargs))


def losses(logs):
    return [replace(log, images_per_second=0.0, waiting=0.0, held=False) for log in logs]


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


def test_names_that_are_no_text_have_a_digest():
    """Those of Latin-1 are bytes; the digest of others is that of earlier versions."""
    one, other = (resume.digest([TrainSample(Path(f"a/zo{e}.png"), 0, 1)]) for e in ("\udce9", "\udce8"))
    assert one != other
    assert (
        resume.digest([TrainSample(Path("a/Zoë.png"), 3, 1)])
        == (hashlib.sha256("Zoë.png 3".encode()).hexdigest()[:16])
    )
