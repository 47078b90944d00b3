"""Exercises of notebook 02: the node of a position, the weights that meet a row, RGA itself, and its low-cost form.

Solutions are in the notebook.
"""

from collections.abc import Callable
from functools import partial
from itertools import product

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from rga.course.errors import describe
from rga.course.exercises.verdict import checker
from rga.models import RelationScore

Node = Callable[[int, int, int, int], int]
RowHalf = Callable[[Tensor], Tensor]
Logits = Callable[[nn.Module, Tensor], Tensor]
LowCost = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


class Layers(nn.Module):
    """The layers of RGA's score of a node, to be called on (B, features, N); names as in `rga.models.RelationScore`."""

    def __init__(self, nodes: int, dim: int, reduction: int = 8) -> None:
        super().__init__()
        d, k = dim // reduction, nodes // reduction
        h = (1 + k) // reduction
        for name, inputs, outputs in (
            ("embed", dim, 3 * d),
            ("relate", 2 * nodes, k),
            ("hidden", 1 + k, h),
            ("logit", h, 1),
        ):
            self.add_module(name, nn.Conv1d(inputs, outputs, 1, bias=False))
            self.add_module(f"{name}_norm", nn.BatchNorm1d(outputs))


@checker(
    "my_node(row, column, height, width) returns the number of the node there, counted row by row from 0."
)
def check_node(answer: Node) -> str:
    """Try `answer`: row, column, height, width of the grid -> the number of the node."""
    height, width = 2, 3
    places = list(product(range(height), range(width)))
    try:
        got = [answer(row, column, height, width) for row, column in places]
    except Exception as error:
        return f"stage 1, it runs: {describe(error)}. Hint: four whole numbers go in, one comes out."
    if got[0] == 1:
        return "stage 2, the first: (0, 0) is node 0, got 1. Hint: rows, columns and nodes all count from 0."
    if got == [column * height + row for row, column in places]:
        return "stage 3, order: these count down the columns. Hint: (0, 1) is the next node after (0, 0)."
    if got == [row * height + column for row, column in places]:
        return (
            "stage 4, row: (1, 0) got 2, which is (0, 2). Hint: before it lies a whole row, as long as the grid is "
            "wide."
        )
    if got != list(range(height * width)):
        return f"stage 4, all nodes: expected 0 to 5 on a grid of 2 × 3, got {got}. Hint: count row by row."
    try:
        last = answer(15, 7, 16, 8)
    except Exception as error:
        return f"stage 5, another grid: of 16 × 8, {describe(error)}. Hint: compute, do not remember."
    if last != 127:
        return f"stage 5, another grid: expected 127 at (15, 7) of 16 × 8, got {last}. Hint: compute, do not remember."
    return "all stages passed"


@checker(
    "my_row_half(weight) takes the weights of relate, (K, 2N, 1), and returns those that meet r(i, j), (K, N)."
)
def check_row_half(answer: RowHalf) -> str:
    """Try `answer`: weights (K, 2N, 1) -> those (K, N) that meet node i's row of R."""
    weight = torch.arange(24, dtype=torch.float64).view(2, 12, 1) + 1  # K = 2, N = 6
    expected = weight[:, :6, 0]
    try:
        got = torch.as_tensor(answer(weight.clone())).to(weight)
    except Exception as error:
        return f"stage 1, it runs: {describe(error)}. Hint: weight[:, a:b, 0] are some of the input channels."
    if tuple(got.shape) in {(1, 12), (1, 12, 1)}:
        return "stage 2, shape: this is half of the outputs. Hint: the relations are the inputs, the second axis."
    if tuple(got.shape) == (2, 6, 1):
        return "stage 2, shape: expected (2, 6), got (2, 6, 1). Hint: drop the kernel's axis, which has length 1."
    if got.shape != expected.shape:
        return f"stage 2, shape: expected (2, 6), got {tuple(got.shape)}. Hint: K rows, one weight for each of N nodes."
    if torch.equal(got, weight[:, ::2, 0]) or torch.equal(got, weight[:, 1::2, 0]):
        return "stage 3, halves: every second weight. Hint: cat puts all of R^T before all of R; nothing alternates."
    if torch.equal(got, weight[:, 6:, 0]):
        return (
            "stage 4, which: this half meets the column, r(j, i). Hint: R^T stands first in the stack, and column i of "
            "R^T is row i of R."
        )
    if not torch.equal(got, expected):
        return "stage 4, which: neither half. Hint: N inputs side by side, as they are, none changed."
    return "all stages passed"


