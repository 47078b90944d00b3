"""Checkers of notebook 02: they pass the solutions, and meet each known mistake with its own hint."""

import pytest
import torch

from rga.course.exercises.rga_module import (
    check_low_cost,
    check_node,
    check_row_half,
    low_cost,
    node,
    row_half,
)
from rga.models import RelationScore


@pytest.mark.parametrize(
    ("check", "solution"), [(check_node, node), (check_row_half, row_half), (check_low_cost, low_cost)]
)
def test_the_solutions_pass(check, solution):
    assert check(solution) == "all stages passed"


def test_the_solutions_are_what_the_module_computes():
    torch.manual_seed(0)
    score, x = RelationScore(64, 16).double(), torch.randn(2, 16, 8, 8, dtype=torch.float64)
    theta, phi, _ = score.embeddings(x)
    w_row, w_column = row_half(score.relate.weight), score.relate.weight[:, 64:, 0]
    assert torch.equal(w_row, score.relate.weight[:, :64, 0])
    stacked = torch.cat([score.relations(x).mT, score.relations(x)], dim=1)
    torch.testing.assert_close(low_cost(theta, phi, w_row, w_column), score.relate(stacked))


def crash(*arguments):
    raise RuntimeError("not yet written")


NODE = {
    "stage 1, it runs": crash,
    "stage 2, the first": lambda row, column, height, width: row * width + column + 1,
    "stage 3, order": lambda row, column, height, width: column * height + row,
    "stage 4, row": lambda row, column, height, width: row * height + column,
    "stage 4, all nodes": lambda row, column, height, width: row + column,
    "stage 5, another grid: expected 127": lambda row, column, height, width: row * 3 + column,
    "of 16 × 8, IndexError": lambda row, column, height, width: [[0, 1, 2], [3, 4, 5]][row][column],
}


@pytest.mark.parametrize("hint", NODE)
def test_node_hints(hint):
    assert hint in check_node(NODE[hint])


ROW_HALF = {
    "stage 1, it runs": crash,
    "half of the outputs": lambda w: w[:1],
    "drop the kernel's axis": lambda w: w[:, :6],
    "stage 2, shape: expected (2, 6), got (2, 12)": lambda w: w[..., 0],
    "stage 3, halves": lambda w: w[:, ::2, 0],
    "this half meets the column": lambda w: w[:, 6:, 0],
    "neither half": lambda w: w[:, 3:9, 0],
}


@pytest.mark.parametrize("hint", ROW_HALF)
def test_row_half_hints(hint):
    assert hint in check_row_half(ROW_HALF[hint])


def literal(theta, phi, w_row, w_column):
    r = theta.mT @ phi
    return w_row @ r.mT + w_column @ r


LOW_COST = {
    "stage 1, it runs": lambda theta, phi, w_row, w_column: w_row @ theta,
    "got (2, 64, 3)": lambda *given: low_cost(*given).mT,
    "stage 2, shape: expected (2, 3, 64), got (3, 64)": lambda *given: low_cost(*given)[0],
    "the column, w_column R, is missing": lambda theta, phi, w_row, w_column: (w_row @ phi.mT) @ theta,
    "the row, w_row R^T, is missing": lambda theta, phi, w_row, w_column: (w_column @ theta.mT) @ phi,
    "stage 4, direction": lambda theta, phi, w_row, w_column: low_cost(theta, phi, w_column, w_row),
    "stage 5, values": lambda theta, phi, w_row, w_column: low_cost(theta, theta, w_row, w_column),
    "stage 6, cost": literal,
}


def test_float32_will_do():
    assert check_row_half(lambda w: row_half(w).float()) == "all stages passed"
    assert check_low_cost(lambda *given: low_cost(*(x.float() for x in given))) == "all stages passed"
    assert "stage 5, values" in check_low_cost(lambda *given: (2 * low_cost(*given)).float())


@pytest.mark.parametrize("hint", LOW_COST)
def test_low_cost_hints(hint):
    assert hint in check_low_cost(LOW_COST[hint])


def test_the_order_of_an_einsum_does_not_hide_the_matrix():
    def answer(theta, phi, w_row, w_column):
        r = torch.einsum("bdi,bdj->bij", theta, phi)
        return torch.einsum("kj,bij->bki", w_row, r) + torch.einsum("kj,bji->bki", w_column, r)

    assert "stage 6, cost" in check_low_cost(answer)
