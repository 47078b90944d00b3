"""Two processes train as one: the same batches, losses and weights; evaluation is shared."""

import logging
import warnings
from dataclasses import replace

import pytest
import torch
from helpers.processes import together
from helpers.small_network import network

import rga
from rga.device import distributed

OPTIONS = {"epochs": 2, "p": 4, "k": 3, "lr": 3e-4}


def plain(logs):
    return [(log.step, log.loss, log.identity, log.triplet, log.lr) for log in logs]


def train(samples, **options):
    model = network()
    logs = list(rga.fit(model, samples, **OPTIONS | options))
    return plain(logs), {name: value.clone() for name, value in model.state_dict().items()}


def test_the_losses_and_weights_are_those_of_one_process(samples):
    one, weights = train(samples)
    for logs, theirs in together(train_both, samples):
        torch.testing.assert_close(torch.tensor(logs), torch.tensor(one), rtol=2e-4, atol=2e-5)
        # Adam divides by the size of a gradient, so rounding moves a weight by a part of lr where that is near 0.
        torch.testing.assert_close(theirs, weights, rtol=1e-3, atol=1e-4)


def train_both(samples):
    return train(samples, sync_norm=True, gather=True)


def test_hard_pairs_and_norms_of_one_process_only_are_others(samples):
    one, _ = train(samples)
    first, second = together(train, samples)
    assert first[0] == second[0]  # what is logged is the mean of both
    torch.testing.assert_close(first[1]["classifier.weight"], second[1]["classifier.weight"], rtol=0, atol=0)
    assert abs(first[0][-1][1] - one[-1][1]) > 1e-3


def warned(samples, options):
    model = network(attention="rga_sc")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        list(rga.fit(model, samples, **OPTIONS | options))
    trained = [weight for weight in model.parameters() if weight.grad is not None]
    return [str(warning.message) for warning in caught], [w.grad.stride() == w.stride() for w in trained]


@pytest.mark.parametrize("options", [{"channels_last": False}, {"precision": "bf16"}])
def test_gradients_have_the_strides_of_their_weights(samples, options):
    """Else PyTorch warns "Grad strides do not match bucket view strides"."""
    for messages, same in together(warned, samples, options):
        assert messages == [] and all(same)


def score(samples):
    splits = rga.data.Splits("tiny", (), tuple(samples[:7]), tuple(samples))
    result = rga.evaluate(network(), splits)
    few = rga.embed(network(), samples[:1])  # fewer than processes
    return result.embedding.mAP, result.gallery.pids, result.gallery.embedding, few.embedding


def test_evaluation_is_shared_and_everybody_gets_all(samples):
    mAP, pids, embedding, few = score(samples)
    for theirs in together(score, samples, world=3):
        assert theirs[0] == pytest.approx(mAP, abs=1e-9)
        assert torch.equal(theirs[1], pids)
        torch.testing.assert_close(theirs[2], embedding, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(theirs[3], few, rtol=1e-4, atol=1e-4)


def trained_and_embedded(samples):
    model = network()
    list(rga.fit(model, samples, **OPTIONS))  # each process has the BatchNorm statistics of its own share
    return (
        rga.embed(model, samples).embedding,
        model.state_dict(),
        logging.getLogger("rga").getEffectiveLevel(),
    )


def test_what_is_evaluated_is_the_network_that_is_saved(samples):
    first, second = together(trained_and_embedded, samples)
    model = network()
    model.load_state_dict(first[1])
    alone = rga.embed(model, samples).embedding
    torch.testing.assert_close(first[0], alone, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(second[0], first[0], rtol=0, atol=0)
    assert first[2] < logging.ERROR <= second[2]  # the first one speaks


def resumed(samples, path, epochs):
    model = network()
    logs = list(rga.fit(model, samples, **OPTIONS | {"epochs": epochs}, path=path, resume="auto"))
    return [replace(log, images_per_second=0, waiting=0, held=False) for log in logs], model.state_dict()


def test_they_go_on_together(samples, tmp_path):
    straight = together(resumed, samples, tmp_path / "straight.pt", 2)
    assert [f.name for f in tmp_path.iterdir()] == ["straight.pt"]  # one process writes
    together(cut, samples, tmp_path / "cut.pt")
    again = together(resumed, samples, tmp_path / "cut.pt", 2)
    for a, b in zip(straight, again, strict=True):
        assert a[0] == b[0]
        torch.testing.assert_close(a[1], b[1], rtol=0, atol=0)


def cut(samples, path):
    """Both processes leave after the first epoch, and its checkpoint."""
    for log in rga.fit(network(), samples, **OPTIONS, path=path, save_every=1):
        if log.epoch == 2:
            return distributed.world_size()


def test_identities_that_cannot_be_divided(samples):
    with pytest.raises(
        ValueError, match="p=3 identities cannot be divided among 1 processes x 2 micro-batches"
    ):
        train(samples, p=3, accumulate=2)
