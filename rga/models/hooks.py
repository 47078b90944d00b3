"""Forward hooks and eval mode for a while: see inside a network without changing it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from fnmatch import fnmatchcase
from functools import partial

import torch
from torch import Tensor, nn

__all__ = ["capture", "evaluating"]


@contextmanager
def evaluating(model: nn.Module) -> Iterator[nn.Module]:
    """The model in eval mode; afterwards every module is in its former mode again, a frozen BatchNorm too."""
    modes = {module: module.training for module in model.modules()}
    try:
        yield model.eval()
    finally:
        for module, training in modes.items():
            module.training = training


@torch.no_grad()
def dummy_forward(network: nn.Module, size: tuple[int, int], channels: int = 3) -> Tensor:
    """The output for one blank image (channels, *size), also for hooks that measure; in eval mode, so that it leaves
    no trace in BatchNorm's running statistics."""
    with evaluating(network):
        return network(next(network.parameters()).new_zeros(1, channels, *size))


@contextmanager
def capture(model: nn.Module, pattern: str = "*.gate") -> Iterator[dict[str, Tensor]]:
    """Collect outputs of submodules while the context is open: name -> a detached copy of the latest one.

    Outputs that are not tensors are left out. pattern: shell-style, matched with the names of `model.named_modules()`;
    "*.gate" are the attention maps. Raises ValueError if it matches none. The hooks are gone when the context closes.
    Until then a network of torch.compile runs uncompiled, because compiled code calls no hooks.

        with capture(model, "*.gate") as maps:
            model(images)
        maps["backbone.layer1.2.spatial.gate"]   # (B, 1, H, W)
    """
    modules = {name: module for name, module in model.named_modules() if fnmatchcase(name, pattern)}
    if not modules:
        names = [name for name, _ in model.named_modules()][1:]
        raise ValueError(
            f"no submodule is called like {pattern!r}: {type(model).__name__} has {len(names)}, from {names[:1]} to "
            f"{names[-1:]}. A network with attention='none' has no gates."
        )
    outputs: dict[str, Tensor] = {}

    def hook(name: str, module: nn.Module, inputs: object, output: object) -> None:
        if isinstance(output, Tensor):
            outputs[name] = output.detach().clone()  # an in-place ReLU may write into the original

    with ExitStack() as hooks, torch.compiler.set_stance("force_eager"):
        for name, module in modules.items():
            hooks.enter_context(module.register_forward_hook(partial(hook, name)))
        yield outputs
