"""attach: insert an attention after named stages of any network, and find it again."""

from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial

from torch import Tensor, nn

from rga.models.attentions import ATTENTION, Attention
from rga.models.hooks import dummy_forward
from rga.models.map_layout import Layout, OnLayout, find_layout

CHILD = "attached"  # the attention's name in a stage that is no nn.Sequential


def attach(
    network: nn.Module,
    stages: Sequence[str],
    attention: str | Attention,
    size: tuple[int, int],
    *,
    init_gates: str = "identity",
    in_channels: int = 3,
) -> nn.Module:
    """Insert an attention behind each named submodule of `network`, in place; returns `network`.

    No parameter of the network changes its name: an attention is appended to a stage that is an nn.Sequential, any
    other stage gets it as a child called `attached`, which a forward hook applies to the stage's output. Attach before
    the network is compiled, traced or exported, which all see it. It goes to the device, the dtype and the mode of
    its stage.

    Args:
        network: on images (B, in_channels, *size).
        stages: names as in `network.named_modules()`; they may output maps (B, C, H, W), channels-last maps
            (B, H, W, C) as Swin does, or tokens (B, N, C) as a ViT does, whose class token stays as it is.
        attention: a key of `rga.models.ATTENTION`, or a callable (channels, (height, width)) -> module that maps
            (B, C, H, W) to the same shape.
        size: (height, width) of the images; the sizes of the feature maps are measured with one blank image.
        init_gates: of an attention by name: "identity", the network starts as it was, or "released", random maps.
        in_channels: channels of the images.

    Raises:
        ValueError: for an unknown stage or attention, a stage that does not output one feature map, and one that the
            network does not call.
    """
    if isinstance(stages, str):
        raise ValueError(f"stages is a list of names, such as [{stages!r}], got {stages!r} alone.")
    if not isinstance(size, Sequence) or len(size) != 2:
        raise ValueError(f"size must be (height, width) of the images, such as (224, 224), got {size!r}.")
    make = _by_name(attention, init_gates) if isinstance(attention, str) else attention
    for name, (layout, output) in _maps(network, stages, size, in_channels).items():
        stage = network.get_submodule(name)
        module = make(layout.channels, layout.grid).to(output).train(stage.training)
        module.is_attached = True  # for `attached`; not part of the state dict
        if layout.kind != "NCHW":
            module = OnLayout(module, layout).train(stage.training)
        if type(stage).forward is nn.Sequential.forward:
            stage.append(module)
        elif isinstance(stage, nn.Sequential | nn.ModuleDict | nn.ModuleList):
            raise ValueError(
                f"stage {name!r} is a {type(stage).__name__}, which calls its children itself, and would call the "
                "attention among them: choose the module behind it, or the last one inside it."
            )
        elif hasattr(stage, CHILD):
            raise ValueError(f"stage {name!r} has an attention already.")
        else:
            stage.add_module(CHILD, module)
            stage.register_forward_hook(_apply)
    return network


def attached(network: nn.Module) -> list[nn.Module]:
    """The modules that `attach` has inserted, whatever their class; `create_model` inserts one behind each stage."""
    return [module for module in network.modules() if getattr(module, "is_attached", False)]


def _by_name(name: str, init_gates: str) -> Attention:
    if ATTENTION.get(name) is None:
        names = [key for key, make in ATTENTION.items() if make]
        raise ValueError(f"unknown attention {name!r}: choose one of {', '.join(names)}.")
    return partial(ATTENTION[name], init_gates=init_gates)


def _apply(stage: nn.Module, inputs: object, output: Tensor) -> Tensor:
    """A forward hook; a function of this file, so that a copied or pickled network finds it, and its own attention."""
    return getattr(stage, CHILD)(output)


def _maps(
    network: nn.Module, stages: Sequence[str], size: tuple[int, int], in_channels: int
) -> dict[str, tuple[Layout, Tensor]]:
    """The layout and the output of each stage for one blank image."""
    modules, maps = dict(network.named_modules()), {}
    for name in stages:
        if name not in modules:
            raise ValueError(
                f"unknown stage {name!r}: name submodules of the network, such as {list(modules)[1:9]}."
            )

    def hook(name: str, module: nn.Module, inputs: object, output: object) -> None:
        maps[name] = find_layout(name, output, size), output

    with ExitStack() as hooks:
        for name in stages:
            hooks.enter_context(modules[name].register_forward_hook(partial(hook, name)))
        dummy_forward(network, size, in_channels)
    if unseen := [name for name in stages if name not in maps]:
        raise ValueError(
            f"the network does not call stage {unseen[0]!r} in eval mode, so an attention behind it would do nothing: "
            "choose a module whose own forward is called, such as the last one inside it."
        )
    return maps
