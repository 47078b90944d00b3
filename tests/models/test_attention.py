"""Every attention of the table in the same slot: shape, gradients, precision, layout, export, size, reference form."""

import pytest
import torch
import torch.nn.functional as F
import torchvision

from rga.models import ATTENTION, CBAM, FC, SE, NonLocal, SimplifiedNonLocal, create_model
from rga.models.hooks import capture

NAMES = [name for name, attention in ATTENTION.items() if attention]
GATED = [name for name in NAMES if name not in ("non_local", "snl")]
CHANNELS, SIZE = 32, (8, 4)


def build(name, channels=CHANNELS, size=SIZE):
    """The attention with every parameter random (some start at 0), those of norms positive (few dead units)."""
    torch.manual_seed(0)
    module = ATTENTION[name](channels, size)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
        if parameter.ndim == 1:
            parameter.data.abs_()
    return module


def maps(batch=3):
    torch.manual_seed(1)
    return torch.randn(batch, CHANNELS, *SIZE)


@pytest.mark.parametrize("name", NAMES)
def test_keeps_the_shape_and_every_parameter_learns(name):
    # So large that RGA's hidden layer has several units: the scale of a single one is lost in the BatchNorm behind it.
    module, x = build(name, 128, (16, 8)), torch.randn(3, 128, 16, 8, requires_grad=True)
    y = module(x)
    assert y.shape == x.shape
    (y * torch.randn_like(y)).sum().backward()
    assert all(p.grad.isfinite().all() and p.grad.any() for p in [x, *module.parameters()])


@pytest.mark.parametrize("name", NAMES)
def test_sees_the_image_alone_when_not_training(name):
    module, x = build(name).eval(), maps()
    torch.testing.assert_close(module(x)[:1], module(x[:1]))


@pytest.mark.parametrize("name", NAMES)
def test_bf16_autocast_stays_close(name):
    module, x = build(name).eval(), maps()
    with torch.autocast("cpu", torch.bfloat16):
        half = module(x)
    torch.testing.assert_close(half.float(), module(x), rtol=0.1, atol=0.1)