@checker(
    "my_logits(layers, x) takes node features x, (B, D, N), and returns one logit for each node, (B, 1, N), "
    "before the sigmoid."
)
@torch.random.fork_rng(devices=[])  # a notebook's own random numbers stay as they were
def check_logits(answer: Logits) -> str:
    """Try `answer`: `Layers`, x (B, D, N) -> logits (B, 1, N). It watches what enters each layer."""
    torch.manual_seed(0)
    b, n, dim, d, k = 3, 24, 16, 8, 12
    x = torch.randn(b, dim, n, dtype=torch.float64)
    layers = _filled(Layers(n, dim, reduction=2), x)
    steps, mistakes = _steps(layers, x)
    entered, failed = _watch(answer, layers, x)
    last = list(entered)[-1] if entered else None
    for stage, (name, (wanted, shape, hints)) in enumerate(STAGES.items(), start=1):
        expected = steps[name]
        if name not in entered:
            if failed is not None:
                where = f"after {last}" if last else "before any layer"
                return f"stage {stage}, {wanted}: {where}, {describe(failed)}. Hint: {hints['stopped']}"
            if name != "logits":
                return f"stage {stage}, {wanted}: layers.{name} was never called. Hint: {hints['stopped']}"
        got = entered[name]
        if got.shape != expected.shape:
            hint = hints.get(_shape_mistake(name, got, b, n, d, k), hints["shape"])
            where = "it returned" if name == "logits" else f"layers.{name} was given"
            return (
                f"stage {stage}, {wanted}: expected {shape}, here {tuple(expected.shape)}; {where} "
                f"{tuple(got.shape)}. Hint: {hint}"
            )
        if not _close(got, expected):
            same = [hint for value, hint in mistakes[name] if value.shape == got.shape and _close(got, value)]
            hint = [*same, f"other numbers than expected. Hint: {hints['values']}"][0]
            return f"stage {stage}, {wanted}: {hint}"
    return _as_in_the_package(answer, layers, x)


STAGES = {  # what enters a layer: what it is called, its shape, hints
    "embed": ("nodes", "(B, D, N)", {
        "stopped": "theta, phi and psi all come from layers.embed(x).",
        "shape": "x goes into layers.embed as it is.",
        "values": "x goes into layers.embed as it is.",
    }),
    "relate": ("relations", "(B, 2N, N)", {
        "stopped": "R is theta.mT @ phi, (B, N, N); stack R^T on R, then call layers.relate.",
        "batch": "since there is a batch, nodes are axis 1: torch.cat([…], dim=1). Rung 3 had none.",
        "shape": "theta.mT @ phi is (B, N, N); R^T on R, stacked along axis 1, is (B, 2N, N).",
        "values": "R = theta.mT @ phi, with theta, phi, psi = ….chunk(3, dim=1) in this order, R^T on top of R.",
    }),
    "hidden": ("y", "(B, 1 + K, N)", {
        "stopped": "y stacks two things along axis 1: the mean of psi, (B, 1, N), kept with keepdim=True, and the "
        "embedded relations, (B, K, N).",
        "mean": "psi has D/8 numbers a node, and only their mean enters: psi.mean(1, keepdim=True).",
        "unary": "the unary term is missing. A node shows itself, too: the mean of psi.",
        "shape": "the mean of psi, (B, 1, N), on the embedded relations, (B, K, N).",
        "values": "[mean of psi, relu(relate_norm(relate(stack)))], in this order.",
    }),
    "logit": ("hidden", "(B, (1 + K)/8, N)", {
        "stopped": "y goes through layers.hidden, layers.hidden_norm and relu.",
        "shape": "y goes through layers.hidden, layers.hidden_norm and relu.",
        "values": "y goes through layers.hidden, layers.hidden_norm and relu.",
    }),
    "logits": ("logits", "(B, 1, N)", {
        "stopped": "layers.logit, layers.logit_norm, and that is all.",
        "shape": "one number for each node, the axis of length 1 kept.",
        "values": "layers.logit, layers.logit_norm, and that is all.",
    }),
}  # fmt: skip


def _filled(layers: Layers, x: Tensor) -> Layers:
    """In evaluation mode, every BatchNorm with the statistics of x, and with weights and biases that matter."""
    for module in layers.double().train().modules():
        if isinstance(module, nn.BatchNorm1d):
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.normal_(std=0.3)
            module.momentum = 1.0
    _steps(layers, x)
    return layers.eval()


