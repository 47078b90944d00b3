"""CUDA graphs: the kernels of a network recorded once and replayed, instead of started one by one."""

import warnings

import torch
from torch import Tensor, nn

from rga.device.precision import Precision, autocast, matmul_precision


class _Called(nn.Module):
    """The network as training calls it: what is recorded takes this one's place, and the network stays as it is."""

    def __init__(self, model: nn.Module, device: torch.device, precision: Precision) -> None:
        super().__init__()
        self.model, self.device, self.precision = model, device, precision

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        # No cache: a replay must round the weights anew, which are others by then.
        with autocast(self.device, self.precision, cache=False):
            return self.model(images)


def make_graphed(model: nn.Module, shape: tuple[int, int, int, int], precision: Precision) -> nn.Module:
    """The forward and backward pass of a network on a CUDA device, for images of this one shape, channels-last.

    A GPU is often done with the small kernels of RGA before Python has started the next. Recorded, a whole pass
    starts at once. The weights are those of `model`, which is put into training mode; its hooks are not called, and a
    second forward pass before the backward pass of the first is not allowed, nor are gradients that add up over
    several passes (torch.cuda.make_graphed_callables).
    """
    device = next(model.parameters()).device
    # Recording begins with passes that are no training: they must not stay in BatchNorm's statistics.
    before = [buffer.clone() for buffer in model.buffers()]
    images = torch.zeros(shape, device=device).to(memory_format=torch.channels_last)
    if hasattr(torch.autograd.graph, "set_warn_on_accumulate_grad_stream_mismatch"):
        # Gradients come from a replay on one stream and were recorded on another: PyTorch waits where it must.
        torch.autograd.graph.set_warn_on_accumulate_grad_stream_mismatch(False)
    with matmul_precision(precision), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Attempting to run cuBLAS")  # in the thread of backward passes
        called = torch.cuda.make_graphed_callables(_Called(model.train(), device, precision), (images,))
    with torch.no_grad():
        for buffer, value in zip(model.buffers(), before, strict=True):
            buffer.copy_(value)
    return called
