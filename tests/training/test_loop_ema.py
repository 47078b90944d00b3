"""`rga.fit` with an average of the weights: the formula, saved, resumed; the network trains as without it."""

import signal

import pytest
import torch
from helpers.pages import code_of
from helpers.small_network import network
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

import rga
from rga.data import Splits
from rga.training import checkpoint

OPTIONS = {"epochs": 3, "p": 2, "k": 3, "lr": 3e-4}
DECAY = 0.8


def average(model):
    return AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(DECAY), use_buffers=True)


def numbers(model):
    """Weights and running statistics; BatchNorm's count of batches is no average."""
    return {name: value.clone() for name, value in model.state_dict().items() if value.is_floating_point()}


def test_it_is_the_formula_and_leaves_the_network_alone(samples):
    plain, model = network(), network()
    list(rga.fit(plain, samples, **OPTIONS))
    ema, expected = average(model), None
    for _ in rga.fit(model, samples, **OPTIONS, ema=ema):
        now = numbers(model)
        if expected is None:
            expected = now  # the first step's weights
        expected = {name: DECAY * value + (1 - DECAY) * now[name] for name, value in expected.items()}
    torch.testing.assert_close(numbers(ema.module), expected)
    assert ema.n_averaged == 6
    torch.testing.assert_close(model.state_dict(), plain.state_dict(), rtol=0, atol=0)
    assert (ema.module.classifier.weight - model.classifier.weight).abs().max() > 1e-5


def test_a_resumed_average_is_that_of_the_whole_run(samples, tmp_path):
    """Of a run that was cut in the middle of an epoch, and of one whose evaluation failed after a checkpoint."""
    whole = network()
    straight = average(whole)
    list(rga.fit(whole, samples, **OPTIONS, ema=straight))
    for cut_at, saved, how in ((3, 2, {"save_every": 1}), (4, 4, {"save_every": 3, "evaluate_every": 2})):
        options = OPTIONS | how | {"path": tmp_path / f"{cut_at}.pt"}
        model = network()
        for log in rga.fit(model, samples, **options, ema=average(model)):
            if log.step == cut_at:
                break
        model = network(seed=5)
        ema = average(model)
        logs = list(rga.fit(model, samples, **options, ema=ema, resume=True))
        assert sum(log.held for log in logs) == saved
        torch.testing.assert_close(ema.state_dict(), straight.state_dict(), rtol=0, atol=0)


def test_a_stop_in_the_middle_of_an_epoch_saves_both_after_the_same_step(samples, tmp_path):
    model, options = network(), OPTIONS | {"path": tmp_path / "run.pt"}
    ema = average(model)
    with pytest.raises(KeyboardInterrupt):
        for log in rga.fit(model, samples, **options, ema=ema):
            if log.step == 2:
                signal.raise_signal(signal.SIGINT)
    saved = checkpoint.load_training(tmp_path / "run.pt")
    assert len(saved["logs"]) == saved["ema"]["n_averaged"] == 3
    torch.testing.assert_close(saved["ema"], dict(ema.state_dict()), rtol=0, atol=0)


def test_it_may_begin_with_a_resumed_run_which_is_said(samples, tmp_path, caplog):
    options = OPTIONS | {"path": tmp_path / "run.pt"}
    list(rga.fit(network(), samples, **options | {"epochs": 2}))
    model = network()
    ema = average(model)
    list(rga.fit(model, samples, **options, ema=ema, resume=True))
    assert ema.n_averaged == 2 and "ema False there, True here" in caplog.text


def test_an_average_of_another_network_is_refused(samples):
    with pytest.raises(ValueError, match="average of another network .*make it of this one"):
        next(rga.fit(network(), samples, **OPTIONS, ema=average(network(attention="none"))))
    with pytest.raises(
        ValueError, match="ema must be None or a torch.optim.swa_utils.AveragedModel, got ReIDModel"
    ):
        next(rga.fit(network(), samples, **OPTIONS, ema=network()))


def test_the_code_of_the_page(samples, tmp_path, monkeypatch, capsys):
    """As written, but on four people for three epochs; what is saved is what was evaluated."""
    monkeypatch.chdir(tmp_path)
    original = rga.fit
    monkeypatch.setattr(rga, "fit", lambda *values, **options: original(*values, **options | OPTIONS))
    people = Splits("four people", tuple(samples), tuple(samples[::5]), tuple(samples))
    names = {"rga": rga, "model": network(), "splits": people}
    exec(code_of("training.md", "Exponential moving average (EMA) of the weights"), names)
    assert "rank-1" in capsys.readouterr().out
    loaded = checkpoint.load_model("runs/ema/ema.pt")
    torch.testing.assert_close(loaded.state_dict(), names["ema"].module.state_dict(), rtol=0, atol=0)
    embedding = rga.embed(names["ema"].module, samples).embedding
    torch.testing.assert_close(rga.embed(loaded, samples).embedding, embedding, rtol=1e-4, atol=1e-4)
