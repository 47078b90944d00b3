"""Checkers of notebook 03 meet each known mistake with its own hint."""

import math

import pytest
import torch
import torch.nn.functional as F

from rga.course.exercises import check_hardest, check_schedule, check_smoothing, check_step
from rga.training.losses import hardest, identity_loss, triplet_loss
from rga.training.lr_schedule import learning_rates, short_schedule

INF = torch.inf


def test_the_packages_own_pass():
    assert check_smoothing(smoothed) == "all stages passed"
    assert check_hardest(hardest) == "all stages passed"
    assert check_hardest(lambda d, y: [part.tolist() for part in hardest(d, y)]) == "all stages passed"
    assert (
        check_hardest(lambda d, y: [part.double().numpy() for part in hardest(d, y)]) == "all stages passed"
    )
    assert check_step(train_step) == "all stages passed"
    rates = lambda epoch, epochs, peak: learning_rates(  # noqa: E731
        lambda optimizer: short_schedule(optimizer, epochs), epochs, peak
    )[epoch]
    assert check_schedule(rates) == "all stages passed"


def one_hot(z, y):
    return F.one_hot(y, z.shape[1]).float()


def smoothed(z, y, e, axis=1):
    right = F.nll_loss(z.log_softmax(axis), y)
    return (1 - e) * right - e * z.log_softmax(axis).mean()


def loss(z, target):
    return -(target * z.log_softmax(1)).sum(1).mean()


def smoothed_by_softmax(z, y, e):
    return -(((1 - e) * one_hot(z, y) + e / z.shape[1]) * z.softmax(1).log()).sum(1).mean()


WRONG_SMOOTHING = {
    "stage 1, it runs: KeyError": lambda z, y, e: {}["no"],
    "stage 2, shape": lambda z, y, e: -(one_hot(z, y) * z.log_softmax(1)).sum(1),
    "this is the sum over the batch": lambda z, y, e: F.cross_entropy(
        z, y, label_smoothing=e, reduction="sum"
    ),
    "the sign is turned": lambda z, y, e: -identity_loss(z, y, e),
    "the mean over the classes, too": lambda z, y, e: -(one_hot(z, y) * z.log_softmax(1)).mean(),
    "a softmax of a softmax": lambda z, y, e: F.cross_entropy(z.softmax(1), y, label_smoothing=e),
    "the logarithm is missing": lambda z, y, e: -(one_hot(z, y) * z.softmax(1)).sum(1).mean(),
    "stage 3, without smoothing: the softmax runs over the batch": lambda z, y, e: smoothed(z, y, e, axis=0),
    "stage 3, without smoothing: ε is 0.1, whatever is asked": lambda z, y, e: smoothed(z, y, 0.1),
    "stage 3, without smoothing: expected": lambda z, y, e: identity_loss(z, y, e) + 1,
    "epsilon changes nothing": lambda z, y, e: F.cross_entropy(z, y),
    "over the M − 1 other classes": lambda z, y, e: loss(
        z, (1 - e) * one_hot(z, y) + e / (z.shape[1] - 1) * (1 - one_hot(z, y))
    ),
    "the targets sum to less than 1": lambda z, y, e: loss(
        z, (1 - e) * one_hot(z, y) + e / z.shape[1] * (1 - one_hot(z, y))
    ),
    "the targets sum to 1 + ε": lambda z, y, e: loss(z, one_hot(z, y) + e / z.shape[1]),
    "every class gets ε": lambda z, y, e: loss(z, (1 - e) * one_hot(z, y) + e),
    "the others get nothing": lambda z, y, e: loss(z, (1 - e) * one_hot(z, y)),
    "stage 4, smoothing: expected": lambda z, y, e: identity_loss(z, y, e / 2),
    "stage 5, large logits": smoothed_by_softmax,
    "stage 6, gradient": lambda z, y, e: identity_loss(z, y, e).item(),
    "stage 7, by hand: right, but F.cross_entropy did it": lambda z, y, e: F.cross_entropy(
        z, y, label_smoothing=e
    ),
    "stage 7, by hand": identity_loss,
    "F.cross_entropy did it": lambda z, y, e: torch.nn.CrossEntropyLoss(label_smoothing=e)(z, y),
}


