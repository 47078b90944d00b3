"""CUDA graphs: the kernels of a network captured once and replayed, instead of launched one by one."""

import warnings

import torch
from torch import Tensor, nn

from rga.device.precision import Precision, autocast, matmul_precision


class _Autocast(nn.Module):
    """The forward pass as training calls it, to be captured in place of the network, which stays as it is."""

    def __init__(self, model: nn.Module, device: torch.device, precision: Precision) -> None:
        super().__init__()
        self.model, self.device, self.precision = model, device, precision

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        # No weight cache: a replay must cast the weights anew, which the optimizer has changed by then.
        with autocast(self.device, self.precision, cache=False):
            return self.model(images)


def make_graphed(model: nn.Module, shape: tuple[int, int, int, int], precision: Precision) -> nn.Module:
    """Capture forward and backward pass of a network on a CUDA device; returns a callable that replays them.

    A GPU is often done with the small kernels of RGA before Python has launched the next. Captured, a whole pass is
    launched at once. Shapes are static: images (B, 3, H, W) of this one shape, channels-last. The weights are those of
    `model`, which is put into training mode; its hooks are not called. Not allowed, as in
    torch.cuda.make_graphed_callables: a second forward pass before the backward pass of the first, and gradient
    accumulation.
    """
    device = next(model.parameters()).device
    # Capture begins with warm-up passes, which must leave no trace in BatchNorm's running statistics.
    before = [buffer.clone() for buffer in model.buffers()]
    images = torch.zeros(shape, device=device).to(memory_format=torch.channels_last)
    if hasattr(torch.autograd.graph, "set_warn_on_accumulate_grad_stream_mismatch"):
        # Gradients are replayed on one stream and were captured on another: PyTorch synchronises where it must.
        torch.autograd.graph.set_warn_on_accumulate_grad_stream_mismatch(False)
    with matmul_precision(precision), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Attempting to run cuBLAS")  # in the thread of backward passes
        graphed = torch.cuda.make_graphed_callables(_Autocast(model.train(), device, precision), (images,))
    with torch.no_grad():
        for buffer, value in zip(model.buffers(), before, strict=True):
            buffer.copy_(value)
    return graphed
