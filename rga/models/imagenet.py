"""Load pretrained ImageNet weights into a torchvision network, or raise an error that says why not."""

import hashlib
from pathlib import Path
from urllib.error import URLError

import torch
import torchvision
from torch import Tensor, nn


def load_imagenet(network: nn.Module, name: str, weights: str | Path | None) -> str:
    """Load `weights` into a torchvision network, except its ImageNet classifier; returns what was loaded, in words.

    weights: None leaves the random initialisation; "imagenet" takes torchvision's IMAGENET1K_V1 file (the paper's;
    torchvision downloads it once, with a progress bar, or finds it in torch's cache); else the path of a state dict.
    Raises FileNotFoundError if there is no such file or no way to download it, ValueError if the file cannot be read
    or does not fit.
    """
    if weights is None:
        return "random initialisation (no pretraining)"
    if weights == "imagenet":
        source = torchvision.models.get_model_weights(name)["IMAGENET1K_V1"]
        cache = Path(torch.hub.get_dir(), "checkpoints")
        try:
            state = source.get_state_dict(progress=True, check_hash=True)
        except (URLError, OSError) as error:
            raise FileNotFoundError(
                f"expected to download torchvision's ImageNet weights of {name} from {source.url}, got: {error}. "
                f"Fetch that file on a machine with a network and pass its path as weights=, or put it into {cache}."
            ) from error
        except Exception as error:  # as in _read
            raise ValueError(
                f"expected torchvision's ImageNet weights of {name} in {cache / Path(source.url).name}, could not read "
                f"them: {error}. Delete that file, and it is downloaded anew."
            ) from error
        described = f"ImageNet ({source})"
    else:
        state, described = _read(Path(weights)), f"ImageNet file {Path(weights).name}"
        described += f" (sha256 {hashlib.sha256(Path(weights).read_bytes()).hexdigest()[:8]})"
    network.load_state_dict(_match(state, network.state_dict(), described), strict=False)
    return described


def _read(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise FileNotFoundError(
            f"expected a file of backbone weights at {path}, found none. Pass weights=None to start from random "
            "weights, weights='imagenet' to download torchvision's, or the path of a state dict saved by torch.save."
        )
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a file that is truncated or not its own
        raise ValueError(
            f"expected a state dict saved by torch.save in {path}, could not read it: {error}. Fetch it again."
        ) from error
    state = state.get("state_dict", state) if isinstance(state, dict) else state
    if not (isinstance(state, dict) and state and all(isinstance(v, Tensor) for v in state.values())):
        raise ValueError(f"expected a state dict (names -> tensors) in {path}, got {type(state).__name__}.")
    return state


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
    wrong = [k for k, v in target.items() if k not in state or state[k].shape != v.shape]
    if wrong or len(state) != len(target):
        first = wrong[0] if wrong else next(k for k in state if k not in target)
        got = tuple(state[first].shape) if first in state else "nothing"
        expected = tuple(target[first].shape) if first in target else "no such tensor"
        raise ValueError(
            f"{described} does not fit this backbone: expected {len(target)} tensors, got {len(state)}; the first "
            f"that differs is {first}: expected {expected}, got {got}. Choose the backbone that the file was saved "
            "from."
        )
    return state