@pytest.mark.parametrize("hint", WRONG_SMOOTHING)
def test_known_mistakes_in_smoothing(hint):
    assert hint in check_smoothing(WRONG_SMOOTHING[hint])


def test_smoothing_with_the_shares_exchanged():
    turned = lambda z, y, e: F.cross_entropy(z, y) if not e else identity_loss(z, y, 1 - e)  # noqa: E731
    assert "ε and 1 − ε are exchanged" in check_smoothing(turned)


def same(labels):
    return labels[:, None] == labels[None, :]


def masked(distances, mask, value):
    return distances.masked_fill(mask, value)


WRONG_HARDEST = {
    "stage 1, it runs": lambda d, y: d.nonsense(),
    "stage 1, it runs: it returned None": lambda d, y: None,
    "stage 2, shapes": lambda d, y: (d, d),
    "give values and indices. Hint: .values": lambda d, y: (
        masked(d, ~same(y), -INF).max(1),
        masked(d, same(y), INF).min(1),
    ),
    "or amax and amin": lambda d, y: (masked(d, ~same(y), -INF).amax(1), masked(d, same(y), INF).min(1)),
    "amax, not argmax": lambda d, y: (
        masked(d, ~same(y), -INF).argmax(1),
        masked(d, same(y), INF).argmin(1),
    ),
    "amin, not argmin": lambda d, y: (masked(d, ~same(y), -INF).amax(1), masked(d, same(y), INF).argmin(1)),
    "the two are exchanged": lambda d, y: hardest(d, y)[::-1],
    "farthest image of all": lambda d, y: (d.amax(1), masked(d, same(y), INF).amin(1)),
    "neither the nearest nor a mean": lambda d, y: (
        (d * same(y)).sum(1) / 3,
        masked(d, same(y), INF).amin(1),
    ),
    "all 0, the image itself": lambda d, y: (masked(d, ~same(y), -INF).amax(1), d.amin(1)),
    "what a mask has multiplied by 0": lambda d, y: ((d * same(y)).amax(1), (d * ~same(y)).amin(1)),
    "not only the image itself": lambda d, y: (
        masked(d, ~same(y), -INF).amax(1),
        masked(d, torch.eye(len(y), dtype=bool), INF).amin(1),
    ),
    "stage 5, any order: IndexError": lambda d, y: hardest(d, y) if y[0] == y[1] else ([], [])[2],
    "stage 5, any order: it fails": lambda d, y: (
        torch.cat([d[:3, :3].amax(1), d[3:, 3:].amax(1)]),
        torch.cat([d[:3, 3:].amin(1), d[3:, :3].amin(1)]),
    ),
}


@pytest.mark.parametrize("hint", WRONG_HARDEST)
def test_known_mistakes_in_batch_hard(hint):
    assert hint in check_hardest(WRONG_HARDEST[hint])


def train_step(
    network,
    images,
    labels,
    optimizer,
    order="zero backward step",
    train=True,
    learn=sum,
    number=torch.Tensor.item,
):
    if train:
        network.train()
    if order.startswith("zero"):
        optimizer.zero_grad()
    output = network(images)
    losses = identity_loss(output.logits, labels), triplet_loss(output.feature, labels)
    for action in order.removeprefix("zero ").split():
        if action == "backward":
            learn(losses).backward()
        else:
            {"zero": optimizer.zero_grad, "step": optimizer.step}[action]()
    return tuple(number(loss) for loss in losses)


def one_loss_of_logits(network, images, labels, optimizer):
    network.train()
    return F.cross_entropy(network(images).logits, labels).item()


def other_losses(identity, triplet):
    def step(network, images, labels, optimizer):
        output = network.train()(images)
        return identity(output, labels).item(), triplet(output, labels).item()

    return step


