"""Released weights: both ways, old files and new, and clear refusals."""

import pytest
import torch

from rga.models import RGA, create_model, load_released, released_state_dict, resize


@pytest.mark.parametrize("attention", ["rga_s", "rga_c", "rga_sc"])
def test_there_and_back_again(attention):
    torch.manual_seed(0)
    source = create_model("resnet50", attention, num_pids=3, size=(64, 32))
    target = create_model("resnet50", attention, num_pids=3, size=(64, 32))
    source.backbone.bn1.num_batches_tracked += 7
    load_released(target, released_state_dict(source))
    torch.testing.assert_close(target.state_dict(), source.state_dict(), rtol=0, atol=0)


def test_files_without_batch_counters():
    source, target = RGA(16, (4, 2)), RGA(16, (4, 2))
    state = {k: v for k, v in released_state_dict(source).items() if "num_batches" not in k}
    load_released(target, state)
    torch.testing.assert_close(target.state_dict(), source.state_dict(), rtol=0, atol=0)


def test_refusals_change_nothing():
    module = RGA(16, (4, 2))
    before = {k: v.clone() for k, v in module.state_dict().items()}
    state = released_state_dict(RGA(16, (4, 2)))
    missing = {k: v for k, v in state.items() if k != "phi_channel.0.weight"}
    with pytest.raises(
        ValueError, match=r"1 tensors are missing \(phi_channel.0.weight\), 1 are unknown \(extra\)"
    ):
        load_released(module, missing | {"extra": torch.zeros(1)})
    with pytest.raises(
        ValueError, match=r"gg_spatial.0.weight does not fit.*\(1, 16, 1, 1\).*\(2, 32, 1, 1\)"
    ):
        load_released(module, released_state_dict(RGA(16, (4, 4))))
    for misshapen in (torch.zeros(2, 16, 1), torch.zeros(2, 15, 1, 1), torch.zeros(())):
        with pytest.raises(ValueError, match=r"phi_spatial.0.weight does not fit.*\(2, 16, 1, 1\)"):
            load_released(module, state | {"phi_spatial.0.weight": misshapen})
    torch.testing.assert_close(module.state_dict(), before, rtol=0, atol=0)


def test_released_weights_need_released_gates():
    state = released_state_dict(RGA(16, (4, 2)))
    with pytest.raises(ValueError, match="init_gates='released'"):
        load_released(RGA(16, (4, 2), init_gates="identity"), state)
    with pytest.raises(ValueError, match="got 'identity'"):
        released_state_dict(RGA(16, (4, 2), init_gates="identity"))


@pytest.mark.parametrize("variant", [{"order": "cs"}, {"feature": False}, {"embedding": "symmetric"}])
def test_variants_that_were_never_released(variant):
    state = released_state_dict(RGA(16, (4, 2)))
    with pytest.raises(ValueError, match="released code has RGA-S, RGA-C and RGA-SC only"):
        load_released(RGA(16, (4, 2), **variant), state)
    with pytest.raises(ValueError, match="released code has"):
        released_state_dict(RGA(16, (4, 2), **variant))


@pytest.mark.parametrize("attention", ["cbam", "fc_parallel", "se", "non_local", "snl"])
def test_attentions_that_were_never_released(attention):
    model = create_model("resnet18", attention, num_pids=2, size=(64, 32))
    with pytest.raises(ValueError, match="Got another attention"):
        released_state_dict(model)


def test_widths_of_another_grid_are_not_the_released_modules():
    for size, option in (((8, 4), {"channel": False}), ((8, 8), {"spatial": False})):
        module = RGA(16, size, reduction=4, **option)
        assert released_state_dict(resize(module, size))
        with pytest.raises(ValueError, match="before rga.models.resize"):
            released_state_dict(resize(module, (4, 4)))
