"""RGA behind stages of other people's networks: torchvision's and timm's, convolutions and transformers."""

import copy

import pytest
import torch
import torchvision
from torchvision.models.feature_extraction import create_feature_extractor

from rga.models import RGA, attach
from rga.models.attaching import attached

timm = pytest.importorskip("timm")
tv = torchvision.models

ATTENTIONS = ("rga_s", "rga_c", "rga_sc")
SMALL_VIT = {
    "image_size": 64,
    "patch_size": 16,
    "num_layers": 3,
    "num_heads": 4,
    "hidden_dim": 64,
    "mlp_dim": 128,
}
NETWORKS = {  # how it is built, its stages, the size of its images
    "resnet18": (tv.resnet18, ["layer2", "layer3"], (96, 64)),
    "mobilenet_v3_small": (tv.mobilenet_v3_small, ["features.3", "features.8"], (96, 64)),
    "shufflenet_v2_x0_5": (tv.shufflenet_v2_x0_5, ["stage2"], (96, 64)),
    "efficientnet_b0": (tv.efficientnet_b0, ["features.3"], (96, 64)),
    "convnext_tiny": (tv.convnext_tiny, ["features.1"], (96, 64)),
    "swin_t, channels last": (tv.swin_t, ["features.1", "features.3"], (96, 64)),
    "vit, tokens": (lambda: tv.VisionTransformer(**SMALL_VIT), ["encoder.layers.encoder_layer_1"], (64, 64)),
    "timm resnet10t": (lambda: timm.create_model("resnet10t"), ["layer2", "layer3"], (96, 64)),
    "timm convnext_atto": (lambda: timm.create_model("convnext_atto"), ["stages.1"], (96, 64)),
    "timm mobilenetv3": (lambda: timm.create_model("mobilenetv3_small_050"), ["blocks.2"], (96, 64)),
    "timm vit": (
        lambda: timm.create_model("vit_tiny_patch16_224", img_size=(96, 64), depth=3, reg_tokens=2),
        ["blocks.1"],
        (96, 64),
    ),
}


def build(name):
    make, stages, size = NETWORKS[name]
    torch.manual_seed(0)
    return make().eval(), stages, size


@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize("name", NETWORKS)
def test_trains_copies_saves_and_loads(name, attention):
    plain, stages, size = build(name)
    pretrained = plain.state_dict()
    # Other weights than the "pretrained" ones, and random gates
    network, *_ = build(name)
    attach(network, stages, attention, size, init_gates="released")
    assert len(attached(network)) == len(stages)

    # What belongs to the network still has its name, in whatever order one attaches and loads.
    missing, unexpected = network.load_state_dict(pretrained, strict=False)
    assert not unexpected and not set(missing) & set(pretrained)

    x = torch.randn(2, 3, *size)
    output = network.train()(x)
    assert output.shape == plain(x).shape
    output.square().sum().backward()
    for parameter_name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), parameter_name

    network.eval()
    with torch.no_grad():
        expected = network(x)
        assert network(x[:1]).shape == (1, *expected.shape[1:])
        copied = copy.deepcopy(network)
        torch.testing.assert_close(copied(x), expected)
        fresh, *_ = build(name)
        attach(fresh, stages, attention, size, init_gates="released").load_state_dict(network.state_dict())
        torch.testing.assert_close(fresh.eval()(x), expected)
        with torch.autocast("cpu", torch.bfloat16):
            assert network(x).isfinite().all()


@pytest.mark.parametrize("name", NETWORKS)
def test_starts_as_the_network_was(name):
    plain, stages, size = build(name)
    network = attach(copy.deepcopy(plain), stages, "rga_sc", size)
    x = torch.randn(2, 3, *size)
    with torch.no_grad():
        torch.testing.assert_close(network(x), plain(x), rtol=0, atol=0)


@pytest.mark.parametrize("name", NETWORKS)
def test_exports(name):
    network, stages, size = build(name)
    attach(network, stages, "rga_sc", size, init_gates="released")
    x = torch.randn(2, 3, *size)
    with torch.no_grad():
        program = torch.export.export(network, (x,), strict=False).module()
        torch.testing.assert_close(program(x), network(x), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "vit, tokens"])
def test_compiles(name):
    network, stages, size = build(name)
    attach(network, stages, "rga_sc", size, init_gates="released")
    x = torch.randn(2, 3, *size)
    with torch.no_grad():
        compiled = torch.compile(network, backend="aot_eager")
        torch.testing.assert_close(compiled(x), network(x), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small"])
def test_feature_extractors_of_torchvision(name):
    network, stages, size = build(name)
    attach(network, stages, "rga_sc", size, init_gates="released")
    extract = create_feature_extractor(network, stages, tracer_kwargs={"leaf_modules": [RGA]})
    seen, x = {}, torch.randn(1, 3, *size)
    for stage in stages:
        network.get_submodule(stage).register_forward_hook(
            lambda module, _, output, stage=stage: seen.__setitem__(stage, output)
        )
    with torch.no_grad():
        network(x)
        torch.testing.assert_close(extract(x), seen)
