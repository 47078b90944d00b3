"""Exercises of notebook 02: the node of a position, the weights that meet a row, the low-cost form."""

from collections.abc import Callable
from functools import partial
from itertools import product

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from rga.course.errors import describe

Node = Callable[[int, int, int, int], int]
RowHalf = Callable[[Tensor], Tensor]
LowCost = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


def node(row: int, column: int, height: int, width: int) -> int:
    """The number of the node at a position of a grid, counted row by row from 0."""
    return row * width + column


def row_half(weight: Tensor) -> Tensor:
    """(K, 2N, 1) -> (K, N): of the relation embedding's weights those that meet r(i, j), node i's row."""
    return weight[:, : weight.shape[1] // 2, 0]


def low_cost(theta: Tensor, phi: Tensor, w_row: Tensor, w_column: Tensor) -> Tensor:
    """(B, d, N), (B, d, N), (K, N), (K, N) -> (B, K, N): w_row R^T + w_column R for R = theta^T phi, without R."""
    return (w_row @ phi.mT) @ theta + (w_column @ theta.mT) @ phi


def check_node(answer: Node) -> str:
    """Try `answer` in place of `node`."""
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


def check_row_half(answer: RowHalf) -> str:
    """Try `answer` in place of `row_half`."""
    weight = torch.arange(24, dtype=torch.float64).view(2, 12, 1) + 1  # K = 2, N = 6
    expected = row_half(weight)
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


def check_low_cost(answer: LowCost) -> str:
    """Try `answer` in place of `low_cost`."""
    generator = torch.Generator().manual_seed(0)
    b, d, k, n = 2, 2, 3, 64
    sizes = (b, d, n), (b, d, n), (k, n), (k, n)
    theta, phi, w_row, w_column = (
        torch.randn(size, generator=generator, dtype=torch.float64) for size in sizes
    )
    given = theta, phi, w_row, w_column
    row, column = (low_cost(theta, phi, *w) for w in ((w_row, 0 * w_column), (0 * w_row, w_column)))
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
    if close(got, low_cost(theta, phi, w_column, w_row)):
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
