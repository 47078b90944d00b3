"""See inside a network without changing it: eval mode for a while, and the outputs of named submodules."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase

import torch
from torch import Tensor, nn


@contextmanager
def evaluating(model: nn.Module) -> Iterator[nn.Module]:
    """The model in eval mode; afterwards each of its modules is in the mode it was in, a frozen BatchNorm too."""
    modes = {module: module.training for module in model.modules()}
    try:
        yield model.eval()
    finally:
        for module, training in modes.items():
            module.training = training


@contextmanager
def capture(model: nn.Module, pattern: str = "*.gate") -> Iterator[dict[str, Tensor]]:
    """Collect what submodules put out while the context is open: name -> a copy of their latest output, detached.

    Outputs that are no tensors are left out. pattern: shell-style, matched with the names of `model.named_modules()`;
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

    def remember(name: str) -> Callable:
        def hook(module: nn.Module, inputs: object, output: object) -> None:
            if isinstance(output, Tensor):
                outputs[name] = output.detach().clone()  # a ReLU in place may write into the original

        return hook

    hooks = [module.register_forward_hook(remember(name)) for name, module in modules.items()]
    try:
        with torch.compiler.set_stance("force_eager"):
            yield outputs
    finally:
        for hook in hooks:
            hook.remove()