WRONG_STEP = {
    "stage 1, it runs: AttributeError": lambda n, x, y, o: (n(x).loss, 0),
    "stage 1, it runs: TypeError": lambda n, x, y, o: n(x, y),
    "stage 2, losses: one number came back": one_loss_of_logits,
    "two numbers, identity and triplet, not their sum": lambda *given: sum(train_step(*given)),
    "not their sum": lambda *given: sum(train_step(*given, number=lambda loss: loss)),
    "Hint: .item() makes numbers": lambda *given: train_step(*given, number=lambda loss: loss),
    "stage 2, losses: expected two numbers": lambda n, x, y, o: (*train_step(n, x, y, o), 0),
    "the identity loss comes first": lambda n, x, y, o: train_step(n, x, y, o)[::-1],
    "that of the embedding": other_losses(
        lambda out, y: identity_loss(out.logits, y), lambda out, y: triplet_loss(out.embedding, y)
    ),
    "the network is in eval mode": lambda *given: train_step(*given, train=False),
    "no label smoothing": other_losses(
        lambda out, y: F.cross_entropy(out.logits, y), lambda out, y: triplet_loss(out.feature, y)
    ),
    "stage 2, losses: expected": other_losses(
        lambda out, y: identity_loss(out.logits.softmax(1), y), lambda out, y: triplet_loss(out.feature, y)
    ),
    "stage 3, weights: none has moved": lambda *given: train_step(*given, order="zero step backward"),
    "zero_grad after it throws it away": lambda *given: train_step(*given, order="backward zero step"),
    "none has moved. Hint": lambda *given: train_step(*given, order="zero backward"),
    "the identity loss alone": lambda *given: train_step(*given, learn=lambda losses: losses[0]),
    "the triplet loss alone": lambda *given: train_step(*given, learn=lambda losses: losses[1]),
    "stage 3, weights: they moved elsewhere": lambda *given: train_step(
        *given, order="zero backward step step"
    ),
    "stage 4, second step: the first step's gradients": lambda *given: train_step(
        *given, order="backward step"
    ),
}


@pytest.mark.parametrize("hint", WRONG_STEP)
def test_known_mistakes_in_a_step(hint):
    assert hint in check_step(WRONG_STEP[hint])


def rate(
    epoch, epochs, peak, low=0.1, late=0, steps=0, floor=0.01, shift=True, over=0, turn=math.pi, factor=False
):
    w = max(1, epochs // 10)
    if epoch < w:
        value = low + (1 - low) * (epoch + late) / (w - steps)
    else:
        t = (epoch - w * shift) / (epochs - w * (over == 0) * shift - (over == 1) * (w + 1))
        value = floor + (1 - floor) * (1 + math.cos(turn * t)) / 2
    return value if factor else peak * value


WRONG_SCHEDULE = {
    "stage 1, it runs: ZeroDivisionError": lambda *given: 1 / 0,
    "this is the factor": lambda *given: rate(*given, factor=True),
    "off by one epoch": lambda *given: rate(*given, late=1),
    "an epoch too early": lambda *given: rate(*given, steps=1 if given[1] >= 20 else 0),
    "it starts at 0": lambda *given: rate(*given, low=0),
    "there is none": lambda e, n, p: p if e < n // 10 else rate(e, n, p),
    "stage 2, warm-up: epoch 0: expected": lambda *given: rate(*given, low=0.01),
    "count from the end of the warm-up": lambda *given: rate(*given, shift=False),
    "it comes too late": lambda *given: rate(*given, over=2),
    "the last epoch is at the bottom": lambda *given: rate(*given, over=1),
    "it goes down to 0": lambda *given: rate(*given, floor=0),
    "a whole cosine": lambda *given: rate(*given, turn=2 * math.pi),
    "these are degrees": lambda *given: rate(*given, turn=180),
    "stage 3, cosine: epoch 5": lambda *given: rate(*given, turn=3),
    "let t go from 0 at epoch w to 1 at the end": lambda *given: rate(*given, turn=2),
    "stage 4, 1 epochs: ZeroDivisionError": lambda e, n, p: rate(e, n, p) + 0 / (n // 10),
    "stage 4, 1 epochs: epoch 0": lambda e, n, p: p if e >= n // 10 and n < 10 else rate(e, n, p),
}


@pytest.mark.parametrize("hint", WRONG_SCHEDULE)
def test_known_mistakes_in_a_schedule(hint):
    assert hint in check_schedule(WRONG_SCHEDULE[hint])
