"""Exercises of notebook 03: label smoothing, hard pairs (batch-hard), a training step, a learning-rate schedule.

Solutions are in the notebook.
"""

import copy
import math
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.overrides import TorchFunctionMode

from rga.course.errors import describe
from rga.course.exercises.verdict import checker
from rga.models.reid import ReIDModel
from rga.training.losses import hardest, identity_loss, triplet_loss
from rga.training.lr_schedule import learning_rates, short_schedule

Smoothed = Callable[[Tensor, Tensor, float], Tensor]
Hardest = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
Step = Callable[[nn.Module, Tensor, Tensor, Optimizer], tuple[float, float]]


@checker(
    "smoothed(logits, labels, epsilon) takes logits (B, M), labels (B,) and the share of doubt, and returns the "
    "label-smoothed cross-entropy, the mean over the batch, as a tensor."
)
def check_smoothing(answer: Smoothed) -> str:
    """Try `answer`: logits (B, M), labels (B,), epsilon -> scalar, in place of `identity_loss`."""
    logits = torch.tensor([[2.0, 0.5, -1.0, 0.0], [0.3, 1.2, -0.4, -2.0], [-1.0, 0.0, 3.0, 1.0]])
    labels, epsilon = torch.tensor([0, 3, 2]), 0.2
    count, log_p = logits.shape[1], logits.log_softmax(1)
    right, all_classes = log_p.gather(1, labels[:, None])[:, 0], log_p.sum(1)

    watched = _Calls()

    def tried(scores: Tensor, doubt: float) -> Tensor:
        with watched:
            return torch.as_tensor(answer(scores, labels, doubt))

    try:
        plain, got = tried(logits, 0.0), tried(logits, epsilon)
    except Exception as error:
        return f"stage 1, it runs: {describe(error)}. Hint: return one number, a tensor."
    if plain.shape:
        return (
            f"stage 2, shape: expected one number, got {tuple(plain.shape)}. Hint: the mean over the batch."
        )
    expected = identity_loss(logits, labels, 0.0)
    wrong = {
        3
        * expected: "this is the sum over the batch. Hint: the mean, or the learning rate depends on the batch.",
        -expected: "the sign is turned. Hint: −log p is large where the network is wrong.",
        expected / count: "the mean over the classes, too. Hint: sum over classes, mean over images.",
        F.cross_entropy(
            logits.softmax(1), labels
        ): "this is a softmax of a softmax. Hint: F.cross_entropy takes logits and does the softmax itself.",
        -right.exp().mean(): "the logarithm is missing. Hint: −log p, not p.",
        F.nll_loss(
            logits.log_softmax(0), labels
        ): "the softmax runs over the batch. Hint: classes are axis 1: log_softmax(1).",
        identity_loss(
            logits, labels, 0.1
        ): "ε is 0.1, whatever is asked. Hint: take the argument epsilon, write no number.",
    }
    if not _close(plain, expected):
        return "stage 3, without smoothing: " + _known(
            wrong, plain, expected, "−log softmax(z) at the label."
        )
    expected = identity_loss(logits, labels, epsilon)
    others, share = all_classes - right, epsilon / count
    wrong = {
        identity_loss(
            logits, labels, 0.0
        ): "epsilon changes nothing. Hint: the target is no longer 1 at the label.",
        -(
            (1 - epsilon) * right + epsilon / (count - 1) * others
        ).mean(): "ε is spread over the M − 1 other classes. "
        "Hint: over all M, the right one included, as PyTorch and the paper behind it do.",
        -(
            (1 - epsilon) * right + share * others
        ).mean(): "the targets sum to less than 1. Hint: the right class gets "
        "1 − ε and its share ε / M of what is spread.",
        -(
            right + share * all_classes
        ).mean(): "the targets sum to 1 + ε. Hint: take ε from the right class first.",
        -((1 - epsilon) * right + epsilon * all_classes).mean(): "every class gets ε. Hint: ε / M each.",
        -(
            epsilon * right + (1 - epsilon) * all_classes / count
        ).mean(): "ε and 1 − ε are exchanged. Hint: most of the target stays with the right class.",
        -((1 - epsilon) * right).mean(): "the others get nothing. Hint: spread ε over all classes.",
    }
    if not _close(got, expected):
        hint = "(1 − ε) times the loss of the right class, plus ε times the mean loss of all."
        return "stage 4, smoothing: " + _known(wrong, got, expected, hint)
    try:
        large = tried(200 * logits, epsilon)
    except Exception as error:
        return f"stage 5, large logits: {describe(error)}."
    if not _close(large, identity_loss(200 * logits, labels, epsilon)):
        return f"stage 5, large logits: got {large.item():g}. Hint: softmax rounds to 0, its log is −∞; log_softmax."
    if not tried(logits.requires_grad_(), epsilon).requires_grad:
        return "stage 6, gradient: the result has none. Hint: no .item(), .detach() or NumPy on the way."
    if F.cross_entropy in watched.seen:
        return "stage 7, by hand: right, but F.cross_entropy did it. Hint: log_softmax, and the targets on top of it."
    return "all stages passed"


