"""create_model on networks of timm, convolutions and transformers: the same stages, checks, checkpoints, exports."""

import json

import pytest
import torch
from torch import nn

import rga
from rga.export import to_onnx, to_torch
from rga.models import CBAM, RGA, create_model, resize, stage_names
from rga.models.attaching import attached
from rga.models.backbones import check_backbone
from rga.models.map_layout import OnLayout
from rga.search import build_index, load_index
from rga.training import checkpoint

pytest.importorskip("timm")

SIZE = (64, 32)
BLOCKS = ("blocks.1", "blocks.4", "blocks.7", "blocks.10")
STAGES = {  # where the four stages end, by timm's own names
    "timm/resnet10t": ("layer1", "layer2", "layer3", "layer4"),
    "timm/convnext_atto": ("stages.0", "stages.1", "stages.2", "stages.3"),
    "timm/mobilenetv3_small_050": ("blocks.0", "blocks.1", "blocks.3", "blocks.5"),
    "timm/regnetx_002": ("s1", "s2", "s3", "s4"),
    "timm/tf_efficientnet_lite0": ("blocks.1", "blocks.2", "blocks.4", "blocks.6"),
    "timm/vit_tiny_patch16_224": BLOCKS,
    "timm/swin_tiny_patch4_window7_224": ("layers.0", "layers.1", "layers.2", "layers.3"),
}
FIXED = ("timm/vit_tiny_patch16_224", "timm/swin_tiny_patch4_window7_224")


def network(backbone, attention="rga_sc", seed=0, **options):
    torch.manual_seed(seed)
    return create_model(backbone, attention, **{"num_pids": 4, "size": SIZE} | options)


def images(batch=2, size=SIZE):
    return torch.randn(batch, 3, *size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("attention", ["rga_sc", "cbam"])
@pytest.mark.parametrize("backbone", STAGES)
def test_trains_saves_and_loads(backbone, attention, tmp_path):
    model = network(backbone, attention)
    assert stage_names(model) == tuple(f"backbone.{name}" for name in STAGES[backbone])
    assert len(attentions := attached(model)) == 4
    assert {type(module) for module in attentions} == {RGA if attention == "rga_sc" else CBAM}

    output = model.train()(images(4))
    features = model.neck.num_features
    assert [tuple(value.shape) for value in output] == [(4, features), (4, features), (4, 4)]
    (output.feature.square().sum() + output.logits.square().sum()).backward()
    weights = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    assert [name for name, w in weights.items() if w.grad is None or not w.grad.isfinite().all()] == []
    # The feature depends on every attention: none stands where the pooling does not look.
    assert all(any(weight.grad.any() for weight in module.parameters()) for module in attentions)

    model.eval()
    checkpoint.save(tmp_path / "x.pt", model)
    loaded = checkpoint.load_model(tmp_path / "x.pt")
    assert loaded.config == model.config and json.dumps(model.config)
    with torch.no_grad():
        expected = model(images())
        torch.testing.assert_close(loaded(images()), expected, rtol=0, atol=0)
        torch.testing.assert_close(
            model(images()[:1]).embedding, expected.embedding[:1], rtol=1e-3, atol=1e-3
        )
        with torch.autocast("cpu", torch.bfloat16):
            assert all(value.isfinite().all() for value in model(images()))


@pytest.mark.parametrize("backbone", STAGES)
def test_gates_that_start_as_the_identity_leave_the_plain_network(backbone):
    plain = network(backbone, "none").eval()
    gated = network(backbone, init_gates="identity").eval()
    assert (
        gated.load_state_dict(plain.state_dict(), strict=False).unexpected_keys == []
    )  # timm's names are kept
    with torch.no_grad():
        torch.testing.assert_close(gated(images()), plain(images()), rtol=0, atol=0)


@pytest.mark.parametrize("backbone", STAGES)
def test_one_epoch_of_training(backbone, samples):
    model = network(backbone, "rga_c", init_gates="identity")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    logs = list(rga.fit(model, samples, p=4, k=2, epochs=1))
    assert logs[-1].step == logs[-1].steps and logs[-1].loss > 0
    moved = [name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])]
    assert any("attached" in name or ".channel." in name for name in moved)
    assert any(name.startswith("backbone.") for name in moved)


