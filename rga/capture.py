"""See inside a network without changing it: the outputs of named submodules, by forward hooks."""

from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase

from torch import Tensor, nn


@contextmanager
def capture(model: nn.Module, pattern: str = "*.gate") -> Iterator[dict[str, Tensor]]:
    """Collect what submodules put out while the context is open: name -> tensor of their latest output, detached.

    pattern: shell-style, matched with the names of `model.named_modules()`; "*.gate" are the attention maps.
    Raises ValueError if it matches none. The hooks are gone when the context closes, whatever happened in it.

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

    def remember(name: str) -> object:
        return lambda module, inputs, output: outputs.__setitem__(name, output.detach())

    hooks = [module.register_forward_hook(remember(name)) for name, module in modules.items()]
    try:
        yield outputs
    finally:
        for hook in hooks:
            hook.remove()
