"""What each precision sets, and that it is restored."""

import pytest
import torch

from rga.device.precision import PRECISIONS, autocast, make_scaler, matmul_precision

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("precision", "dtype"),
    [("fp32", torch.float32), ("tf32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)],
)
def test_products_are_of_that_type(precision, dtype):
    with autocast(CPU, precision):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype
    assert make_scaler(CPU, precision).is_enabled() == (precision == "fp16")
    assert precision in PRECISIONS


@pytest.mark.parametrize(
    ("precision", "expected"), [("tf32", "high"), ("fp32", "highest"), ("bf16", "highest")]
)
def test_tf32_is_set_for_a_while(precision, expected):
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    with pytest.raises(KeyError), matmul_precision(precision):
        assert torch.get_float32_matmul_precision() == expected
        assert torch.backends.cudnn.allow_tf32 == (precision == "tf32")
        raise KeyError
    assert (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32) == before


@pytest.mark.skipif(
    not hasattr(torch.backends, "fp32_precision"), reason="an older PyTorch has one interface"
)
def test_settings_of_the_other_interface():
    before = torch.get_float32_matmul_precision()
    torch.backends.cuda.matmul.fp32_precision = "tf32"
    try:
        with pytest.raises(ValueError, match="pass precision='tf32'"), matmul_precision("fp32"):
            pass
    finally:
        torch.set_float32_matmul_precision(before)


def test_unknown():
    with pytest.raises(ValueError, match="unknown precision 'half': choose one of fp32, tf32, bf16, fp16"):
        autocast(CPU, "half")