@checker(
    "hardest(distances, labels) takes distances (B, B) and labels (B,) and returns two tensors (B,): for each image "
    "the distance to the farthest image of the same person, and to the nearest of another."
)
def check_hardest(answer: Hardest) -> str:
    """Try `answer`: (B, B), (B,) -> (B,), (B,), in place of `rga.training.losses.hardest`."""
    labels = torch.tensor([0, 0, 0, 1, 1, 1])
    position = torch.tensor([0.0, 1.0, 3.0, 4.0, 8.0, 9.0])
    distances = (position[:, None] - position[None, :]).abs()
    same = labels[:, None] == labels[None, :]
    farthest, nearest = hardest(distances, labels)
    indices = distances.masked_fill(~same, -torch.inf).argmax(1).float()

    def tried(order: Tensor) -> tuple[Tensor, Tensor]:
        got_farthest, got_nearest = answer(distances[order][:, order], labels[order])
        if any(
            isinstance(part, torch.return_types.max | torch.return_types.min)
            for part in (got_farthest, got_nearest)
        ):
            raise _ValuesAndIndicesError
        return tuple(torch.as_tensor(part, dtype=torch.float32) for part in (got_farthest, got_nearest))

    try:
        got_farthest, got_nearest = tried(torch.arange(6))
    except _ValuesAndIndicesError:
        return "stage 2, shapes: max and min over an axis give values and indices. Hint: .values, or amax and amin."
    except Exception as error:
        return f"stage 1, it runs: {describe(error)}. Hint: return two tensors, farthest and nearest."
    if not got_farthest.shape == got_nearest.shape == labels.shape:
        shapes = tuple(got_farthest.shape), tuple(got_nearest.shape)
        return f"stage 2, shapes: expected two of (6,), got {shapes}. Hint: one number per image, reduce over dim 1."
    if torch.equal(got_farthest, indices):
        return "stage 3, same identity: these are indices of images. Hint: their distances: amax, not argmax."
    if torch.equal(got_farthest, nearest) and torch.equal(got_nearest, farthest):
        return "stage 3, same identity: the two are exchanged. Hint: the farthest of the same person comes first."
    if torch.equal(got_farthest, distances.amax(1)):
        return "stage 3, same identity: this is the farthest image of all. Hint: hide the others with -inf before max."
    if not torch.equal(got_farthest, farthest):
        return (
            f"stage 3, same identity: expected {farthest.tolist()}, got {got_farthest.tolist()}. Hint: batch-hard "
            "takes the one farthest image, neither the nearest nor a mean."
        )
    if torch.equal(got_nearest, distances.masked_fill(same, torch.inf).argmin(1).float()):
        return (
            "stage 4, other identity: these are indices of images. Hint: their distances: amin, not argmin."
        )
    if not got_nearest.any():
        return (
            "stage 4, other identity: all 0, the image itself, or what a mask has multiplied by 0. Hint: hide the same "
            "identity with +inf before min."
        )
    if not torch.equal(got_nearest, nearest):
        return (
            f"stage 4, other identity: expected {nearest.tolist()}, got {got_nearest.tolist()}. Hint: the same "
            "identity must be hidden whole, not only the image itself, and the smallest distance taken."
        )
    shuffled = torch.tensor([3, 0, 5, 1, 4, 2])
    try:
        moved = tried(shuffled)
    except Exception as error:
        return f"stage 5, any order: {describe(error)}. Hint: compare labels, not places."
    if not (torch.equal(moved[0], farthest[shuffled]) and torch.equal(moved[1], nearest[shuffled])):
        return "stage 5, any order: it fails when identities are not side by side. Hint: compare labels, not places."
    return "all stages passed"


