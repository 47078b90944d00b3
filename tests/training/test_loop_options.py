"""Options that make training cheaper: the same numbers within rounding."""

import shutil

import pytest
import torch
from helpers.small_network import SIZE, network
from torch import nn

import rga
from rga.models import ATTENTION, RGA, ReIDModel, attach
from rga.training.checkpoint import load_model

# Compiled in part, a network passes on tensors that are no leaves, at whose .grad the compiler looks.
pytestmark = pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")


def run(samples, model=None, **options):
    model = model or network()
    logs = list(rga.fit(model, samples, **{"epochs": 2, "p": 4, "k": 3, "lr": 3e-4} | options))
    return torch.tensor([(log.identity, log.triplet) for log in logs]), model


@pytest.mark.parametrize(
    ("options", "tolerance"),
    [
        ({"channels_last": False}, 1e-4),
        ({"fused": False}, 1e-4),
        ({"precision": "tf32"}, 1e-6),  # a CPU does not round
        ({"precision": "bf16"}, 3e-2),
        ({"precision": "fp16"}, 1e-2),
    ],
    ids=str,
)
def test_the_losses_are_equal_within(samples, options, tolerance):
    plain, _ = run(samples)
    losses, _ = run(samples, **options)
    torch.testing.assert_close(losses, plain, rtol=tolerance, atol=tolerance)


@pytest.mark.gpu
@pytest.mark.parametrize(
    ("options", "tolerance"),
    [
        ({}, 1e-3),
        ({"channels_last": False}, 1e-3),
        ({"precision": "tf32"}, 1e-2),
        ({"precision": "bf16"}, 5e-2),
        ({"precision": "fp16"}, 2e-2),
        ({"graphs": True}, 1e-3),
        ({"graphs": True, "precision": "bf16"}, 5e-2),
        ({"graphs": True, "precision": "fp16"}, 2e-2),
        ({"compile": True}, 1e-3),
        ({"compile": "attention"}, 1e-3),
        ({"compile": "attention", "graphs": True}, 1e-3),
        ({"compile": "attention", "graphs": True, "precision": "bf16"}, 5e-2),
    ],
    ids=str,
)
def test_on_a_gpu_the_losses_are_those_of_a_cpu_within(samples, options, tolerance):
    plain, _ = run(samples)
    losses, _ = run(samples, network().cuda(), **options)
    torch.testing.assert_close(losses, plain, rtol=tolerance, atol=tolerance)


@pytest.mark.gpu
@pytest.mark.parametrize("compile", [False, "attention"])
def test_graphs_leave_the_network_as_it_is(samples, tmp_path, compile):
    """Evaluated and saved between steps, and resumed without graphs, it is the network of a run without them."""

    options = {"epochs": 2, "p": 4, "k": 3, "lr": 3e-4, "save_every": 1}

    def trained(graphs, path):
        model, weights = network().cuda(), []
        for _ in rga.fit(model, samples, graphs=graphs, compile=graphs and compile, path=path, **options):
            rga.embed(model, samples[:2])
            weights.append({name: tensor.clone() for name, tensor in model.state_dict().items()})
        return model, weights

    model, weights = trained(True, tmp_path / "graphs.pt")
    _, expected = trained(False, tmp_path / "eager.pt")
    torch.testing.assert_close(weights, expected, rtol=1e-3, atol=1e-4)
    kept = load_model(tmp_path / "graphs.pt").cuda()
    x = torch.randn(2, 3, *SIZE, device="cuda")
    with torch.no_grad():
        torch.testing.assert_close(kept.eval()(x).embedding, model.eval()(x).embedding)
    more = options | {"epochs": 3, "path": tmp_path / "graphs.pt", "resume": True}
    assert [log.held for log in rga.fit(network().cuda(), samples, **more)] == [True, True, False]


def test_graphs_need_one_gpu(samples):
    with pytest.raises(
        ValueError,
        match="one process on a CUDA device, with accumulate=1 and compile=False or 'attention'; got 1 on cpu",
    ):
        run(samples, graphs=True)


def tiny():
    """A network that compiles in seconds: a convolution, RGA-SC, pooling."""
    torch.manual_seed(0)
    layers = nn.Conv2d(3, 16, 8, stride=8), RGA(16, (8, 4)), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    return ReIDModel(nn.Sequential(*layers), 16, 4, SIZE)


COMPILER = pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a C++ compiler on a CPU")


@COMPILER
def test_compiled(samples):
    plain, model = run(samples, tiny())
    losses, compiled = run(samples, tiny(), compile=True)
    torch.testing.assert_close(losses, plain, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(compiled.state_dict(), model.state_dict(), rtol=1e-3, atol=1e-4)


@COMPILER
def test_compiled_with_another_loss(samples):
    """Which is not compiled."""

    def loss(output, labels):
        return nn.functional.cross_entropy(output.logits, labels)

    plain, compiled = (
        [
            log.loss
            for log in rga.fit(tiny(), samples, epochs=2, p=4, k=3, lr=3e-4, loss=loss, compile=compile)
        ]
        for compile in (False, True)
    )
    assert compiled == pytest.approx(plain, rel=1e-4)


def stage(attention=True):
    """A network of one stage, with or without RGA-S behind it."""
    torch.manual_seed(0)
    layers = nn.Conv2d(3, 16, 8, stride=8), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    backbone = nn.Sequential(*layers)
    return ReIDModel(
        attach(backbone, ["0"], ATTENTION["rga_s"], SIZE) if attention else backbone, 16, 4, SIZE
    )


@COMPILER
def test_with_its_attention_compiled_it_is_the_same_run(samples, tmp_path):
    """Losses, gradients, weights and running statistics within rounding; a checkpoint goes on without it."""
    options = {"epochs": 6, "path": tmp_path / "run.pt"}
    losses, compiled = run(samples, stage(), compile="attention", **options)
    plain, model = run(samples, stage(), epochs=6)
    torch.testing.assert_close(losses, plain, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(compiled.state_dict(), model.state_dict(), rtol=1e-3, atol=1e-4)
    for name, weight in model.named_parameters():  # those of the last step
        if weight.requires_grad:
            theirs = compiled.get_parameter(name).grad
            torch.testing.assert_close(theirs, weight.grad, rtol=1e-2, atol=1e-4, msg=name)
    resumed, _ = run(samples, stage(), **options | {"epochs": 7, "resume": True})
    torch.testing.assert_close(resumed[:6], losses, rtol=0, atol=0)


def test_there_must_be_an_attention_to_compile(samples):
    with pytest.raises(
        ValueError, match="compile='attention' compiles what create_model .* has nothing there"
    ):
        run(samples, stage(attention=False), compile="attention")
    with pytest.raises(ValueError, match="compile must be True, False or 'attention', got 'attentions'"):
        run(samples, stage(), compile="attentions")


def test_every_image_is_seen_in_an_epoch(samples):
    losses, _ = run(samples, epochs=1, every_image=True, p=2)
    assert len(losses) == 4  # 4 people x 2 visits, two people a batch


def test_unknown_precision(samples):
    with pytest.raises(ValueError, match="unknown precision 'half': choose one of fp32, tf32, bf16, fp16"):
        run(samples, precision="half")


def test_the_settings_of_products_are_put_back(samples):
    torch.set_float32_matmul_precision("medium")
    try:
        run(samples, epochs=1, precision="tf32")
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")
