"""Checkers of notebook 02: they pass the solutions, and meet each known mistake with its own hint."""

import pytest
import torch

from rga.course.exercises import Layers, check_logits, check_low_cost, check_node, check_row_half
from rga.models import RelationScore


def node(row, column, height, width):
    return row * width + column


def row_half(weight):
    return weight[:, : weight.shape[1] // 2, 0]


def low_cost(theta, phi, w_row, w_column):
    return (w_row @ phi.mT) @ theta + (w_column @ theta.mT) @ phi


def logits(layers, x, **steps):
    """Right, but for the steps that are given."""
    do = RIGHT | steps
    theta, phi, psi = do["embed"](layers, x)
    r = do["relations"](theta, phi)
    related = do["relate"](layers, do["stack"](r))
    y = do["y"](do["unary"](psi), related)
    return do["end"](layers, do["hidden"](layers, y))


RIGHT = {
    "embed": lambda m, x: m.embed_norm(m.embed(x)).relu().chunk(3, dim=1),
    "relations": lambda theta, phi: theta.mT @ phi,
    "stack": lambda r: torch.cat([r.mT, r], dim=1),
    "relate": lambda m, stacked: m.relate_norm(m.relate(stacked)).relu(),
    "unary": lambda psi: psi.mean(1, keepdim=True),
    "y": lambda unary, relation: torch.cat([unary, relation], dim=1),
    "hidden": lambda m, y: m.hidden_norm(m.hidden(y)).relu(),
    "end": lambda m, hidden: m.logit_norm(m.logit(hidden)),
}


@pytest.mark.parametrize(
    ("check", "solution"),
    [(check_node, node), (check_row_half, row_half), (check_logits, logits), (check_low_cost, low_cost)],
)
def test_the_solutions_pass(check, solution):
    assert check(solution) == "all stages passed"


def test_the_solutions_are_what_the_module_computes():
    torch.manual_seed(0)
    score, x = RelationScore(64, 16).double(), torch.randn(2, 16, 8, 8, dtype=torch.float64)
    theta, phi, _ = score.embeddings(x)
    w_row, w_column = row_half(score.relate.weight), score.relate.weight[:, 64:, 0]
    stacked = torch.cat([score.relations(x).mT, score.relations(x)], dim=1)
    torch.testing.assert_close(low_cost(theta, phi, w_row, w_column), score.relate(stacked))


def test_the_layers_hold_the_modules_weights():
    layers, score = Layers(64, 16), RelationScore(64, 16)
    assert layers.load_state_dict(score.state_dict())
    assert [name for name, _ in layers.named_parameters()] == [name for name, _ in score.named_parameters()]


def wrong(**steps):
    return lambda layers, x: logits(layers, x, **steps)


LOGITS = {
    "stage 1, nodes: before any layer, RuntimeError": lambda layers, x: crash(),
    "stage 1, nodes: expected (B, D, N), here (3, 16, 24); layers.embed was given": lambda m, x: m.embed(
        x[0]
    ),
    "stage 2, relations: layers.relate was never called": lambda m, x: m.embed_norm(m.embed(x)),
    "stage 2, relations: after embed_norm, RuntimeError": wrong(relations=lambda t, p: t @ p),
    "axis 1: torch.cat([…], dim=1)": wrong(stack=lambda r: torch.cat([r.mT, r])),
    "row and column are swapped": wrong(stack=lambda r: torch.cat([r, r.mT], dim=1)),
    "not phi.mT @ theta": wrong(relations=lambda t, p: p.mT @ t),
    "R twice": wrong(stack=lambda r: torch.cat([r, r], dim=1)),
    "stage 2, relations: the relu is missing": wrong(embed=lambda m, x: m.embed_norm(m.embed(x)).chunk(3, 1)),
    "stage 2, relations: the BatchNorm is missing": wrong(embed=lambda m, x: m.embed(x).relu().chunk(3, 1)),
    "a softmax too many": wrong(relations=lambda t, p: (t.mT @ p).softmax(-1)),
    "divided by the root of d": wrong(relations=lambda t, p: t.mT @ p / 8**0.5),
    "stage 2, relations: other numbers": wrong(relations=lambda t, p: t.mT @ t),
    "psi has D/8 numbers a node": wrong(unary=lambda psi: psi),
    "kept with keepdim=True": wrong(unary=lambda psi: psi.mean(1)),
    "the unary term is missing": wrong(y=lambda unary, relation: relation),
    "the order is turned": wrong(y=lambda unary, relation: torch.cat([relation, unary], dim=1)),
    "the sum of psi": wrong(unary=lambda psi: psi.sum(1, keepdim=True)),
    "stage 3, y: the relu is missing": wrong(relate=lambda m, s: m.relate_norm(m.relate(s))),
    "stage 3, y: the BatchNorm is missing": wrong(relate=lambda m, s: m.relate(s).relu()),
    "stage 4, hidden: the relu is missing": wrong(hidden=lambda m, y: m.hidden_norm(m.hidden(y))),
    "stage 4, hidden: the BatchNorm is missing": wrong(hidden=lambda m, y: m.hidden(y).relu()),
    "these are gates": wrong(end=lambda m, h: m.logit_norm(m.logit(h)).sigmoid()),
    "stage 5, logits: the BatchNorm is missing": wrong(end=lambda m, h: m.logit(h)),
    "a relu too many": wrong(end=lambda m, h: m.logit_norm(m.logit(h)).relu()),
    "stage 5, logits: expected (B, 1, N), here (3, 1, 24); it returned (3, 24)": (
        lambda m, x: logits(m, x).squeeze(1)
    ),
    "stage 6, gradients": lambda m, x: logits(m, x).detach(),
    "stage 7, another size: expected (1, 1, 16), got (1, 16)": lambda m, x: (
        logits(m, x) if len(x) > 1 else logits(m, x)[0]
    ),
    "stage 7, another size: RuntimeError": wrong(stack=lambda r: torch.cat([r.mT, r], 1).view(3, 48, 24)),
    "it returned None": lambda m, x: None,
}


@pytest.mark.parametrize("hint", LOGITS)
def test_logits_hints(hint):
    said = check_logits(LOGITS[hint])
    assert hint in said and "Hint:" in said


def test_an_empty_answer_is_told_what_is_asked_and_random_numbers_stay():
    def my_logits(layers, x):
        layers.embed(x)
        raise NotImplementedError

    torch.manual_seed(5)
    assert check_logits(my_logits).startswith("not written yet: my_logits(layers, x)")
    check_logits(logits)
    after = torch.rand(1)
    torch.manual_seed(5)
    assert after == torch.rand(1)


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


def test_python_brackets_from_the_left():
    assert check_low_cost(lambda t, p, row, column: row @ p.mT @ t + column @ t.mT @ p) == "all stages passed"
    assert "stage 6, cost" in check_low_cost(lambda t, p, row, column: row @ (p.mT @ t) + column @ (t.mT @ p))


def test_the_order_of_an_einsum_does_not_hide_the_matrix():
    def answer(theta, phi, w_row, w_column):
        r = torch.einsum("bdi,bdj->bij", theta, phi)
        return torch.einsum("kj,bij->bki", w_row, r) + torch.einsum("kj,bji->bki", w_column, r)

    assert "stage 6, cost" in check_low_cost(answer)