@checker(
    "train_step(network, images, labels, optimizer) does one training step in place and returns two numbers, the "
    "identity loss and the triplet loss."
)
def check_step(answer: Step) -> str:
    """Try `answer` on two batches: it must return both losses and leave the weights of a right step behind."""
    draw = torch.Generator().manual_seed(0)
    backbone = nn.Sequential(nn.Flatten(), nn.Linear(3 * 4 * 2, 6))
    network = ReIDModel(backbone, 6, 4, (4, 2)).double().eval()  # as a test leaves it
    with torch.no_grad():
        for weight in network.parameters():
            weight.copy_(torch.randn(weight.shape, generator=draw, dtype=weight.dtype))
    batches = [torch.randn(8, 3, 4, 2, generator=draw, dtype=torch.float64) for _ in range(2)]
    labels = torch.arange(4).repeat_interleave(2)

    def tried(step: Step) -> tuple[list[list[float]], list[Tensor]]:
        """The losses, and all weights, after each batch."""
        trained = copy.deepcopy(network)
        optimizer = torch.optim.SGD(trained.parameters(), lr=0.05)
        losses, weights = [], []
        for images in batches:
            returned = step(trained, images, labels, optimizer)
            losses.append(
                [returned] if isinstance(returned, float) or torch.is_tensor(returned) else list(returned)
            )
            weights.append(torch.cat([weight.detach().flatten() for weight in trained.parameters()]))
        return losses, weights

    try:
        losses, weights = tried(answer)
    except Exception as error:
        return f"stage 1, it runs: {describe(error)}. Hint: network(images) has .feature, .embedding and .logits."
    if len(losses[0]) == 1:
        return "stage 2, losses: one number came back. Hint: return two numbers, identity and triplet, not their sum."
    if any(torch.is_tensor(loss) and loss.requires_grad for loss in losses[0]):
        return (
            "stage 2, losses: two tensors, which keep the step's whole graph in memory. Hint: .item() makes numbers of "
            "them."
        )
    if any(len(both) != 2 for both in losses):
        return f"stage 2, losses: expected two numbers, got {len(losses[0])}. Hint: return identity, triplet."
    (right, second), moved = tried(_step)
    if not _close(losses[0], right):
        wrong = {
            "the two are exchanged. Hint: the identity loss comes first.": right[::-1],
            "the triplet loss is that of the embedding. Hint: it is computed before the BN neck, of output.feature.": (
                tried(partial(_step, compared="embedding"))[0][0]
            ),
            "the network is in eval mode. Hint: network.train() first: BatchNorm takes the batch's statistics.": (
                tried(partial(_step, training=False))[0][0]
            ),
            "the identity loss has no label smoothing. Hint: identity_loss, not F.cross_entropy without smoothing.": (
                tried(partial(_step, smoothing=0.0))[0][0]
            ),
        }
        for said, value in wrong.items():
            if _close(losses[0], value):
                return f"stage 2, losses: {said}"
        return (
            f"stage 2, losses: expected {right[0]:.4f} and {right[1]:.4f}, got {losses[0][0]:.4f} and "
            f"{losses[0][1]:.4f}. Hint: identity_loss(output.logits, labels), triplet_loss(output.feature, labels)."
        )
    start = torch.cat([weight.detach().flatten() for weight in network.parameters()])
    if _close(weights[0], start):
        return (
            "stage 3, weights: none has moved. Hint: in this order: optimizer.zero_grad(), backward(), "
            "optimizer.step(); a step before backward has no gradient, and zero_grad after it throws it away."
        )
    if not _close(weights[0], moved[0]):
        for name, other in ((0, "identity"), (1, "triplet")):
            if _close(weights[0], tried(partial(_step, only=name))[1][0]):
                return f"stage 3, weights: the {other} loss alone was learnt from. Hint: backward of the sum of both."
        return "stage 3, weights: they moved elsewhere. Hint: (identity + triplet).backward(), then one step."
    if not _close(weights[1], moved[1]) or not _close(losses[1], second):
        if _close(weights[1], tried(partial(_step, clean=False))[1][1]):
            return (
                "stage 4, second step: the first step's gradients are still there and were added to. Hint: "
                "optimizer.zero_grad() at the start of every step."
            )
        return "stage 4, second step: it differs from the first. Hint: each call is one whole step, from zero_grad on."
    return "all stages passed"


