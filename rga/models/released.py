"""Convert state dicts from and to the authors' released code: one table of names, read in both directions.

Released code: github.com/microsoft/Relation-Aware-Global-Attention-Networks. Its RGA module has theta, phi and psi
(`gx`) apart, where `RelationScore` has them as one convolution, and its 1x1 convolutions are two-dimensional;
everything else only has another name.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from rga.models.cbam import CBAM
from rga.models.fc import FC
from rga.models.gates import DoubleSigmoid
from rga.models.non_local import NonLocal, SimplifiedNonLocal
from rga.models.rga import RGA, RelationScore
from rga.models.se import SE
from rga.models.weights_files import unwrap

# Layer of our RelationScore -> released layers (several: stacked along the outputs); {} is "spatial" or "channel".
LAYERS = {
    "embed": ("theta_{}.0", "phi_{}.0", "gx_{}.0"),
    "embed_norm": ("theta_{}.1", "phi_{}.1", "gx_{}.1"),
    "relate": ("gg_{}.0",),
    "relate_norm": ("gg_{}.1",),
    "hidden": ("W_{}.0",),
    "hidden_norm": ("W_{}.1",),
    "logit": ("W_{}.3",),
    "logit_norm": ("W_{}.4",),
}
HEADS = {"neck": "feat_bn", "classifier": "cls"}
OTHERS = CBAM, FC, NonLocal, SE, SimplifiedNonLocal


def released_names(module: nn.Module) -> dict[str, tuple[str, ...]]:
    """Every key of module.state_dict() -> the released key(s) of the same numbers.

    module: an `RGA`, or a network with one behind each stage (`rga_att1` … `rga_att4` in order). Raises ValueError
    for what the released code does not have: other attentions and variants, other gates, widths left by `resize`.
    """
    for child in module.modules():
        other_order = isinstance(child, RGA) and child.order != "sc"
        other_parts = isinstance(child, RelationScore) and child.num_embeddings != 3  # theta, phi, psi
        if other_order or other_parts or isinstance(child, OTHERS):
            raise ValueError(
                "the released code has RGA-S, RGA-C and RGA-SC only: build the network with rga_s, rga_c or rga_sc. "
                "Got another attention, another order of the two, or parts left out."
            )
        if isinstance(child, RelationScore):
            nodes_and_dim = child.num_nodes, child.node_dim
            widths = child.relate.out_channels, child.embed.out_channels // 3
            if widths != tuple(max(1, count // child.reduction) for count in nodes_and_dim):
                raise ValueError(
                    "the released code makes an RGA as wide as its own grid asks for, got one that was moved to "
                    "another grid and kept its widths: convert weights before rga.models.resize, not after it."
                )
        if isinstance(child, DoubleSigmoid):
            # Its tensors would fit, but that code has plain sigmoids: every gate would be halved.
            raise ValueError(
                "released weights belong to init_gates='released': build the module with that, got 'identity'."
            )
    attentions = [name for name, child in module.named_modules() if isinstance(child, RGA)]
    names = {}
    for ours in module.state_dict():
        for number, attention in enumerate(attentions, start=1):
            if attention == "" or ours.startswith(f"{attention}."):
                prefix = f"backbone.rga_att{number}." if attention else ""
                branch, _, layer, tensor = ours.removeprefix(attention).lstrip(".").split(".")
                names[ours] = tuple(f"{prefix}{theirs.format(branch)}.{tensor}" for theirs in LAYERS[layer])
                break
        else:
            head, _, rest = ours.partition(".")
            names[ours] = (f"{HEADS.get(head, head)}.{rest}",)
    return names


def load_released(module: nn.Module, state_dict: Mapping[str, Tensor]) -> None:
    """Load a released state dict, of one RGA module or of the whole network, into ours, in place.

    Files of PyTorch 0.4 and earlier, without `num_batches_tracked`, load as well, and so do the state dict inside a
    checkpoint (`state_dict`, `model`, …) and one of DataParallel (`module.`). Raises ValueError (and changes nothing)
    for missing, unknown or misshapen tensors, and for gates that are not the released ones.
    """
    state_dict, _ = unwrap(state_dict)
    names, own, expected = released_names(module), module.state_dict(), released_state_dict(module)
    tracked = {ours for ours in names if ours.endswith("num_batches_tracked")}
    missing = [
        theirs for ours in names if ours not in tracked for theirs in names[ours] if theirs not in state_dict
    ]
    unknown = sorted(set(state_dict) - {theirs for group in names.values() for theirs in group})
    if missing or unknown:
        raise ValueError(
            f"this is not a released state dict of this network: {len(missing)} tensors are missing "
            f"({', '.join(missing[:3]) or '-'}), {len(unknown)} are unknown ({', '.join(unknown[:3]) or '-'}). "
            "Expected the names of the released code; build the network with the backbone and the attention "
            "(rga_s, rga_c or rga_sc) that the weights were trained with."
        )
    loaded = {}
    for ours, theirs in names.items():
        if ours in tracked:
            loaded[ours] = state_dict.get(theirs[0], own[ours])
            continue
        for name in theirs:
            if state_dict[name].shape != expected[name].shape:
                raise ValueError(
                    f"{name} does not fit: this network expects {tuple(expected[name].shape)}, the state dict has "
                    f"{tuple(state_dict[name].shape)}. Build the network with the input size and num_pids of the "
                    "weights."
                )
        loaded[ours] = torch.cat([state_dict[name] for name in theirs])
        if own[ours].ndim == 3:  # our 1x1 convolutions are one-dimensional
            loaded[ours] = loaded[ours].squeeze(3)
    module.load_state_dict(loaded)


def released_state_dict(module: nn.Module) -> dict[str, Tensor]:
    """The module's state dict under the released code's names, for use with that code; inverse of `load_released`.

    Raises ValueError for what that code does not have, as `released_names` says.
    """
    names, released = released_names(module), {}
    for ours, tensor in module.state_dict().items():
        tensor = tensor.unsqueeze(3) if tensor.ndim == 3 else tensor
        parts = tensor.chunk(len(names[ours])) if tensor.ndim else [tensor] * len(names[ours])
        released.update(zip(names[ours], parts, strict=True))
    return released
