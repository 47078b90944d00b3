"""The RGA module: equal to the released code's numbers, to the literal N x N form, and to its own derivative."""

import numpy as np
import pytest
import torch
from helpers.devices import DEVICES
from helpers.released_weights import GOLDEN, draw, fill
from hypothesis import given, settings
from hypothesis import strategies as st

from rga.models import RGA, RelationScore, released_state_dict
from rga.models.literal_rga import LiteralRGA
from rga.models.released import released_names

RELEASED = {"s": {"channel": False}, "c": {"spatial": False}, "sc": {}}
VARIANTS = RELEASED | {
    "cs": {"order": "cs"},
    "parallel": {"order": "parallel"},
    "no_relation": {"relations": False},
    "no_feature": {"feature": False},
    "symmetric": {"embedding": "symmetric"},
    "no_embedding": {"embedding": "none"},
    "no_embedding_no_feature": {"embedding": "none", "feature": False},
}
GOLDEN_CASES = [(v, c, h, w) for v in RELEASED for c, h, w in ((64, 8, 8), (96, 16, 8))]


def released_gradients(module):
    """Gradients of the parameters under released names (theta, phi and psi apart)."""
    names, gradients = released_names(module), {}
    for ours, parameter in module.named_parameters():
        parts = parameter.grad.view(*parameter.shape, *[1] * (parameter.ndim == 3)).chunk(len(names[ours]))
        gradients.update(zip(names[ours], parts, strict=True))
    return gradients


@pytest.mark.parametrize(("variant", "channels", "height", "width"), GOLDEN_CASES)
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@DEVICES
def test_equals_the_released_module(variant, channels, height, width, memory_format, device):
    golden, tag = np.load(GOLDEN / "rga_module.npz"), f"{variant}_{channels}x{height}x{width}"
    module = fill(RGA(channels, (height, width), **RELEASED[variant]).double()).to(device)
    shape = 2, channels, height, width
    x, g = (draw(f"{tag}/{k}", shape).to(device, memory_format=memory_format) for k in "xg")

    def equal(name, ours):
        np.testing.assert_allclose(
            ours.detach().cpu().numpy(), golden[f"{tag}/{name}"], rtol=0, atol=1e-9, err_msg=name
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
    options = VARIANTS[variant]
    module = RGA(channels, (height, width), reduction=reduction, **options).double().train(training)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    literal = LiteralRGA(module, **{k: v for k, v in options.items() if k not in ("spatial", "channel")})
    x = torch.randn(3, channels, height, width, dtype=torch.float64, requires_grad=True)
    running = {k: v.clone() for k, v in module.state_dict().items()}
    results = []
    for form in (module, literal):
        module.load_state_dict(running)
        module.zero_grad()
        x.grad = None
        y = form(x)
        (y * torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y)).sum().backward()
        buffers = {k: b.clone() for k, b in module.named_buffers() if "num_batches" not in k}
        gradients = {k: p.grad for k, p in module.named_parameters()}
        results.append({"y": y.detach(), "x": x.grad} | gradients | buffers)
    mine, theirs = results
    assert all(values.isfinite().all() for values in mine.values())
    worst = max((mine[k] - t).abs().max().item() / max(1, t.abs().max().item()) for k, t in theirs.items())
    # In training, BatchNorm divides by deviations near 0 in some of these tiny batches, and so magnifies rounding.
    assert worst < (1e-10 if training else 1e-12)


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


def test_relations_of_the_variants():
    x = draw("variants", (2, 16, 4, 2))
    raw = RGA(16, (4, 2), embedding="none").double().eval()
    torch.testing.assert_close(raw.spatial.relations(x), x.flatten(2).mT @ x.flatten(2))
    torch.testing.assert_close(raw.channel.relations(x), x.flatten(2) @ x.flatten(2).mT)
    shared = RGA(16, (4, 2), embedding="symmetric").double().eval().spatial.relations(x)
    torch.testing.assert_close(shared, shared.mT)
    assert RGA(16, (4, 2), feature=False).double().spatial.relations(x).shape == (2, 8, 8)
    with pytest.raises(ValueError, match="built with relations=False: it has none to show"):
        RGA(16, (4, 2), relations=False).double().spatial.relations(x)


def test_one_order_is_not_the_other():
    torch.manual_seed(0)
    made = {order: RGA(16, (4, 2), order=order).eval() for order in ("sc", "cs", "parallel")}
    x = torch.randn(2, 16, 4, 2)
    for module in made.values():
        module.load_state_dict(made["sc"].state_dict())
    s, c = made["sc"].spatial, made["sc"].channel
    torch.testing.assert_close(made["sc"](x), c(s(x)))
    torch.testing.assert_close(made["cs"](x), s(c(x)))
    torch.testing.assert_close(made["parallel"](x), s.attention(x) * c.attention(x) * x)


class LargestTensor(torch.utils._python_dispatch.TorchDispatchMode):
    """Records the number of elements of the largest tensor made inside the context."""

    numel = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        tensors = [t for t in torch.utils._pytree.tree_leaves(out) if isinstance(t, torch.Tensor)]
        self.numel = max(self.numel, *(t.numel() for t in tensors), 0)
        return out


@pytest.mark.parametrize("embedding", ["asymmetric", "symmetric", "none"])
def test_never_forms_the_relation_matrix(embedding):
    nodes, images = 1024, 2
    module = RGA(8, (32, 32), channel=False, embedding=embedding)
    largest = []
    for form in (module, LiteralRGA(module, embedding=embedding)):
        with LargestTensor() as watch:
            form(torch.randn(images, 8, 32, 32)).sum().backward()
        largest.append(watch.numel)
    assert largest[1] >= images * nodes**2  # the watch does see the matrix of the literal form
    assert largest[0] < images * nodes**2 / 4


@pytest.mark.parametrize("nodes, size", [(64, (8, 8)), (16, (4, 4))])
def test_wrong_feature_map_says_what_to_do(nodes, size):
    with pytest.raises(
        ValueError, match=f"built for 32 nodes of 16 features, got {nodes} nodes of 16.*build it with"
    ):
        RGA(16, (8, 4))(torch.randn(2, 16, *size))


def test_wrong_arguments():
    with pytest.raises(ValueError, match="spatial=True, channel=True or both"):
        RGA(16, (8, 4), spatial=False, channel=False)
    with pytest.raises(ValueError, match="relations=True, feature=True or both"):
        RGA(16, (8, 4), relations=False, feature=False)
    with pytest.raises(
        ValueError, match="unknown embedding 'shared': choose one of asymmetric, symmetric, none"
    ):
        RGA(16, (8, 4), embedding="shared")
    with pytest.raises(ValueError, match="unknown order 'ss': choose one of sc, cs, parallel"):
        RGA(16, (8, 4), order="ss")
    with pytest.raises(ValueError, match="order='cs' needs spatial=True and channel=True"):
        RGA(16, (8, 4), order="cs", channel=False)


def test_tiny_maps_have_at_least_one_of_everything():
    score = RelationScore(num_nodes=2, node_dim=3)
    assert score(torch.randn(4, 3, 2, 1)).shape == (4, 1, 2, 1)
