"""A network moved to another input size: the same size changes nothing, other sizes give the gates they should."""

import copy

import pytest
import torch
import torch.nn.functional as F
import torchvision

from rga.models import CBAM, FC, RGA, ChannelRGA, SpatialRGA, attach, create_model, resize
from rga.training import checkpoint

SIZES = [((8, 4), (16, 8)), ((8, 4), (5, 3)), ((6, 5), (9, 4)), ((4, 4), (4, 8))]


def resample(x, size):
    return F.interpolate(x, size=size, mode="bilinear", antialias=True)


def trained(module, *shape):
    """Random weights and the running statistics of random inputs, smooth as feature maps are."""
    torch.manual_seed(0)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    for norm in module.modules():
        if isinstance(norm, torch.nn.BatchNorm2d | torch.nn.BatchNorm1d):
            torch.nn.init.ones_(norm.weight)
            norm.momentum = None  # the mean over all batches
    with torch.no_grad():
        for _ in range(5):
            module.train()(smooth(16, *shape).to(next(module.parameters())))
    return module.eval()


def smooth(batch, channels, height, width):
    return resample(torch.randn(batch, channels, 3, 3), (height, width))


def network(attention="rga_sc", size=(64, 32), **options):
    torch.manual_seed(0)
    return create_model("resnet18", attention, num_pids=3, size=size, **options).eval()


def test_the_same_size_is_the_same_network():
    model = network()
    same = resize(model, (64, 32))
    assert same is not model
    torch.testing.assert_close(same.state_dict(), model.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize("options", [{}, {"order": "parallel"}, {"embedding": "none"}, {"relations": False}])
@pytest.mark.parametrize(("old", "new"), SIZES)
def test_maps_without_detail_keep_their_gates(options, old, new):
    module = trained(RGA(16, old, **options).double(), 16, *old)
    flat = torch.randn(2, 16, 1, 1, dtype=torch.float64)
    there = resize(module, new)(flat.expand(-1, -1, *new))
    torch.testing.assert_close(there, module(flat.expand(-1, -1, *old))[..., :1, :1].expand_as(there))


@pytest.mark.parametrize(("old", "new"), SIZES)
def test_channel_gates_are_those_of_the_map_on_the_old_grid(old, new):
    module = trained(ChannelRGA(16, old).double(), 16, *old)
    x = torch.randn(2, 16, *new, dtype=torch.float64)
    torch.testing.assert_close(resize(module, new).attention(x), module.attention(resample(x, old)))


class OldGrid(torch.nn.Module):
    """An RGA-SC that makes its gates on the grid of its training and enlarges them: what a moved one should come to."""

    def __init__(self, rga):
        super().__init__()
        self.rga = rga

    def forward(self, x):
        low = resample(x, self.rga.spatial.size)
        gates = self.rga.spatial.attention(low)
        return self.rga.channel.attention(gates * low) * resample(gates, x.shape[2:]) * x


def shuffle_positions(network):
    for module in network.modules():
        if isinstance(module, SpatialRGA):
            weight = module.score.relate.weight
            weight.data = weight.data[:, torch.randperm(weight.shape[1])]
    return network


@torch.no_grad()
@pytest.mark.parametrize(("old", "new"), [((16, 8), (32, 16)), ((16, 8), (8, 4)), ((16, 8), (20, 12))])
def test_position_gates_are_close_to_those_of_the_old_grid(old, new):
    module = trained(SpatialRGA(16, old), 16, *old)
    x = smooth(32, 16, *new)
    expected = resample(module.attention(resample(x, old)), new)
    moved, garbage = (r.attention(x) for r in (resize(module, new), shuffle_positions(resize(module, new))))
    assert (moved - expected).abs().mean() < 0.5 * (garbage - expected).abs().mean()


@torch.no_grad()
def test_features_at_twice_the_size_are_those_of_gates_of_the_old_grid():
    model = trained(network(size=(128, 64)), 3, 128, 64)
    images = smooth(8, 3, 256, 128)
    moved = resize(model, (256, 128))
    unscaled, expected = copy.deepcopy(moved), copy.deepcopy(moved)
    for name, module in model.named_modules():
        if isinstance(module, RGA):
            expected.set_submodule(name, OldGrid(module))
            rga = unscaled.get_submodule(name)
            rga.spatial.score.relate.weight *= 4  # the sum over four times the positions
            rga.channel.score.embed.weight *= 4
    features = [made(images).feature for made in (moved, unscaled, expected)]
    likeness = [F.cosine_similarity(feature, features[-1]).mean() for feature in features]
    # Random layers make rough maps; in a trained network the first is 0.9999.
    assert likeness[0] > 0.9
    assert likeness[1] < 0.7


@pytest.mark.parametrize("attention", ["rga_sc", "rga_c_no_relation", "rga_sc_no_embedding", "se", "none"])
def test_checkpoints_of_a_moved_network(attention, tmp_path):
    model = resize(resize(network(attention), (96, 64)), (128, 64))
    assert (model.config["size"], model.config["trained_size"], model.size) == (
        [128, 64],
        [64, 32],
        (128, 64),
    )
    checkpoint.save(tmp_path / "moved.pt", model)
    loaded = checkpoint.load_model(tmp_path / "moved.pt")
    assert loaded.config == model.config
    torch.testing.assert_close(loaded.state_dict(), model.state_dict(), rtol=0, atol=0)
    checkpoint.restore(tmp_path / "moved.pt", loaded)
    with pytest.raises(ValueError, match="checkpoint of another network.*trained_size"):
        checkpoint.restore(tmp_path / "moved.pt", network(attention, (128, 64)))


def test_the_first_network_stays_and_the_second_learns():
    model = network().train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    moved = resize(model, (128, 64))
    assert moved.training
    moved(torch.randn(2, 3, 128, 64)).logits.sum().backward()
    assert [n for n, p in moved.named_parameters() if p.requires_grad and p.grad is None] == []
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)
    assert model.size == (64, 32) and model.config["trained_size"] is None
    assert all(p.grad is None for p in model.parameters())


def test_any_network_with_an_rga_in_it():
    backbone = torchvision.models.shufflenet_v2_x0_5(num_classes=3)
    attach(backbone, ["stage2", "stage3"], RGA, (96, 64))
    assert resize(backbone, (128, 128)).eval()(torch.randn(2, 3, 128, 128)).shape == (2, 3)


def test_clear_errors():
    with pytest.raises(ValueError, match="expected a network with RGA to resize, found none in this CBAM"):
        resize(CBAM(16, (8, 4)), (4, 4))
    for bound in (FC(16, (8, 4)), network("fc_s")):
        with pytest.raises(ValueError, match="FC-S has one output per position.*build it with the new size"):
            resize(bound, (64, 64))
    with pytest.raises(ValueError, match=r"built for images \(B, 3, 96, 32\)"):
        resize(network(), (96, 32))(torch.randn(2, 3, 64, 32))
    with pytest.raises(ValueError, match="32 nodes of 16 features, got 64.*rga.models.resize"):
        RGA(16, (8, 4))(torch.randn(2, 16, 8, 8))
