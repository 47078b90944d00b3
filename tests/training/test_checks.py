"""What `rga.fit` refuses, and what is left when the loss or the weights become NaN or Inf."""

import pytest
import torch
from helpers.small_network import network

import rga
from rga.data import Sample
from rga.training import checkpoint


def train(model, samples, **kwargs):
    return list(rga.fit(model, samples, **{"epochs": 3, "p": 2, "k": 3, "lr": 3e-4} | kwargs))


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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"resume": 1}, "resume must be True, False or 'auto', got 1"),
        ({"resume": "Auto"}, "got 'Auto'"),
        ({"save_every": 0}, "save_every must be a whole number of at least 1, got 0"),
    ],
)
def test_options_that_cannot_be(samples, tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        train(network(), samples, path=tmp_path / "run.pt", **change)
