"""Helpers of notebook 02: what they capture is what the attention computes, what they measure can be counted."""

import pytest
import torch
from torch import nn

from rga.course import inside, measure
from rga.models import NonLocal, SpatialRGA, create_model


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return create_model("resnet18", "rga_sc", num_pids=2, size=(64, 32)).eval()


IMAGES = torch.randn(2, 3, 64, 32, generator=torch.Generator().manual_seed(0))


def test_settled_norms_give_the_statistics_of_these_images_and_keep_their_momentum():
    norm = nn.BatchNorm2d(3)
    settled = inside.settle(nn.Sequential(norm), IMAGES)
    assert not settled.training and norm.momentum == 0.1
    torch.testing.assert_close(norm.running_mean, IMAGES.mean((0, 2, 3)))


def test_a_wakened_attention_is_no_identity():
    x = torch.randn(2, 16, 8, 4, dtype=torch.float64)
    for build in (NonLocal, SpatialRGA):
        assert (inside.waken(build(16, (8, 4)), x)(x) - x).abs().max() > 0.1


@torch.no_grad()
def test_relations_gates_and_channels_are_the_attentions(network):
    x, layer = IMAGES, network.backbone
    x = layer.maxpool(layer.relu(layer.bn1(layer.conv1(x))))
    *blocks, attention = layer.layer1
    for block in blocks:
        x = block(x)
    r, grid = inside.relations(network, IMAGES, stage=1)
    assert grid == (16, 8)
    torch.testing.assert_close(r, attention.spatial.relations(x))
    gates = inside.gates(network, IMAGES)
    assert list(gates) == ["stage 1", "stage 2", "stage 3", "stage 4"]
    torch.testing.assert_close(gates["stage 1"], attention.spatial.attention(x))
    entering, gate = inside.channels(network, IMAGES, stage=1)
    torch.testing.assert_close(entering, attention.spatial(x))
    torch.testing.assert_close(gate, attention.channel.attention(entering).flatten(1))


def test_relations_of_a_non_local_block():
    network = create_model("resnet18", "non_local", num_pids=2, size=(64, 32))
    r, grid = inside.relations(network, IMAGES, stage=2)
    assert grid == (8, 4)
    torch.testing.assert_close(r.sum(-1), torch.ones(2, 32))


def test_what_a_product_costs():
    a, b = torch.randn(64, 128, requires_grad=True), torch.randn(128, 256, requires_grad=True)
    assert measure.multiply_adds(lambda: a @ b) == pytest.approx(64 * 128 * 256 / 1e9)
    assert measure.largest(lambda: (a @ b).sum()) == 64 * 256
    assert measure.kept(lambda: a @ b) == pytest.approx((64 * 128 + 128 * 256) * 4 / 2**20)
    threads = torch.get_num_threads()
    assert 0 < measure.seconds(lambda: a @ b) < 5 and torch.get_num_threads() == threads
