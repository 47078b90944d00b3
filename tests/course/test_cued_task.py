"""The cued task: every attention stands in the same network, no position sees mark and digit, gates are scored."""

from dataclasses import replace

import pytest
import torch

from rga.course.cued_task import GRID, Settings, create_network, score, score_gate, spatial_gate, train
from rga.data.cued_digits import BOARD, MARK, SIZE, draw
from rga.models import ATTENTION

FEW = Settings(steps=2, batch_size=4)


def pictures(count=4):
    return draw("colour", count, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("attention", ATTENTION)
def test_every_attention_stands_in_it_and_starts_as_the_identity(attention):
    torch.manual_seed(0)
    network = create_network(attention).eval()
    features = network[0](pictures().images)
    torch.testing.assert_close(network[1](features), features)
    assert network(pictures().images).shape == (4, 10)


def test_no_position_sees_the_mark_and_a_digit():
    """The pixels that one position behind the last convolution depends on."""
    network = create_network().eval()
    images = torch.zeros(1, 3, *SIZE, requires_grad=True)
    features = network[:4](images)
    for row in range(features.shape[2]):
        (gradient,) = torch.autograd.grad(features[0, :, row, 0].sum(), images, retain_graph=True)
        rows = gradient[0].abs().sum((0, 2)).nonzero()
        if len(rows):
            assert not (rows.min() < MARK and rows.max() >= BOARD)


def test_a_seed_trains_the_same_network():
    first, again = (train("colour", "rga_s", 0, FEW).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_the_multiple_moves_the_gate_only():
    slow, fast = (train("colour", "se", 0, replace(FEW, steps=1, gate_multiple=by)) for by in (1, 5))
    assert torch.equal(slow[0][0].weight, fast[0][0].weight)
    assert not torch.equal(slow[1].excite.bias, fast[1].excite.bias)


@pytest.mark.parametrize("attention", ["rga_s", "rga_sc", "cbam", "fc_s"])
def test_spatial_gates(attention):
    gate = spatial_gate(create_network(attention), pictures().images)
    torch.testing.assert_close(gate, torch.ones(4, *GRID))


@pytest.mark.parametrize("attention", ["none", "se", "non_local", "rga_c"])
def test_where_there_is_no_spatial_gate_there_is_none_to_score(attention):
    assert spatial_gate(create_network(attention), pictures().images) is None


def test_a_gate_that_is_open_everywhere_scores_by_chance_and_the_mask_scores_best():
    batch = pictures(100)
    share, auc, lift = score_gate(torch.ones(100, *GRID), batch)
    assert share == pytest.approx(1 / 3, abs=0.02) and (auc, lift) == pytest.approx((0.5, 1))
    masks = torch.nn.functional.avg_pool2d(batch.masks[:, None].float(), 2)[:, 0]
    share, auc, lift = score_gate(masks, batch)
    assert share > 0.9 and auc == 1 and lift > 5


def test_the_score_of_a_network_is_always_the_same():
    network = train("place", "rga_s", 0, FEW)
    assert score(network, "place", count=20) == score(network, "place", count=20)


def test_an_unknown_attention_is_refused():
    with pytest.raises(ValueError, match="choose one of"):
        create_network("rga")