@pytest.mark.parametrize("name", NAMES)
def test_channels_last_is_the_same(name):
    module, x = build(name), maps()
    y = module(x)
    module.to(memory_format=torch.channels_last)
    torch.testing.assert_close(module(x.to(memory_format=torch.channels_last)), y, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_exports_with_any_batch(name):
    module = build(name).eval()
    batch = {0: torch.export.Dim("batch")}
    exported = torch.export.export(module, (maps(),), dynamic_shapes=(batch,), strict=False).module()
    torch.testing.assert_close(exported(maps(5)), module(maps(5)))


@pytest.mark.parametrize("name", NAMES)
def test_can_start_as_the_identity(name):
    module = ATTENTION[name](CHANNELS, SIZE, init_gates="identity")
    torch.testing.assert_close(module(maps()), maps(), rtol=0, atol=0)
    (module(maps()) * maps()).sum().backward()
    assert any(p.grad.any() for p in module.parameters())


@pytest.mark.parametrize("name", GATED)
def test_gates_are_captured_and_multiply_the_input(name):
    module, x = build(name).eval(), maps()
    with capture(module, "*gate") as gates:
        y = module(x)
    assert len(gates) == 1 + (
        name in ("cbam", "fc_parallel") or name.startswith(("rga_sc", "rga_cs", "rga_p"))
    )
    for gate in gates.values():
        assert ((gate > 0) & (gate < 1)).all()
        # The gates of RGA-C come as (B, 1, C, 1).
        x = x * (gate.transpose(1, 2) if gate.shape[2:] == (CHANNELS, 1) else gate)
    torch.testing.assert_close(y, x)


@pytest.mark.parametrize("name", GATED)
def test_unknown_gates(name):
    with pytest.raises(ValueError, match="'released' or 'identity', got 'open'"):
        ATTENTION[name](CHANNELS, SIZE, init_gates="open")


@pytest.mark.parametrize("name", ["none", "non_local"])
def test_unknown_gates_where_there_are_none(name):
    with pytest.raises(ValueError, match="'released' or 'identity', got 'open'"):
        create_model("resnet18", name, num_pids=3, size=(64, 32), init_gates="open")


@pytest.mark.parametrize("name", NAMES)
def test_stands_behind_four_stages(name):
    model = create_model("resnet18", name, num_pids=3, size=(64, 32), init_gates="identity").eval()
    plain = create_model("resnet18", "none", num_pids=3, size=(64, 32)).eval()
    plain.load_state_dict({k: model.state_dict()[k] for k in plain.state_dict()})
    x = torch.randn(2, 3, 64, 32)
    torch.testing.assert_close(model(x), plain(x), rtol=0, atol=0)
    with capture(model, "*.gate" if name in GATED else "*.attend") as seen:
        model(x)
    assert {key.split(".")[1] for key in seen} == {"layer1", "layer2", "layer3", "layer4"}


# Millions at 256x128 with a 751-way classifier: (ours, the paper's table 3; None where it has none). Ours equals the
# paper's but for two: its SE, 2.5 M above the baseline, counts one SE in each of the 16 residual blocks, ours are four;
# of its CBAM-S, 1.0 M above, nothing is known, CBAM's own spatial attention has 100 parameters.
MILLIONS = {
    "none": (25.1, 25.1),
    "rga_s": (28.3, 28.3),
    "rga_c": (28.1, 28.1),
    "rga_sc": (31.4, None),
    "rga_cs": (31.4, None),
    "rga_parallel": (31.4, None),
    "rga_s_no_relation": (25.7, None),
    "rga_s_no_feature": (27.6, None),
    "rga_c_no_relation": (25.6, None),
    "rga_c_no_feature": (27.6, None),
    "rga_sc_symmetric": (30.1, None),
    "rga_sc_no_embedding": (28.8, None),
    "cbam_s": (25.1, 26.1),
    "cbam_c": (26.4, 26.4),
    "cbam": (26.4, None),
    "fc_s": (26.9, 26.9),
    "fc_c": (26.4, 26.4),
    "fc_parallel": (28.3, None),
    "se": (25.8, 27.6),
    "non_local": (30.6, 30.6),
    "snl": (30.6, None),
}


@pytest.mark.parametrize("name", ATTENTION)
def test_parameters_of_table_3(name):
    with torch.device("meta"):
        model = create_model("resnet50", name, num_pids=751)
    ours, paper = MILLIONS[name]
    assert f"{sum(p.numel() for p in model.parameters()) / 1e6:.1f}" == str(ours)
    assert name in ("cbam_s", "se") or paper in (ours, None)


def test_an_se_in_every_block_has_the_parameters_of_table_3():
    blocks = 3 * [256] + 4 * [512] + 6 * [1024] + 3 * [2048]
    more = sum(p.numel() for channels in blocks for p in SE(channels, (8, 4)).parameters())
    assert f"{(25_050_176 + more) / 1e6:.1f}" == "27.6"


def test_se_equals_torchvisions():
    ours, theirs = build("se"), torchvision.ops.SqueezeExcitation(CHANNELS, CHANNELS // 16)
    theirs.load_state_dict(dict(zip(theirs.state_dict(), ours.state_dict().values(), strict=True)))
    torch.testing.assert_close(ours(maps()), theirs(maps()))


def test_cbam_by_its_equations():
    module, x = build("cbam").double().eval(), maps().double()
    c, s = module.channel, module.spatial

    def shared(pooled_BC):
        hidden = (pooled_BC @ c.squeeze.weight.flatten(1).T + c.squeeze.bias).relu()
        return hidden @ c.excite.weight.flatten(1).T + c.excite.bias

    x = x * (shared(x.mean((2, 3))) + shared(x.flatten(2).max(2).values)).sigmoid()[..., None, None]
    both = torch.stack([x.mean(1), x.max(1).values], dim=1)
    y = x * F.batch_norm(
        F.conv2d(both, s.conv.weight, padding=3), s.norm.running_mean, s.norm.running_var, *s.norm.parameters()
    ).sigmoid()  # fmt: skip
    torch.testing.assert_close(module(maps().double()), y, rtol=1e-12, atol=1e-12)


def test_non_local_by_its_equations():
    module, x = build("non_local").double().eval(), maps(1).double()
    theta, phi, value = (
        F.conv2d(x, m.weight, m.bias)[0].flatten(1) for m in (module.theta, module.phi, module.value)
    )
    y = torch.zeros_like(theta)
    for i in range(32):
        weights = torch.stack([(theta[:, i] @ phi[:, j] / 8**0.5).exp() for j in range(32)])
        y[:, i] = sum(w * value[:, j] for j, w in enumerate(weights / weights.sum()))
    expected = x + module.out_norm(F.conv2d(y.view(1, 8, *SIZE), module.out.weight))
    torch.testing.assert_close(module(x), expected, rtol=1e-12, atol=1e-12)


def test_relations_of_non_local_are_what_it_attends_with():
    module, x = build("non_local"), maps()
    with capture(module, "attend") as seen:
        module(x)
    torch.testing.assert_close(module.relations(x), seen["attend"])
    torch.testing.assert_close(seen["attend"].sum(-1), torch.ones(3, 32))


def test_simplified_non_local_by_its_equation():
    module, x = build("snl").double().eval(), maps(1).double()
    weights = F.conv2d(x, module.key.weight, module.key.bias).flatten().exp()
    mixture = sum(w * x[..., i // 4, i % 4] for i, w in enumerate(weights / weights.sum()))
    expected = x + (mixture @ module.value.weight.flatten(1).T + module.value.bias)[..., None, None]
    torch.testing.assert_close(module(x), expected, rtol=1e-12, atol=1e-12)


def test_fc_by_its_layers():
    module, x = build("fc_parallel").double().eval(), maps().double()
    embed, norm = module.spatial.embed.weight, module.spatial.embed_norm
    pooled = (
        F.batch_norm(F.conv2d(x, embed), norm.running_mean, norm.running_var, *norm.parameters())
        .relu()
        .mean(1)
    )
    gates = []
    for branch, nodes in ((module.spatial, pooled.flatten(1)), (module.channel, x.flatten(2).mean(2))):
        hidden = (nodes @ branch.hidden.weight.T + branch.hidden.bias).relu()
        gates.append((hidden @ branch.logits.weight.T + branch.logits.bias).sigmoid())
    expected = x * gates[0].view(3, 1, *SIZE) * gates[1].view(3, CHANNELS, 1, 1)
    torch.testing.assert_close(module(x), expected, rtol=1e-12, atol=1e-12)


def test_clear_errors():
    for size in ((4, 4), (16, 8)):
        got = rf"got \({size[0]}, {size[1]}\).*build it with"
        with pytest.raises(ValueError, match=rf"built for feature maps of \(8, 4\), {got}"):
            FC(CHANNELS, SIZE)(torch.randn(2, CHANNELS, *size))
    for family in (CBAM, FC):
        with pytest.raises(ValueError, match="needs spatial=True, channel=True or both"):
            family(CHANNELS, SIZE, spatial=False, channel=False)
    with pytest.raises(ValueError, match="unknown attention 'senet': choose one of none, rga_s, .*, snl"):
        create_model("resnet18", "senet", num_pids=2)


@pytest.mark.parametrize("family", [SE, CBAM, FC, NonLocal, SimplifiedNonLocal])
def test_tiny_maps(family):
    assert family(3, (2, 1))(torch.randn(4, 3, 2, 1)).shape == (4, 3, 2, 1)
