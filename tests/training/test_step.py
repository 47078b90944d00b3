"""A training step is the lines that one would write by hand; micro-batches, and a loss that becomes NaN."""

import pytest
import torch
from helpers.small_network import network

import rga
from rga.data import network_input, train_loader
from rga.device.precision import make_scaler
from rga.models.gates import last_layers
from rga.training.losses import identity_loss, triplet_loss
from rga.training.step import NonFiniteLossError, make_optimizer, training_step

SCALER = make_scaler(torch.device("cpu"), "fp32")


@pytest.fixture
def batch(samples):
    return next(iter(train_loader(samples, (64, 32), p=4, k=3, seed=0)))


def prepared(lr=3e-4):
    """A network and its optimizer, as `rga.fit` makes them."""
    model = network().to(memory_format=torch.channels_last).train()
    return model, make_optimizer(model, lr)


def by_hand(model, optimizer, *parts):
    """One step on the mean of the losses of some parts; returns the losses of each."""
    losses = []
    for part in parts:
        output = model(network_input(part))
        losses.append((identity_loss(output.logits, part.pids), triplet_loss(output.feature, part.pids)))
    optimizer.zero_grad()
    (sum(sum(pair) for pair in losses) / len(parts)).backward()
    optimizer.step()
    return [[loss.item() for loss in pair] for pair in losses]


def test_it_is_the_step_that_one_writes_by_hand_to_the_last_bit(batch):
    (model, optimizer), (expected, other) = prepared(), prepared()
    for _ in range(3):
        result = training_step(model, batch, optimizer, SCALER)
        assert [result.identity, result.triplet] == by_hand(expected, other, batch)[0]
    torch.testing.assert_close(model.state_dict(), expected.state_dict(), rtol=0, atol=0)


def test_fit_is_this_step_batch_after_batch(samples):
    model, optimizer = prepared()
    loader = train_loader(samples, model.size, p=2, k=3, seed=0)
    results = []
    for epoch in range(2):
        loader.batch_sampler.set_epoch(epoch)
        results += [training_step(model, batch, optimizer, SCALER) for batch in loader]
    constant = {"lr": 3e-4, "schedule": lambda o: torch.optim.lr_scheduler.ConstantLR(o, 1.0)}
    logs = rga.fit(network(), samples, epochs=2, p=2, k=3, **constant)
    assert [(log.identity, log.triplet) for log in logs] == [(r.identity, r.triplet) for r in results]


def test_gates_have_a_learning_rate_of_their_own(batch):
    model = network().to(memory_format=torch.channels_last).train()
    optimizer = make_optimizer(model, lr=1e-4, gate_lr=20)
    before = {name: weight.clone() for name, weight in model.named_parameters()}
    training_step(model, batch, optimizer, SCALER)
    gates = set(map(id, last_layers(model)))
    moved = {name: (weight - before[name]).abs().max().item() for name, weight in model.named_parameters()}
    # Adam's first step is its learning rate for any gradient, and 0 for none.
    fast = [moved[name] for name, weight in model.named_parameters() if id(weight) in gates]
    slow = [moved[name] for name, weight in model.named_parameters() if id(weight) not in gates]
    assert max(fast) == pytest.approx(2e-3, rel=0.01) and max(slow) == pytest.approx(1e-4, rel=0.01)
    assert [len(group["params"]) for group in optimizer.param_groups][1:] == [len(fast)]


def test_micro_batches_add_up_to_the_mean_of_their_losses(batch):
    """Each has BatchNorm statistics and hard pairs of its own."""
    (model, optimizer), (expected, other) = prepared(), prepared()
    result = training_step(model, batch, optimizer, SCALER, accumulate=2)
    halves = [type(batch)(*(field[part] for field in batch)) for part in (slice(0, 6), slice(6, 12))]
    losses = torch.tensor(by_hand(expected, other, *halves))
    torch.testing.assert_close(torch.tensor([result.identity, result.triplet]), losses.mean(0))
    torch.testing.assert_close(model.state_dict(), expected.state_dict(), rtol=1e-4, atol=1e-6)


def test_a_loss_of_nan_leaves_the_weights(batch):
    model, optimizer = prepared()
    model.neck.register_forward_hook(lambda *_: _[2] * float("nan"))
    before = {name: value.clone() for name, value in model.named_parameters()}
    with pytest.raises(NonFiniteLossError, match=r"became nan \(identity nan, triplet \d"):
        training_step(model, batch, optimizer, SCALER)
    assert all(torch.equal(value, before[name]) for name, value in model.named_parameters())


def test_it_says_whether_to_stop(batch):
    model, optimizer = prepared()
    asked = [
        training_step(model, batch, optimizer, SCALER, stopping=lambda s=s: s).stop for s in (False, True)
    ]
    assert asked == [False, True]