def _watch(answer: Logits, layers: Layers, x: Tensor) -> tuple[dict[str, Tensor], Exception | None]:
    """What entered each layer the last time it was called, and what came out in the end, "logits"; what went wrong."""
    entered: dict[str, Tensor] = {}

    def note(name: str) -> Callable:
        return lambda module, given: entered.update({name: given[0].detach().clone()})

    hooks = [layer.register_forward_pre_hook(note(name)) for name, layer in layers.named_children()]
    try:
        with torch.no_grad():
            returned = answer(layers, x.clone())
        return entered | {"logits": torch.as_tensor(returned)}, None
    except Exception as error:
        return entered, error
    finally:
        for hook in hooks:
            hook.remove()


@torch.no_grad()
def _steps(layers: Layers, x: Tensor) -> tuple[dict[str, Tensor], dict[str, list[tuple[Tensor, str]]]]:
    """What should enter each layer; and what enters after a known mistake, with its hint."""
    embedded = layers.embed_norm(layers.embed(x))
    theta, phi, psi = embedded.relu().chunk(3, dim=1)
    r = theta.mT @ phi
    stacked = torch.cat([r.mT, r], dim=1)
    related = layers.relate_norm(layers.relate(stacked))
    relation = related.relu()
    unary = psi.mean(1, keepdim=True)
    y = torch.cat([unary, relation], dim=1)
    hidden = layers.hidden_norm(layers.hidden(y))
    logit = layers.logit(hidden.relu())
    logits = layers.logit_norm(logit)

    def stack(t: Tensor, p: Tensor, change: Callable = lambda r: r) -> Tensor:
        r = change(t.mT @ p)
        return torch.cat([r.mT, r], dim=1)

    bare = layers.embed(x).chunk(3, dim=1)
    linear = embedded.chunk(3, dim=1)
    no_norm = "the BatchNorm is missing. Hint: "
    no_relu = "the relu is missing. Hint: "
    mistakes = {
        "embed": [],
        "relate": [
            (torch.cat([r, r.mT], dim=1), "row and column are swapped. Hint: R^T stands on top of R, for column i of "
            "R^T is row i of R; and R is theta.mT @ phi, not phi.mT @ theta."),
            (torch.cat([r, r], dim=1), "R twice. Hint: each node gets its row, R^T, and its column, R."),
            (torch.cat([r.mT, r.mT], dim=1), "R^T twice. Hint: each node gets its row, R^T, and its column, R."),
            (stack(*linear[:2]), no_relu + "embed, embed_norm, relu: relations are never negative."),
            (stack(bare[0].relu(), bare[1].relu()), no_norm + "embed, embed_norm, relu."),
            (stack(bare[0], bare[1]), no_norm + "embed, embed_norm, relu, all three."),
            (stack(theta, phi, lambda r: r.softmax(-1)), "a softmax too many. Hint: RGA has none; that is what "
            "ordinary attention does."),
            (stack(theta, phi, lambda r: r * theta.shape[1] ** -0.5), "divided by the root of d, as a transformer "
            "does. Hint: RGA does not scale; BatchNorm follows."),
        ],
        "hidden": [
            (torch.cat([relation, unary], dim=1), "the order is turned. Hint: the mean of psi first; the weights of "
            "hidden count on it."),
            (torch.cat([unary, related], dim=1), no_relu + "relate, relate_norm, relu."),
            (torch.cat([unary, layers.relate(stacked).relu()], dim=1), no_norm + "relate, relate_norm, relu."),
            (torch.cat([unary, layers.relate(stacked)], dim=1), no_norm + "relate, relate_norm, relu, all three."),
            (torch.cat([psi.sum(1, keepdim=True), relation], dim=1), "the sum of psi. Hint: its mean."),
            (torch.cat([linear[2].mean(1, keepdim=True), relation], dim=1), no_relu + "psi is embedded as theta and "
            "phi are, with a relu."),
            (torch.cat([theta.mean(1, keepdim=True), relation], dim=1), "the mean of theta. Hint: of psi."),
        ],
        "logit": [
            (hidden, no_relu + "hidden, hidden_norm, relu."),
            (layers.hidden(y).relu(), no_norm + "hidden, hidden_norm, relu."),
            (layers.hidden(y), no_norm + "hidden, hidden_norm, relu, all three."),
        ],
        "logits": [
            (logits.sigmoid(), "these are gates. Hint: the sigmoid comes after the logit; return what enters it."),
            (logits.relu(), "a relu too many. Hint: a gate below one half needs a negative logit."),
            (logit, no_norm + "logit, logit_norm."),
        ],
    }  # fmt: skip
    entering = {"embed": x, "relate": stacked, "hidden": y, "logit": hidden.relu(), "logits": logits}
    return entering, mistakes


def _shape_mistake(name: str, got: Tensor, b: int, n: int, d: int, k: int) -> str:
    known = {
        ("relate", (2 * b, n, n)): "batch",
        ("hidden", (b, d + k, n)): "mean",
        ("hidden", (b, k, n)): "unary",
    }
    return known.get((name, tuple(got.shape)), "shape")


