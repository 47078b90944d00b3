"""The network: equal to the released one, the right number of parameters, any backbone and size, clear errors."""

import numpy as np
import pytest
import torch
from helpers.devices import DEVICES
from helpers.released_weights import GOLDEN, draw, fill

from rga.device.precision import autocast, matmul_precision
from rga.models import RGA, STAGES, RelationScore, create_model, released_state_dict
from rga.training.checkpoint import load_model, save
from rga.training.losses import identity_loss, triplet_loss

GOLDEN_NETWORKS = {"rgas": "rga_s", "rgac": "rga_c", "rgasc": "rga_sc"}


@pytest.fixture(scope="module")
def golden():
    return np.load(GOLDEN / "network.npz")


def golden_network(name):
    model = create_model("resnet50", GOLDEN_NETWORKS[name], num_pids=5, size=(192, 96)).double()
    return fill(model), draw(f"{name}/x", (8, 3, 192, 96))


@DEVICES
@pytest.mark.parametrize("name", GOLDEN_NETWORKS)
def test_equals_the_released_network(name, golden, device):
    model, images = golden_network(name)
    with torch.no_grad():
        output = model.eval().to(device)(images.to(device, memory_format=torch.channels_last))
    for ours, released in ((output.feature, "feat_pre_bn"), (output.embedding, "feat_post_bn")):
        np.testing.assert_allclose(ours.cpu().numpy(), golden[f"{name}/{released}"], rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", GOLDEN_NETWORKS)
def test_has_the_released_names_and_shapes(name, golden):
    model = create_model("resnet50", GOLDEN_NETWORKS[name], num_pids=5, size=(192, 96))
    ours = {f"{k} {tuple(v.shape)}" for k, v in released_state_dict(model).items()}
    assert ours == set(golden[f"{name}/keys"].tolist())


@DEVICES
def test_trains_like_the_released_network(golden, device):
    model, images = golden_network("rgasc")
    model, images = model.train().to(device), images.to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=8e-5, weight_decay=5e-4)
    labels, trajectory = torch.from_numpy(golden["rgasc/y"]).to(device), []
    for _ in range(5):
        output = model(images)
        losses = identity_loss(output.logits, labels), triplet_loss(output.feature, labels)
        optimizer.zero_grad()
        sum(losses).backward()
        optimizer.step()
        trajectory.append([loss.item() for loss in losses])
    np.testing.assert_allclose(trajectory, golden["rgasc/trajectory_ce_triplet"], rtol=1e-6)


@pytest.mark.gpu
@pytest.mark.parametrize(
    ("options", "tolerance"),
    [
        ({}, 1e-5),
        ({"memory_format": torch.channels_last}, 1e-5),
        ({"compile": True}, 1e-5),
        ({"precision": "tf32"}, 2e-3),
        ({"precision": "bf16"}, 2e-2),
        ({"precision": "fp16"}, 3e-3),
        ({"precision": "bf16", "compile": True, "memory_format": torch.channels_last}, 2e-2),
    ],
    ids=str,
)
def test_the_embedding_on_a_gpu_is_that_of_float64_within(options, tolerance):
    """Relative error of the whole ResNet-50 with RGA-SC, in evaluation mode."""
    model, images = golden_network("rgasc")
    precision = options.get("precision", "fp32")
    with torch.no_grad():
        exact = model.eval()(images).embedding
        network = model.float().to("cuda")
        called = torch.compile(network) if options.get("compile") else network
        with matmul_precision(precision), autocast(torch.device("cuda"), precision):
            ours = called(
                images.to("cuda", torch.float32, memory_format=options.get("memory_format"))
            ).embedding
    error = (ours.double().cpu() - exact).norm() / exact.norm()
    assert error < tolerance


@pytest.mark.parametrize("backbone", STAGES)
@pytest.mark.parametrize("size", [(64, 32), (70, 45)])
def test_every_backbone_and_size(backbone, size):
    torch.manual_seed(0)
    model = create_model(backbone, "rga_sc", num_pids=3, size=size, init_gates="identity")
    plain = create_model(backbone, "none", num_pids=3, size=size)
    output = model(torch.randn(2, 3, *size))
    assert output.logits.shape == (2, 3)
    assert output.feature.shape == output.embedding.shape == plain(torch.randn(2, 3, *size)).feature.shape
    output.logits.sum().backward()
    assert [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None] == []


@pytest.mark.parametrize("backbone", ["resnet18", "resnet50", "mobilenet_v2"])
def test_last_stride_is_one(backbone):
    model = create_model(backbone, "rga_s", num_pids=2, size=(128, 64))
    nodes = [m.num_nodes for m in model.modules() if hasattr(m, "num_nodes")]
    assert nodes == [32 * 16, 16 * 8, 8 * 4, 8 * 4]


def test_identity_gates_leave_the_plain_network():
    torch.manual_seed(0)
    plain = create_model("resnet18", "none", num_pids=3, size=(64, 32)).eval()
    gated = create_model("resnet18", "rga_sc", num_pids=3, size=(64, 32), init_gates="identity").eval()
    missing = gated.load_state_dict(plain.state_dict(), strict=False)
    assert missing.unexpected_keys == []  # every ImageNet name of a ResNet is kept
    x = torch.randn(2, 3, 64, 32)
    torch.testing.assert_close(gated(x), plain(x), rtol=0, atol=0)


def test_the_neck_has_no_trained_bias_and_the_classifier_none():
    model = create_model("resnet18", "none", num_pids=3, size=(64, 32))
    assert not model.neck.bias.requires_grad
    assert model.classifier.bias is None


def test_unknown_names_list_the_choices():
    with pytest.raises(ValueError, match="unknown attention 'rga': choose one of none, rga_s, rga_c, rga_sc"):
        create_model("resnet18", "rga", num_pids=2)
    with pytest.raises(
        ValueError, match="unknown backbone 'resnet12': choose one of resnet18, .*mobilenet_v2"
    ):
        create_model("resnet12", "none", num_pids=2)


@pytest.mark.parametrize("shape", [(3, 128, 64), (3, 32, 16), (1, 64, 32), (4, 64, 32)])
def test_wrong_image_size_says_what_to_do(shape):
    model = create_model("resnet18", "none", num_pids=2, size=(64, 32))
    got = ", ".join(map(str, (2, *shape)))
    with pytest.raises(ValueError, match=rf"images \(B, 3, 64, 32\), got \({got}\): resize the images"):
        model(torch.randn(2, *shape))


def test_model_keeps_its_configuration():
    model = create_model("resnet18", "rga_s", num_pids=2, size=(64, 32))
    assert model.config["attention"] == "rga_s"
    assert model.config["weights"] == "random initialisation (no pretraining)"


def test_attention_after_some_stages_only(tmp_path):
    options = {"num_pids": 3, "size": (64, 32), "stages": (3, 2), "reduction": 4}
    model = create_model("resnet18", "rga_sc", **options)
    behind = {name.split(".")[1] for name, module in model.named_modules() if isinstance(module, RGA)}
    assert behind == {"layer2", "layer3"}
    assert {module.reduction for module in model.modules() if isinstance(module, RelationScore)} == {4}
    save(tmp_path / "x.pt", model)
    torch.testing.assert_close(load_model(tmp_path / "x.pt").state_dict(), model.state_dict(), rtol=0, atol=0)
    with pytest.raises(ValueError, match="stages are some of 1, 2, 3 and 4"):
        create_model("resnet18", **options | {"stages": (0, 1)})
    with pytest.raises(ValueError, match="'snl' has no bottleneck: leave reduction out"):
        create_model("resnet18", "snl", **options)
