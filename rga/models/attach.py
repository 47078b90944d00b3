"""Put an attention after named stages of a network, whatever the network."""

from collections.abc import Callable, Sequence

import torch
from torch import nn

from rga.capture import evaluating

# An attention is built from the shape of the feature map it will see: (channels, (height, width)) -> module that
# maps (B, C, H, W) to the same shape.
Attention = Callable[[int, tuple[int, int]], nn.Module]


def attach(
    network: nn.Module, stages: Sequence[str], attention: Attention, size: tuple[int, int]
) -> nn.Module:
    """Insert attention(channels, (height, width)) behind each named submodule of `network`; returns `network`.

    stages: names as in `network.named_modules()`. size: (height, width) of the images; the sizes of the feature
    maps are measured with one blank image. A stage that is an nn.Sequential is appended to, so that no parameter
    changes its name; any other becomes nn.Sequential(stage, attention). Raises ValueError for an unknown stage or
    one that does not put out one (B, C, H, W) map.
    """
    shapes = _measure(network, stages, size)
    for name, (channels, *map_size) in shapes.items():
        stage, module = network.get_submodule(name), attention(channels, tuple(map_size))
        if isinstance(stage, nn.Sequential):
            stage.append(module)
        else:
            network.set_submodule(name, nn.Sequential(stage, module))
    return network


@torch.no_grad()
def _measure(network: nn.Module, stages: Sequence[str], size: tuple[int, int]) -> dict[str, torch.Size]:
    modules, shapes = dict(network.named_modules()), {}
    for name in stages:
        if name not in modules:
            raise ValueError(
                f"unknown stage {name!r}: name submodules of the network, such as {list(modules)[1:9]}."
            )

    def remember(name: str) -> Callable:
        def hook(module: nn.Module, inputs: object, output: object) -> None:
            if not (isinstance(output, torch.Tensor) and output.ndim == 4):
                raise ValueError(
                    f"stage {name!r} does not put out one (B, C, H, W) feature map: choose another."
                )
            shapes[name] = output.shape[1:]

        return hook

    hooks = [modules[name].register_forward_hook(remember(name)) for name in stages]
    try:
        # eval: a blank image must leave no trace in the running statistics.
        with evaluating(network):
            network(next(network.parameters()).new_zeros(1, 3, *size))
    finally:
        for hook in hooks:
            hook.remove()
    return shapes
