"""Attention behind named stages of any network."""

import copy

import pytest
import torch
import torchvision

from rga.models import RGA, attach
from rga.models.attaching import attached


def network():
    torch.manual_seed(0)
    return torchvision.models.shufflenet_v2_x0_5(num_classes=3).eval()


def test_measures_the_stages_and_leaves_the_network_as_it_was():
    plain, attended = network(), network()
    before = {k: v.clone() for k, v in attended.state_dict().items()}
    attach(
        attended.train(), ["stage2", "stage3"], lambda *shape: RGA(*shape, init_gates="identity"), (96, 64)
    )
    assert attended.training
    torch.testing.assert_close({k: attended.state_dict()[k] for k in before}, before, rtol=0, atol=0)
    x = torch.randn(2, 3, 96, 64)
    torch.testing.assert_close(attended.eval()(x), plain(x), rtol=0, atol=0)
    assert sum(isinstance(m, RGA) for m in attended.modules()) == 2


class Recorder(torch.nn.Identity):
    def __init__(self, channels, size):
        super().__init__()
        self.channels, self.size = channels, size


def test_the_attention_is_told_the_shape_it_will_see():
    made = attach(network(), ["conv1", "stage4"], Recorder, (96, 64))
    assert (made.conv1[-1].channels, made.conv1[-1].size) == (24, (48, 32))
    assert (made.stage4[-1].channels, made.stage4[-1].size) == (192, (3, 2))


def test_a_stage_that_is_no_sequence_keeps_its_names():
    plain = torchvision.models.mobilenet_v2()
    names = list(plain.state_dict())
    made = attach(plain, ["features.3"], "rga_s", (64, 64))
    assert isinstance(made.features[3].attached, RGA)
    assert [name for name in made.state_dict() if ".attached." not in name] == names
    assert made(torch.randn(2, 3, 64, 64)).shape == (2, 1000)
    with pytest.raises(ValueError, match="'features.3' has an attention already"):
        attach(made, ["features.3"], "rga_s", (64, 64))


def test_an_attention_by_name_starts_as_the_identity():
    plain, x = network(), torch.randn(2, 3, 96, 64)
    for init_gates, same in {"identity": True, "released": False}.items():
        made = attach(network(), ["stage2", "stage3"], "rga_sc", (96, 64), init_gates=init_gates)
        assert torch.equal(made(x), plain(x)) == same
    with pytest.raises(ValueError, match="unknown attention 'rga': choose one of rga_s, rga_c"):
        attach(network(), ["stage2"], "rga", (96, 64))
    with pytest.raises(ValueError, match="choose one of rga_s"):
        attach(network(), ["stage2"], "none", (96, 64))


def test_images_of_other_channels():
    stem = torch.nn.Sequential(torch.nn.Conv2d(5, 16, 3, stride=2, padding=1))
    assert attach(stem, ["0"], Recorder, (32, 16), in_channels=5)[0].attached.size == (16, 8)


class OtherLayout(torch.nn.Module):
    """A patch embedding whose output is channels last, or tokens with some special ones before them."""

    def __init__(self, special=None):
        super().__init__()
        self.patches = torch.nn.Conv2d(3, 32, 8, stride=8)
        self.stage, self.special = torch.nn.LayerNorm(32), special

    def forward(self, x):
        x = self.patches(x)
        if self.special is None:
            return self.stage(x.permute(0, 2, 3, 1))
        tokens = x.flatten(2).mT
        return self.stage(torch.cat([tokens[:, :1].expand(-1, self.special, -1), tokens], dim=1))