def _as_in_the_package(answer: Logits, layers: Layers, x: Tensor) -> str:
    """The last stages: other sizes, and the package's module with the same weights, gradients and training mode too."""
    theirs = RelationScore(24, 16, reduction=2).double()
    theirs.load_state_dict(layers.state_dict())
    weights = torch.arange(x.shape[0] * 24, dtype=torch.float64).sin()
    for mode in (False, True):
        found = []
        for score, grid in ((lambda x: answer(layers, x), (24,)), (theirs, (6, 4))):
            leaf = x.clone().requires_grad_()
            layers.train(mode), theirs.train(mode)
            output = score(leaf.unflatten(2, grid)).flatten()
            if not output.requires_grad:
                return "stage 6, gradients: none flow back. Hint: no detach, no no_grad."
            found.append(torch.cat([output, *torch.autograd.grad(weights @ output, leaf)[0].flatten(1)]))
        if not torch.allclose(*found, rtol=0, atol=1e-10):
            mode = "training" if mode else "evaluation"
            return f"stage 6, in {mode} mode: other numbers or gradients than rga.models. Hint: call each layer once."
    try:
        x = torch.randn(1, 8, 16, dtype=torch.float64)
        shape = tuple(answer(Layers(16, 8, reduction=2).double(), x).shape)
    except Exception as error:
        return f"stage 7, another size: {describe(error)}. Hint: take sizes from the tensors, write none."
    if shape != (1, 1, 16):
        return f"stage 7, another size: expected (1, 1, 16), got {shape}. Hint: one image is a batch, too."
    return "all stages passed"


def _close(a: Tensor, b: Tensor) -> bool:
    return torch.allclose(a.to(b), b, rtol=0, atol=1e-9)


@checker(
    "my_low_cost(theta, phi, w_row, w_column) returns w_row R^T + w_column R, (B, K, N), and forms no N × N matrix."
)
def check_low_cost(answer: LowCost) -> str:
    """Try `answer`: theta, phi (B, d, N), w_row, w_column (K, N) -> w_row R^T + w_column R, (B, K, N), without R."""
    generator = torch.Generator().manual_seed(0)
    b, d, k, n = 2, 2, 3, 64
    sizes = (b, d, n), (b, d, n), (k, n), (k, n)
    theta, phi, w_row, w_column = (
        torch.randn(size, generator=generator, dtype=torch.float64) for size in sizes
    )
    given = theta, phi, w_row, w_column
    row, column = (_low_cost(theta, phi, *w) for w in ((w_row, 0 * w_column), (0 * w_row, w_column)))
    try:
        with FlopCounterMode(display=False) as counter:
            got = torch.as_tensor(answer(*(x.clone() for x in given))).to(theta)
    except Exception as error:
        return (
            f"stage 1, it runs: {describe(error)}. Hint: x.mT turns the last two axes; (K, N) @ (B, N, d) is "
            "(B, K, d)."
        )
    if tuple(got.shape) == (b, n, k):
        return "stage 2, shape: expected (2, 3, 64), got (2, 64, 3). Hint: nodes are the last axis."
    if tuple(got.shape) != (b, k, n):
        return f"stage 2, shape: expected (2, 3, 64), got {tuple(got.shape)}. Hint: K numbers for each of N nodes."
    close = partial(torch.allclose, atol=1e-4)  # for float32, too
    if close(got, row):
        return "stage 3, both halves: the column, w_column R, is missing. Hint: add the second product."
    if close(got, column):
        return "stage 3, both halves: the row, w_row R^T, is missing. Hint: add the second product."
    if close(got, _low_cost(theta, phi, w_column, w_row)):
        return "stage 4, direction: w_row met R and w_column R^T. Hint: R^T = phi^T theta, so w_row meets phi first."
    if not close(got, row + column):
        worst = (got - row - column).abs().max()
        return (
            f"stage 5, values: they differ from w_row R^T + w_column R by up to {worst:.2g}. Hint: write the literal "
            "form, check it, and only then move the brackets."
        )
    if counter.get_total_flops() >= 2 * b * d * n * n:  # what theta^T phi alone costs
        return (
            "stage 6, cost: right, but the N × N matrix was formed. Hint: a product may be done in any order; "
            "(w_row phi^T) theta has d numbers in the middle instead of N."
        )
    return "all stages passed"


def _low_cost(theta: Tensor, phi: Tensor, w_row: Tensor, w_column: Tensor) -> Tensor:
    return (w_row @ phi.mT) @ theta + (w_column @ theta.mT) @ phi
