"""Load pretrained ImageNet weights into a torchvision network, or raise an error that says why not."""

from pathlib import Path
from urllib.error import URLError

import torch
import torchvision
from torch import Tensor, nn

from rga.models.weights_files import WeightsFile, backbone_state, check_sums, differences


def load_imagenet(network: nn.Module, name: str, weights: WeightsFile | str | None) -> str:
    """Load `weights` into a torchvision network, except its ImageNet classifier; returns what was loaded, in words.

    weights: None leaves the random initialisation; "imagenet" takes torchvision's IMAGENET1K_V1 file (the paper's;
    torchvision downloads it once, with a progress bar, or finds it in torch's cache); else a file, of a state dict or
    of a checkpoint of another project around one. Raises FileNotFoundError if there is no way to download, ValueError
    if the cached file cannot be read, or weights do not fit.
    """
    if weights is None:
        return "random initialisation (no pretraining)"
    if weights == "imagenet":
        source = torchvision.models.get_model_weights(name)["IMAGENET1K_V1"]
        cache = Path(torch.hub.get_dir(), "checkpoints")
        file = cache / Path(source.url).name
        try:
            if file.is_file():  # torch.hub compares the hash when it downloads, and never again
                check_sums(file)
            state = source.get_state_dict(progress=True, check_hash=True)
        except (URLError, OSError) as error:
            raise FileNotFoundError(
                f"expected to download torchvision's ImageNet weights of {name} from {source.url}, got: {error}. "
                f"Fetch that file on a machine with a network and pass its path as weights=, or put it into {cache}."
            ) from error
        except Exception as error:  # as in safe_load
            raise ValueError(
                f"expected torchvision's ImageNet weights of {name} in {file}, could not read "
                f"them ({type(error).__name__}). Delete that file, and it is downloaded anew."
            ) from None
        described = f"ImageNet ({source})"
    else:
        state, wrapped = backbone_state(weights)
        described = f"ImageNet file {weights.described}"
        if wrapped:
            described = f"weights file {weights.described}, {wrapped}"
    network.load_state_dict(_match(state, network.state_dict(), described), strict=False)
    return described


def _match(state: dict[str, Tensor], target: dict[str, Tensor], described: str) -> dict[str, Tensor]:
    """The part of `state` that belongs into `target`, under target's names; ValueError unless it is all there."""

    def backbone(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        # Old files have no batch counters, and nothing here depends on them.
        heads = ("fc.", "classifier.")
        return {k: v for k, v in tensors.items() if not k.startswith(heads) and "num_batches" not in k}

    state, target = backbone(state), backbone(target)
    if state.keys() != target.keys() and len(state) == len(target):
        # The same network saved under other names: its tensors come in the same order.
        state = dict(zip(target, state.values(), strict=True))
    if wrong := differences(state, target):
        raise ValueError(
            f"{described} does not fit this backbone: expected {len(target)} tensors, got {len(state)}; {wrong}. "
            "Choose the backbone that the file was saved from; a network of the released code is read by "
            "rga.models.load_released."
        )
    return state