@pytest.mark.parametrize("backbone", ["timm/resnet10t", "timm/convnext_atto", "timm/regnetx_002"])
def test_the_last_stride_is_one(backbone):
    model = network(backbone, "rga_s", size=(128, 64))
    nodes = [module.num_nodes for module in model.modules() if hasattr(module, "num_nodes")]
    assert nodes == [32 * 16, 16 * 8, 8 * 4, 8 * 4]


def test_exports(tmp_path):
    vit = network("timm/test_vit", stages=(2,)).eval()  # timm's own for tests: a ViT of six narrow blocks
    assert {module.layout.kind for module in vit.modules() if isinstance(module, OnLayout)} == {"tokens"}
    assert to_torch(vit, tmp_path / "x.pt2").difference < 1e-4
    pytest.importorskip("onnxruntime")
    assert to_onnx(vit, tmp_path / "x.onnx").difference < 1e-4


def test_searches(samples, tmp_path):
    model = network("timm/resnet10t").eval()
    index = build_index(model, samples[0].path.parent, tmp_path / "x.index")
    checkpoint.save(tmp_path / "x.pt", model)
    assert load_index(tmp_path / "x.index", checkpoint.load_model(tmp_path / "x.pt")).paths == index.paths


@pytest.mark.filterwarnings("ignore:.*searchsorted:UserWarning")  # of PyTorch, on how timm resamples
@pytest.mark.filterwarnings("ignore:Using a non-tuple sequence:UserWarning")
@pytest.mark.parametrize("backbone", ["timm/convnext_atto", *FIXED])
def test_moves_to_another_size(backbone, tmp_path):
    """And a checkpoint of the moved network loads; the same size changes nothing."""
    model = network(backbone, init_gates="released").eval()
    with torch.no_grad():
        torch.testing.assert_close(resize(model, SIZE)(images()), model(images()), rtol=0, atol=0)
        larger = (96, 64)
        moved = resize(model, larger)
        expected = moved(images(size=larger))
        assert model.size == SIZE and moved.size == larger
        checkpoint.save(tmp_path / "x.pt", moved)
        loaded = checkpoint.load_model(tmp_path / "x.pt")
        torch.testing.assert_close(loaded(images(size=larger)), expected, rtol=0, atol=0)
    layouts = [module.layout.grid for module in moved.modules() if isinstance(module, OnLayout)]
    if backbone == "timm/vit_tiny_patch16_224":
        assert layouts == [(6, 4)] * 4


def test_fine_tunes_from_a_checkpoint(tmp_path):
    source = network("timm/vit_tiny_patch16_224")
    checkpoint.save(tmp_path / "x.pt", source)
    model = network("timm/vit_tiny_patch16_224", seed=1, num_pids=7, weights=tmp_path / "x.pt")
    assert model.config["weights"].startswith("fine-tuned from x.pt")
    torch.testing.assert_close(model.backbone.state_dict(), source.backbone.state_dict(), rtol=0, atol=0)
    with pytest.raises(ValueError, match="backbone 'timm/vit_tiny_patch16_224' there, 'timm/resnet10t' here"):
        network("timm/resnet10t", weights=tmp_path / "x.pt")


def test_what_cannot_be_built_says_what_to_do():
    with pytest.raises(
        ValueError, match=r"vit_tiny_patch16_224 takes no attention .*images of 70 × 45: .*another size"
    ):
        network("timm/vit_tiny_patch16_224", size=(70, 45))
    with pytest.raises(
        ValueError, match="timm/densenet121 takes no attention .*DenseBlock.*another size or backbone"
    ):
        network("timm/densenet121")
    with pytest.raises(ValueError, match="timm names 3 levels of EfficientVitMsra.*attention='none'"):
        network("timm/efficientvit_m0")
    with pytest.raises(ValueError, match=r"cannot be moved to images of 70 × 45.*Choose another size"):
        resize(network("timm/vit_tiny_patch16_224"), (70, 45))


def test_names():
    for name in ("resnet18", "mobilenet_v2", "timm/resnet50", "timm/resnet50.a1_in1k"):
        check_backbone(name)
    for name in ("resnet12", 18, None, "timm"):
        with pytest.raises(
            ValueError, match=f"unknown backbone {name!r}: choose one of resnet18, .*or timm/NAME"
        ):
            check_backbone(name)


def test_the_stages_of_a_network_built_by_hand_are_unknown():
    by_hand = rga.models.ReIDModel(nn.Flatten(), 8, 2, SIZE)
    with pytest.raises(ValueError, match="got one built by hand, around a Flatten"):
        stage_names(by_hand)
