"""Relations tile by tile: the numbers of the plain form, nothing of N x K stored, and the kernels equal to the loop."""

import copy
import importlib.util
import os
import subprocess
import sys
from unittest import mock

import pytest
import torch
from helpers.devices import DEVICES
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from rga.models import RGA, RelationScore, create_model
from rga.models.tiled_relations import TILE, relation_statistics, tiled_hidden
from rga.training.losses import batch_hard, identity_loss


def tiled(network):
    network = copy.deepcopy(network)
    for module in network.modules():
        if isinstance(module, RelationScore):
            module.tiled = True
    return network


def results(module, x, training):
    """Output, gradients and running statistics of one pass forward and backward."""
    x = x.clone().requires_grad_()
    y = module.train(training)(x)
    (y * torch.linspace(-1, 1, y.numel(), device=y.device).view_as(y)).sum().backward()
    gradients = {name: parameter.grad for name, parameter in module.named_parameters()}
    return {"y": y.detach(), "x": x.grad} | gradients | dict(module.named_buffers())


def worst(mine, theirs):
    return max((mine[k] - t).abs().max().item() / max(1, t.abs().max().item()) for k, t in theirs.items())


# Channels, height, width for which positions are tiled, or channels; with any embedding.
TILED = st.tuples(st.just(4), st.integers(9, 10), st.integers(8, 10))
TILED |= st.tuples(st.integers(72, 80), st.just(2), st.just(2))


@pytest.mark.parametrize(
    "options",
    [{}, {"feature": False}, {"embedding": "symmetric"}, {"embedding": "none"}, {"order": "parallel"}],
    ids=str,
)
@settings(max_examples=10, deadline=None)
@given(shape=TILED, training=st.booleans())
def test_equals_the_plain_form(options, shape, training):
    channels, height, width = shape
    torch.manual_seed(channels * 100 + height * 10 + width)
    plain = RGA(channels, (height, width), **options).double()
    for parameter in plain.parameters():
        nn.init.normal_(parameter, std=0.5)
    x = torch.randn(3, channels, height, width, dtype=torch.float64)
    with mock.patch("rga.models.rga.tiled_hidden", wraps=tiled_hidden) as used:
        assert worst(results(tiled(plain), x, training), results(plain, x, training)) < 1e-9
    used.assert_called()


@DEVICES
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
def test_is_as_near_to_float64_as_the_plain_form(dtype, device):
    torch.manual_seed(0)
    plain = RGA(64, (32, 16)).to(device)  # more nodes than one tile
    assert 32 * 16 > TILE
    x = torch.randn(8, 64, 32, 16, device=device)
    exact = results(copy.deepcopy(plain).double(), x.double(), True)
    with torch.autocast(device, dtype, enabled=dtype != torch.float32):
        mine, theirs = results(tiled(plain), x, True), results(plain, x, True)
    for name, value in exact.items():
        if value.is_floating_point() and value.norm() > 0.1:  # what is nearly 0 is rounding in both
            errors = [((form[name].double() - value).norm() / value.norm()).item() for form in (mine, theirs)]
            assert errors[0] < 2 * errors[1] + torch.finfo(dtype).eps, name


def test_statistics_are_those_of_the_product():
    torch.manual_seed(0)
    u, v = (
        torch.rand(4, 50, 6) + 100,
        torch.randn(4, 6, 9),
    )  # far from 0, where E[x²] - E[x]² would lose all digits
    v[..., 0] = 0
    product = (u.double() @ v.double()).flatten(0, 1)
    mean, variance = relation_statistics(u, v)
    torch.testing.assert_close(mean.double(), product.mean(0), rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(variance.double(), product.var(0, correction=0), rtol=1e-4, atol=1e-6)


def test_nothing_of_the_size_of_the_relations_is_stored():
    def saved(module):
        sizes = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t: sizes.append(t.numel()) or t, lambda t: t):
            module.score(torch.randn(3, 16, 32, 16))
        return sizes

    plain = RGA(16, (32, 16), channel=False).spatial  # N = 512, K = 64: N K numbers an image
    assert max(saved(plain)) == 3 * 512 * 64
    assert max(saved(tiled(plain))) == 64 * 512  # half the weights of the relations


def test_five_steps_give_the_same_losses():
    def losses(network):
        torch.manual_seed(0)
        adam = torch.optim.Adam([p for p in network.parameters() if p.requires_grad], 1e-3)
        labels, made = torch.arange(8) // 2, []
        for _ in range(5):
            output = network(torch.randn(8, 3, 64, 32, dtype=torch.float64))
            loss = identity_loss(output.logits, labels) + batch_hard(output.feature, labels)
            adam.zero_grad()
            loss.backward()
            adam.step()
            made.append(loss.item())
        return made

    torch.manual_seed(1)
    plain = create_model("resnet18", "rga_sc", num_pids=4, size=(64, 32)).double().train()
    mine = tiled(plain)
    assert mine.state_dict().keys() == plain.state_dict().keys()
    assert losses(mine) == pytest.approx(losses(plain), rel=1e-6)


@pytest.mark.parametrize("why", ["BatchNorm over several processes", "nothing to save"])
def test_takes_the_plain_form(why, monkeypatch):
    score = RelationScore(128, 8) if why.startswith("Batch") else RelationScore(128, 800)
    if why.startswith("Batch"):
        score.relate_norm = nn.SyncBatchNorm.convert_sync_batchnorm(score.relate_norm)
    monkeypatch.setattr("rga.models.rga.tiled_hidden", None)
    score.tiled = True
    assert score.eval()(torch.randn(2, score.node_dim, 16, 8)).shape == (2, 1, 16, 8)


KERNELS = """
import torch
from rga.models import tiled_relations, tiled_relations_triton

torch.manual_seed(0)
for b, n, p, k, h in ((2, 130, 40, 70, 9), (1, 64, 8, 8, 1)):
    for dtype in (torch.float32, torch.float16):  # Triton's interpreter does not multiply bfloat16
        u, v, w = (0.3 * torch.randn(*shape) for shape in ((b, n, p), (b, p, k), (k, h)))
        shift, grad = torch.randn(k), torch.randn(b, n, h).to(dtype)
        given = *(x.to(dtype) for x in (u, v, w)), shift
        leaves = [x.clone().requires_grad_() for x in given]
        expected = tiled_relations._Tiled.apply(*leaves)
        expected.backward(grad)
        mine = [tiled_relations_triton.forward(*given), *tiled_relations_triton.backward(*given, grad)]
        gram = tiled_relations_triton.gram(given[0])
        torch.testing.assert_close(gram, tiled_relations._Gram.apply(given[0]), rtol=1e-4, atol=1e-4)
        tolerance = {"rtol": 1e-4, "atol": 1e-4} if dtype == torch.float32 else {"rtol": 0.02, "atol": 0.05}
        for found, wanted in zip(mine, [expected.detach(), *(leaf.grad for leaf in leaves)], strict=True):
            torch.testing.assert_close(found, wanted, **tolerance)
print("equal")
"""


@pytest.mark.skipif(not importlib.util.find_spec("triton"), reason="PyTorch brings Triton on Linux only")
def test_the_kernels_equal_the_loop():
    variables = os.environ | {"TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", KERNELS]
    done = subprocess.run(
        command, capture_output=True, text=True, env=variables | {"PYTHONPATH": os.pathsep.join(sys.path)}
    )
    assert done.stdout == "equal\n", done.stderr