@checker(
    "rate(epoch, epochs, peak) returns the learning rate of an epoch, counted from 0: a linear warm-up, then half a "
    "cosine."
)
def check_schedule(answer: Callable[[int, int, float], float]) -> str:
    """Try `answer`: epoch, epochs, peak -> learning rate, in place of `short_schedule`."""
    epochs, peak = 40, 1.6e-3
    right = learning_rates(lambda optimizer: short_schedule(optimizer, epochs), epochs, peak)
    try:
        got = [float(answer(epoch, epochs, peak)) for epoch in range(epochs)]
    except Exception as error:
        return f"stage 1, it runs: {describe(error)}. Hint: return one number, such as peak / 10 for epoch 0."
    if _close([peak * rate for rate in got], right):
        return "stage 2, warm-up: this is the factor, from 0 to 1. Hint: times peak."
    warmup = epochs // 10
    wrong = {
        "off by one epoch: epoch 0 has moved already. Hint: epoch / w, epochs count from 0.": [
            peak * (0.1 + 0.9 * (epoch + 1) / warmup) for epoch in range(warmup)
        ],
        "the peak is reached an epoch too early. Hint: divide by w, not w − 1: the cosine begins at the peak.": [
            peak * (0.1 + 0.9 * epoch / (warmup - 1)) for epoch in range(warmup)
        ],
        "it starts at 0, an epoch that learns nothing. Hint: from peak / 10, so 0.1 + 0.9 · epoch / w.": [
            peak * epoch / warmup for epoch in range(warmup)
        ],
        "there is none. Hint: for epoch < w the rate rises.": [peak] * warmup,
    }
    for said, rates in wrong.items():
        if _close(got[:warmup], rates):
            return f"stage 2, warm-up: {said}"
    if not _close(got[:warmup], right[:warmup]):
        return f"stage 2, warm-up: {_differs(got, right, 0)} Hint: linear from peak / 10 at epoch 0 to peak at epoch w."
    wrong = {
        "it does not begin at the peak. Hint: count from the end of the warm-up: epoch − w.": (
            lambda epoch: _cosine(peak, epoch / epochs)
        ),
        "it comes too late. Hint: half a cosine over the epochs − w that are left, not over all.": (
            lambda epoch: _cosine(peak, (epoch - warmup) / epochs)
        ),
        "the last epoch is at the bottom. Hint: divide by epochs − w; the bottom would be reached one epoch later.": (
            lambda epoch: _cosine(peak, (epoch - warmup) / (epochs - warmup - 1))
        ),
        "it goes down to 0. Hint: to peak / 100.": lambda epoch: _cosine(
            peak, (epoch - warmup) / (epochs - warmup), 0.0
        ),
        "a whole cosine goes up again. Hint: half of it, from 0 to π.": (
            lambda epoch: _cosine(peak, 2 * (epoch - warmup) / (epochs - warmup))
        ),
        "these are degrees. Hint: math.cos takes radians: π · t.": (
            lambda epoch: _cosine(peak, 180 / math.pi * (epoch - warmup) / (epochs - warmup))
        ),
    }
    for said, rate in wrong.items():
        if _close(got[warmup:], [rate(epoch) for epoch in range(warmup, epochs)]):
            return f"stage 3, cosine: {said}"
    if not _close(got[warmup:], right[warmup:]):
        return f"stage 3, cosine: {_differs(got, right, warmup)} {_HALF_A_COSINE}"
    for epochs in (1, 5, 25):
        right = learning_rates(lambda optimizer, n=epochs: short_schedule(optimizer, n), epochs, peak)
        try:
            got = [float(answer(epoch, epochs, peak)) for epoch in range(epochs)]
        except Exception as error:
            return f"stage 4, {epochs} epochs: {describe(error)}. Hint: w = max(1, epochs // 10)."
        if not _close(got, right):
            return f"stage 4, {epochs} epochs: {_differs(got, right, 0)} Hint: w = max(1, epochs // 10)."
    return "all stages passed"


def _step(
    network,
    images,
    labels,
    optimizer,
    *,
    training=True,
    compared="feature",
    smoothing=0.1,
    only=None,
    clean=True,
) -> tuple[float, float]:
    """A training step, right or with a known mistake."""
    network.train(training)
    if clean:
        optimizer.zero_grad()
    output = network(images)
    losses = identity_loss(output.logits, labels, smoothing), triplet_loss(getattr(output, compared), labels)
    (sum(losses) if only is None else losses[only]).backward()
    optimizer.step()
    return tuple(loss.item() for loss in losses)


_HALF_A_COSINE = (
    "Hint: let t go from 0 at epoch w to 1 at the end; (1 + cos(π t)) / 2 then falls from 1 to 0. Stretch it, so that "
    "it falls from the peak to peak / 100."
)


class _ValuesAndIndicesError(Exception):
    """What torch's max over an axis returns: values and indices."""


class _Calls(TorchFunctionMode):
    """Notes which of torch's functions are called."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = set()

    def __torch_function__(self, func, types, args=(), kwargs=None):
        self.seen.add(func)
        return func(*args, **(kwargs or {}))


def _cosine(peak: float, t: float, floor: float = 0.01) -> float:
    return peak * (floor + (1 - floor) * (1 + math.cos(math.pi * t)) / 2)


def _differs(got: list[float], right: list[float], first: int) -> str:
    epoch = next(i for i in range(first, len(right)) if not _close(got[i], right[i]))
    return f"epoch {epoch}: expected {right[epoch]:.6f}, got {got[epoch]:.6f}."


def _known(wrong: dict[Tensor, str], got: Tensor, expected: Tensor, hint: str) -> str:
    said = [words for value, words in wrong.items() if _close(got, value)]
    return said[0] if said else f"expected {expected:.4f}, got {got:.4f}. Hint: {hint}"


def _close(got, expected) -> bool:
    got, expected = (torch.as_tensor(x, dtype=torch.float64).detach() for x in (got, expected))
    return got.shape == expected.shape and torch.allclose(got, expected, rtol=1e-5, atol=1e-9)
