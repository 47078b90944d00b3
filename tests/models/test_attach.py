"""Attention behind named stages of any network."""

import pytest
import torch
import torchvision

from rga.models import RGA, attach


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
    with pytest.raises(ValueError, match="stage 'fc' does not put out one .B, C, H, W. feature map"):
        attach(network(), ["fc"], Recorder, (64, 64))