@pytest.mark.parametrize("special", [None, 0, 1, 5])
@pytest.mark.parametrize("size", [(64, 64), (128, 64), (96, 160)])
def test_other_layouts(size, special):
    torch.manual_seed(0)
    plain = OtherLayout(special).eval()
    made = attach(copy.deepcopy(plain), ["stage"], "rga_sc", size, init_gates="released")
    layout = made.stage.attached.layout
    assert (layout.channels, layout.grid) == (32, (size[0] // 8, size[1] // 8))
    x = torch.randn(2, 3, *size)
    before, after = plain(x), made(x)
    assert after.shape == before.shape
    seen = layout.to_map(before)
    torch.testing.assert_close(layout.to_map(after), made.stage.attached.attention(seen))
    assert attached(made) == [made.stage.attached.attention]
    if special:
        torch.testing.assert_close(after[:, :special], before[:, :special], rtol=0, atol=0)


def test_copies_and_files_find_their_own_attention(tmp_path):
    made = attach(torchvision.models.mobilenet_v2(), ["features.3"], "rga_s", (64, 64), init_gates="released")
    copied, x = copy.deepcopy(made.eval()), torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(copied(x), made(x), rtol=0, atol=0)
        for parameter in made.features[3].attached.parameters():
            parameter.add_(1)
        assert not torch.equal(copied(x), made(x))
        copied.load_state_dict(made.state_dict())
        torch.testing.assert_close(copied(x), made(x), rtol=0, atol=0)


def test_wrong_stages():
    with pytest.raises(
        ValueError, match=r"unknown stage 'layer1': name submodules of the network, such as \['conv1'"
    ):
        attach(network(), ["layer1"], Recorder, (64, 64))
    with pytest.raises(ValueError, match=r"stage 'fc' does not output one feature map .* got shape \(1, 3\)"):
        attach(network(), ["fc"], Recorder, (64, 64))


@pytest.mark.parametrize(
    ("stages", "size", "message"),
    [
        ("layer1", (64, 32), r"a list of names, such as \['layer1'\]"),
        (["layer1"], 64, "size must be .* got 64"),
    ],
)
def test_one_name_and_one_number_are_no_lists(stages, size, message):
    with pytest.raises(ValueError, match=message):
        attach(torchvision.models.resnet18(), stages, "rga_sc", size)


def test_a_container_that_calls_its_children_is_refused():
    with pytest.raises(
        ValueError, match="'features.denseblock2' is a _DenseBlock, which calls its children itself"
    ):
        attach(torchvision.models.densenet121(), ["features.denseblock2"], "rga_s", (64, 64))


class Iterated(torch.nn.Module):
    """Calls the parts of a sequence one by one, and an auxiliary head in training only."""

    def __init__(self):
        super().__init__()
        self.body = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1), torch.nn.ReLU())
        self.head = torch.nn.Conv2d(4, 4, 1)

    def forward(self, x):
        for part in self.body:
            x = part(x)
        return self.head(x) if self.training else x


@pytest.mark.parametrize("stage", ["body", "head"])
def test_a_stage_that_is_not_called_is_refused(stage):
    with pytest.raises(ValueError, match=f"does not call stage '{stage}'"):
        attach(Iterated(), ["body.1", stage], Recorder, (8, 8))


def test_the_attention_is_where_and_as_its_stage():
    made = attach(Iterated().double().eval(), ["body.1"], RGA, (8, 8))
    assert not any(module.training for module in made.modules())
    assert {tensor.dtype for tensor in made.body[1].attached.parameters()} == {torch.float64}
    assert made(torch.randn(2, 3, 8, 8, dtype=torch.float64)).dtype == torch.float64
    frozen = Iterated().train()
    frozen.body[1].eval()
    attach(frozen, ["body.1"], RGA, (8, 8))
    assert frozen.training and not any(module.training for module in frozen.body[1].modules())
    with torch.device("meta"):
        network = Iterated()
    assert (
        attach(network, ["body.1"], lambda *_: torch.nn.BatchNorm2d(4), (8, 8))
        .body[1]
        .attached.weight.is_meta
    )


def test_what_was_attached_is_found_again_whatever_it_is():
    made = attach(network(), ["stage2", "stage4"], Recorder, (96, 64))
    assert attached(made) == [made.stage2[-1], made.stage4[-1]]
    assert len(attached(copy.deepcopy(made))) == 2
    assert attached(network()) == []
