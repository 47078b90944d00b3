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


def test_a_stage_that_is_no_sequence_is_wrapped():
    made = attach(torchvision.models.mobilenet_v2(), ["features.3"], Recorder, (64, 64))
    assert isinstance(made.features[3][1], Recorder)
    assert made(torch.randn(2, 3, 64, 64)).shape == (2, 1000)


def test_wrong_stages():
    with pytest.raises(
        ValueError, match=r"unknown stage 'layer1': name submodules of the network, such as \['conv1'"
    ):
        attach(network(), ["layer1"], Recorder, (64, 64))
    with pytest.raises(ValueError, match="stage 'fc' does not output one .B, C, H, W. feature map"):
        attach(network(), ["fc"], Recorder, (64, 64))


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
    assert {tensor.dtype for tensor in made.body[1].parameters()} == {torch.float64}
    assert made(torch.randn(2, 3, 8, 8, dtype=torch.float64)).dtype == torch.float64
    frozen = Iterated().train()
    frozen.body[1].eval()
    attach(frozen, ["body.1"], RGA, (8, 8))
    assert frozen.training and not any(module.training for module in frozen.body[1].modules())
    with torch.device("meta"):
        network = Iterated()
    assert attach(network, ["body.1"], lambda *_: torch.nn.BatchNorm2d(4), (8, 8)).body[1][1].weight.is_meta


def test_what_was_attached_is_found_again_whatever_it_is():
    made = attach(network(), ["stage2", "stage4"], Recorder, (96, 64))
    assert attached(made) == [made.stage2[-1], made.stage4[-1]]
    assert len(attached(copy.deepcopy(made))) == 2
    assert attached(network()) == []
