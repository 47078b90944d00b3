"""attach: insert an attention after named stages of any network, and find it again."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial

from torch import Tensor, nn

from rga.models.hooks import dummy_forward

# An attention is built from the shape of the feature map it will see: (channels, (height, width)) -> module that
# maps (B, C, H, W) to the same shape.
Attention = Callable[[int, tuple[int, int]], nn.Module]


def attach(
    network: nn.Module, stages: Sequence[str], attention: Attention, size: tuple[int, int]
) -> nn.Module:
    """Insert attention(channels, (height, width)) behind each named submodule of `network`; returns `network`.

    stages: names as in `network.named_modules()`. size: (height, width) of the images; the sizes of the feature
    maps are measured with one blank image. A stage that is an nn.Sequential is appended to, so that no parameter
    changes its name; any other becomes nn.Sequential(stage, attention). The attention goes to the device, the
    dtype and the mode of its stage. Raises ValueError for an unknown stage, one that does not output one
    (B, C, H, W) map, and one that the network does not call.
    """
    for name, x_BCHW in _maps(network, stages, size).items():
        stage, (channels, *map_size) = network.get_submodule(name), x_BCHW.shape[1:]
        module = attention(channels, tuple(map_size)).to(x_BCHW).train(stage.training)
        module.is_attached = True  # for `attached`; not part of the state dict
        if isinstance(stage, nn.Sequential):
            stage.append(module)
        else:
            network.set_submodule(name, nn.Sequential(stage, module))
            network.get_submodule(name).training = stage.training  # train() would reach into the stage
    return network


def attached(network: nn.Module) -> list[nn.Module]:
    """The modules that `attach` has inserted, whatever their class; `create_model` inserts one behind each stage."""
    return [module for module in network.modules() if getattr(module, "is_attached", False)]


def _maps(network: nn.Module, stages: Sequence[str], size: tuple[int, int]) -> dict[str, Tensor]:
    """The output of each stage for one blank image."""
    modules, maps = dict(network.named_modules()), {}
    for name in stages:
        if name not in modules:
            raise ValueError(
                f"unknown stage {name!r}: name submodules of the network, such as {list(modules)[1:9]}."
            )

    def hook(name: str, module: nn.Module, inputs: object, output: object) -> None:
        if not (isinstance(output, Tensor) and output.ndim == 4):
            raise ValueError(f"stage {name!r} does not output one (B, C, H, W) feature map: choose another.")
        maps[name] = output

    with ExitStack() as hooks:
        for name in stages:
            hooks.enter_context(modules[name].register_forward_hook(partial(hook, name)))
        dummy_forward(network, size)
    if unseen := [name for name in stages if name not in maps]:
        raise ValueError(
            f"the network does not call stage {unseen[0]!r} in eval mode, so an attention behind it would do nothing: "
            "choose a module whose own forward is called, such as the last one inside it."
        )
    return maps
