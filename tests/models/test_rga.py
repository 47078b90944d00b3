"""The RGA module: equal to the released code's numbers, to the literal N x N form, and to its own derivative."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from literal_rga import LiteralRGA
from released_weights import GOLDEN, draw, fill

from rga.models import RGA, ChannelRGA, RelationScore, SpatialRGA, released_state_dict
from rga.models.released import released_names

VARIANTS = {"s": {"channel": False}, "c": {"spatial": False}, "sc": {}}
GOLDEN_CASES = [(v, c, h, w) for v in VARIANTS for c, h, w in ((64, 8, 8), (96, 16, 8))]


def released_gradients(module):
    """Gradients of the parameters under released names (theta, phi and psi apart)."""
    names, gradients = released_names(module), {}
    for ours, parameter in module.named_parameters():
        parts = parameter.grad.view(*parameter.shape, *[1] * (parameter.ndim == 3)).chunk(len(names[ours]))
        gradients.update(zip(names[ours], parts, strict=True))
    return gradients


@pytest.mark.parametrize(("variant", "channels", "height", "width"), GOLDEN_CASES)
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_equals_the_released_module(variant, channels, height, width, memory_format, device):
    golden, tag = np.load(GOLDEN / "rga_module.npz"), f"{variant}_{channels}x{height}x{width}"
    module = fill(RGA(channels, (height, width), **VARIANTS[variant]).double())
    x, g = (draw(f"{tag}/{k}", (2, channels, height, width)).to(memory_format=memory_format) for k in "xg")

    def equal(name, ours):
        np.testing.assert_allclose(
            ours.detach().numpy(), golden[f"{tag}/{name}"], rtol=0, atol=1e-9, err_msg=name
        )

    for mode in ("eval", "train"):
        module.train(mode == "train").zero_grad()
        leaf = x.clone().requires_grad_()
        y = module(leaf)
        y.backward(g)
        equal(f"y_{mode}", y)
        equal(f"gx_{mode}", leaf.grad)
    gradients, state = released_gradients(module), released_state_dict(module)
    stored = [k.removeprefix(f"{tag}/") for k in golden.files if k.startswith(f"{tag}/")]
    assert {k.removeprefix("grad/") for k in stored if k.startswith("grad/")} == set(gradients)
    for name, gradient in gradients.items():
        equal(f"grad/{name}", gradient)
    after = [k.removeprefix("after/") for k in stored if k.startswith("after/")]
    assert len(after) == 2 * len([k for k in state if k.endswith("running_var")])
    for name in after:
        equal(f"after/{name}", state[name])


@pytest.mark.parametrize("variant", VARIANTS)
@settings(max_examples=15, deadline=None)
@given(
    channels=st.integers(1, 40),
    height=st.integers(1, 7),
    width=st.integers(2, 6),
    training=st.booleans(),
    reduction=st.sampled_from([2, 8]),
)
def test_equals_the_literal_form(variant, channels, height, width, training, reduction):
    torch.manual_seed(channels * 100 + height * 10 + width)
    module = RGA(channels, (height, width), reduction=reduction, **VARIANTS[variant]).double().train(training)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    x = torch.randn(3, channels, height, width, dtype=torch.float64, requires_grad=True)
    running = {k: v.clone() for k, v in module.state_dict().items()}
    results = []
    for form in (module, LiteralRGA(module)):
        module.load_state_dict(running)
        module.zero_grad()
        x.grad = None
        y = form(x)
        (y * torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y)).sum().backward()
        buffers = [b.clone() for k, b in module.named_buffers() if "num_batches" not in k]
        results.append([y.detach(), x.grad, *(p.grad for p in module.parameters()), *buffers])
    for mine, theirs in zip(*results, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("variant", VARIANTS)
def test_gradcheck(variant):
    torch.manual_seed(0)
    module = RGA(8, (2, 4), **VARIANTS[variant], reduction=2).double().eval()
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.7)
    x = torch.randn(2, 8, 2, 4, dtype=torch.float64, requires_grad=True)
    parameters = tuple(module.parameters())
    assert torch.autograd.gradcheck(lambda x, *_: module(x), (x, *parameters))


def test_relations_are_theta_times_phi_and_not_symmetric():
    module = fill(RGA(16, (4, 2)).double().eval())
    x = draw("relations", (3, 16, 4, 2))
    theta, phi, _ = module.spatial.score.embeddings(x)
    relations = module.spatial.relations(x)
    assert relations.shape == (3, 8, 8)
    assert relations[1, 2, 5].item() == pytest.approx((theta[1, :, 2] @ phi[1, :, 5]).item(), rel=1e-12)
    assert not torch.allclose(relations, relations.mT)
    assert module.channel.relations(module.spatial(x)).shape == (3, 16, 16)


@pytest.mark.parametrize("branch", [SpatialRGA, ChannelRGA])
def test_identity_gates_start_as_the_identity_and_learn(branch):
    torch.manual_seed(0)
    module = branch(16, (8, 4), init_gates="identity")
    x = torch.randn(4, 16, 8, 4)
    y = module(x)
    torch.testing.assert_close(y, x, rtol=0, atol=0)
    y.square().sum().backward()
    assert module.score.logit_norm.weight.grad.abs().item() > 0


class LargestTensor(torch.utils._python_dispatch.TorchDispatchMode):
    """Remembers the number of elements of the largest tensor made inside the context."""

    numel = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        tensors = [t for t in torch.utils._pytree.tree_leaves(out) if isinstance(t, torch.Tensor)]
        self.numel = max(self.numel, *(t.numel() for t in tensors), 0)
        return out


def test_never_forms_the_relation_matrix():
    nodes, images = 1024, 2
    module = RGA(8, (32, 32), channel=False)
    largest = []
    for form in (module, LiteralRGA(module)):
        with LargestTensor() as watch:
            form(torch.randn(images, 8, 32, 32)).sum().backward()
        largest.append(watch.numel)
    assert largest[1] >= images * nodes**2  # the watch does see the matrix of the literal form
    assert largest[0] < images * nodes**2 / 4


def test_bf16_autocast_stays_close():
    torch.manual_seed(0)
    module, x = RGA(64, (16, 8)).eval(), torch.randn(2, 64, 16, 8)
    with torch.autocast("cpu", torch.bfloat16):
        half = module(x)
    torch.testing.assert_close(half.float(), module(x), rtol=0.05, atol=0.05)


def test_wrong_feature_map_says_what_to_do():
    with pytest.raises(
        ValueError, match="built for 32 nodes of 16 features, got 64 nodes of 16.*build it with"
    ):
        RGA(16, (8, 4))(torch.randn(2, 16, 8, 8))


def test_wrong_arguments():
    with pytest.raises(ValueError, match="spatial=True, channel=True or both"):
        RGA(16, (8, 4), spatial=False, channel=False)
    with pytest.raises(ValueError, match="'released' or 'identity', got 'open'"):
        RGA(16, (8, 4), init_gates="open")


def test_tiny_maps_have_at_least_one_of_everything():
    score = RelationScore(num_nodes=2, node_dim=3)
    assert score(torch.randn(4, 3, 2, 1)).shape == (4, 1, 2, 1)
