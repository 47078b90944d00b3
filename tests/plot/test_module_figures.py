"""Figures that explain the module: its diagram, R with a node lit, brackets to scale, a node's steps, toy boards."""

import numpy as np
import pytest
import torch
from helpers.figures import text_of

from rga import plot

R = np.arange(36.0).reshape(6, 6)
SIZE = (3, 2)


def images(figure):
    return [ax.images[0].get_array() for ax in figure.axes if ax.images]


def test_the_diagram_names_every_matrix_and_layer():
    figure = plot.module_diagram()
    words = text_of(figure)
    for word in (
        "D/8 × N",
        "N × N",
        "2N × N",
        "K × N",
        "(1 + K) × N",
        "embed",
        "relate",
        "hidden",
        "sigmoid",
    ):
        assert word in words
    stack = max(figure.axes[0].patches, key=lambda box: box.get_height())
    assert stack.get_height() == pytest.approx(2 * stack.get_width())


def test_the_matrix_stands_beside_its_stack_and_a_nodes_row_and_column_are_framed():
    figure = plot.relation_matrix(torch.from_numpy(R), 4)
    matrix, stack = images(figure)[:2]
    np.testing.assert_array_equal(matrix, R)
    np.testing.assert_array_equal(stack, np.concatenate([R.T, R]))
    frames = [(box.get_x(), box.get_y(), box.get_width(), box.get_height()) for box in figure.axes[0].patches]
    assert frames == [(3.5, -0.5, 1, 6), (-0.5, 3.5, 6, 1)]
    assert text_of(figure).count("35") >= 2  # the numbers of a small one are written into it
    assert "35" not in text_of(plot.relation_matrix(np.ones((24, 24)), 23)).split(" | ")


def test_no_matrix_and_no_node_are_refused():
    with pytest.raises(ValueError, match=r"expected relations \(N, N\)"):
        plot.relation_matrix(R[:2], 0)
    with pytest.raises(ValueError, match="they are 0 to 5"):
        plot.relation_matrix(R, 6)


def test_brackets_count_what_is_made_in_the_middle_and_what_it_costs():
    figure = plot.brackets(64, 32, 8, "stage 9")
    words = text_of(figure)
    assert "stage 9: N = 64, d = D/8 = 4, K = N/8 = 8" in words
    assert "64 × 64\n= 4 096 numbers\n0.0 million" in words and "8 × 4\n= 32 numbers" in words
    assert f"{(2048 * 32 * 2048 + 256 * 2048 * 2048) / 1e6:,.1f} million".replace(",", " ") in text_of(
        plot.brackets(2048, 256)
    )
    areas = [box.get_width() * box.get_height() for box in figure.axes[0].patches]
    assert max(areas) == pytest.approx(64 * 64 / 32 * min(areas))  # to scale
    with pytest.raises(ValueError, match="at least 1 of each"):
        plot.brackets(0, 8)


def test_the_steps_show_a_nodes_row_and_column_as_maps():
    figure = plot.steps(np.zeros(SIZE), R, torch.arange(4.0), torch.linspace(0, 1, 6), 3, SIZE, "a task")
    words = text_of(figure)
    assert "node 3\nat (1, 1)" in words and "here 0.60" in words and "a task" in words
    _, matrix, row, column, gates = images(figure)[:5]
    np.testing.assert_array_equal(matrix, R)
    np.testing.assert_array_equal(row, R[3].reshape(SIZE))
    np.testing.assert_array_equal(column, R[:, 3].reshape(SIZE))
    np.testing.assert_allclose(gates, np.linspace(0, 1, 6).reshape(SIZE), atol=1e-6)
    with pytest.raises(ValueError, match="not a node"):
        plot.steps(np.zeros(SIZE), R, np.ones(4), np.ones(6), 6, SIZE)


BOARD = np.array([0, 1, 2, 0, 1, 2]), np.array([1, 0, 0, 1, 0, 0])


def test_toy_boards_stand_in_a_row_a_task_with_the_gates_of_each_method():
    gates = {"RGA-S": {0: np.zeros(6), 9: BOARD[1]}, "non-local": {0: np.ones(6), 9: np.zeros(6)}}
    figure = plot.toy_gates({"one": (*BOARD, gates), "two": (*BOARD, gates)}, SIZE)
    words = text_of(figure)
    assert "one" in words and "RGA-S\n0" in words and "\n9" in words and "to open" in words
    assert len(images(figure)) == 2 * (2 + 2 * 2)
    np.testing.assert_array_equal(images(figure)[3], BOARD[1].reshape(SIZE))


def test_boards_of_other_steps_are_refused():
    for other in ({}, {"RGA-S": {1: np.zeros(6)}}):
        boards = {"one": (*BOARD, {"RGA-S": {0: np.zeros(6)}}), "two": (*BOARD, other)}
        with pytest.raises(ValueError, match="the same methods and steps"):
            plot.toy_gates(boards, SIZE)
    with pytest.raises(ValueError, match="got none"):
        plot.toy_gates({}, SIZE)
