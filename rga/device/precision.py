"""Mixed precision: fp32, tf32, bf16 or fp16 by matmul settings, autocast and loss scaling."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch

Precision = Literal["fp32", "tf32", "bf16", "fp16"]
PRECISIONS: tuple[Precision, ...] = ("fp32", "tf32", "bf16", "fp16")
_HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}


@contextmanager
def matmul_precision(precision: Precision) -> Iterator[None]:
    """For a whole step, backward pass included: may GPUs round the factors of float32 products to TF32 (10 bits)?

    For matrix products and convolutions, whose PyTorch default is to round: fp32 means fp32 here. Both settings are
    restored. Raises ValueError if they were set by PyTorch's other interface, which cannot be mixed with this one.
    """
    try:
        product, convolution = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    except RuntimeError as error:
        raise ValueError(
            "torch.backends.….fp32_precision was set, and PyTorch does not mix that with the interface used here: "
            "leave it, and pass precision='tf32' or call torch.set_float32_matmul_precision instead."
        ) from error
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(product)
        torch.backends.cudnn.allow_tf32 = convolution


def autocast(device: torch.device, precision: Precision, cache: bool = True) -> torch.autocast:
    """For the forward pass: bf16 or fp16 where PyTorch considers an operation safe, float32 elsewhere.

    cache: whether a weight that is used twice is cast once. Raises ValueError for an unknown precision.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"unknown precision {precision!r}: choose one of {', '.join(PRECISIONS)}.")
    half = _HALF.get(precision, torch.bfloat16)
    return torch.autocast(device.type, half, enabled=precision in _HALF, cache_enabled=cache)


def make_scaler(device: torch.device, precision: Precision) -> torch.amp.GradScaler:
    """Loss scaling, so that small gradients in fp16 do not underflow to 0; disabled for the other precisions."""
    return torch.amp.GradScaler(device.type, enabled=precision == "fp16")
