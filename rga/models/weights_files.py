"""Files of weights: read without running code, and taken out of the wrappings in which other projects save them."""

import hashlib
import importlib.util
import pickle
import re
import reprlib
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

CHUNK = 2**20  # bytes
WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network")  # keys beside epoch, optimizer, …
PARALLEL = ("module.", "_orig_mod.")  # DataParallel, DDP, AveragedModel; torch.compile
BACKBONES = ("backbone.", "base.", "model.", "encoder_q.")  # inside a re-identification network or MoCo

# NumPy's numbers, which others save beside the weights: a score, a best epoch. Their module moved in NumPy 2.
_SCALAR = np.float64().__reduce__()[0]
_NUMBERS = [(_SCALAR, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")]
_NUMBERS += [np.dtype, *{type(np.dtype(code)) for code in "?bhilqBHILQefd"}]


class WeightsFile(NamedTuple):
    """A file of weights that was read."""

    described: str  # its name and hash
    content: Any  # what torch.save was given

    @property
    def config(self) -> dict[str, Any] | None:
        """The configuration in a checkpoint of this package, else None."""
        own = isinstance(self.content, dict) and self.content.keys() >= {"format", "config", "model"}
        return self.content["config"] if own else None


def read_weights(path: Path) -> WeightsFile:
    """Raises FileNotFoundError if there is no such file, ValueError if it cannot be read."""
    if not path.is_file():
        raise FileNotFoundError(
            f"expected a file of backbone weights at {path}, found none. Pass weights=None to start from random "
            "weights, weights='imagenet' to download torchvision's, or the path of a state dict saved by torch.save."
        )
    content = safe_load(path, "a state dict saved by torch.save")
    return WeightsFile(f"{path.name} (sha256 {hashlib.sha256(path.read_bytes()).hexdigest()[:8]})", content)


def safe_load(path: Path, expected: str, mmap: bool = False) -> Any:
    """What torch.save wrote: tensors, plain values and NumPy's numbers, none of which can run code; or safetensors.

    expected: what the file should be, in words. mmap: tensors are read from the file when they are used. Raises
    ValueError for a file that cannot be read.
    """
    if path.suffix == ".safetensors" and importlib.util.find_spec("safetensors") is None:
        raise ValueError(f'{path} needs safetensors, which comes with timm: pip install "rga[timm]".')
    try:
        if path.suffix == ".safetensors":  # the format of the Hugging Face Hub
            return importlib.import_module("safetensors.torch").load_file(path)
        if not mmap:
            check_sums(path)
        with torch.serialization.safe_globals(_NUMBERS):
            return _current_names(torch.load(path, map_location="cpu", weights_only=True, mmap=mmap))
    except Exception as error:  # torch raises many kinds for a file that is truncated or not its own
        # Not torch's own message, in no traceback either: it recommends to load what may run any code.
        found = re.search(r"GLOBAL (\S+)", str(error))
        intact = isinstance(error, pickle.UnpicklingError) and (found or zipfile.is_zipfile(path))
        kind = type(error).__name__
    if intact:
        raise ValueError(
            f"expected {expected} in {path}, could not read it: it holds {found[1] if found else 'objects'} beside "
            "tensors, and to load such objects may run any code. The file is whole: where it was written, save the "
            "state dict alone, torch.save(model.state_dict(), FILE)."
        )
    raise ValueError(
        f"expected {expected} in {path}, could not read it ({kind}): the file is cut short, damaged or of another "
        "kind. Compare its size with the original's, and copy it again if they differ."
    )


def check_sums(path: Path) -> None:
    """zipfile.BadZipFile for a file of torch.save that has changed since: torch.load does not look at its checksums."""
    if not zipfile.is_zipfile(path):  # what PyTorch wrote before 1.6 has none
        return
    with zipfile.ZipFile(path) as archive:
        for part in archive.infolist():
            if part.CRC:  # 0: written without (torch.serialization.set_crc32_options)
                with archive.open(part) as file:
                    while file.read(CHUNK):
                        pass


# Until 0.1.0 a block of MobileNetV2 and the attention behind it were 0 and 1 of an nn.Sequential.
_SEQUENTIAL = re.compile(r"^(backbone\.features\.(?:3|6|13|17)\.)([01])\.")


def _current_names(content: Any) -> Any:
    """A checkpoint of an earlier version with today's names of its tensors; anything else as it is."""
    if WeightsFile("", content).config and content["config"].get("backbone") == "mobilenet_v2":
        names = {"0": "", "1": "attached."}
        content["model"] = {
            _SEQUENTIAL.sub(lambda found: found[1] + names[found[2]], name): tensor
            for name, tensor in content["model"].items()
        }
    return content


def unwrap(content: Any, prefixes: Iterable[str] = PARALLEL) -> tuple[dict[str, Tensor], str]:
    """The state dict in `content`, and what was taken off around it, in words, "" for nothing.

    prefixes: of the names of tensors. Where some have one, they lose it, and the others are left out.
    """
    opened, left_out = [], []
    while isinstance(content, Mapping) and (
        key := next((key for key in WRAPPERS if isinstance(content.get(key), Mapping)), None)
    ):
        content = content[key]
        opened.append(key)
    named = content.items() if isinstance(content, Mapping) else ()
    state = {name: value for name, value in named if isinstance(name, str) and isinstance(value, Tensor)}
    while prefix := next((p for p in prefixes if any(name.startswith(p) for name in state)), None):
        left_out += dict.fromkeys(name.split(".")[0] for name in state if not name.startswith(prefix))
        state = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
        opened.append(prefix)
    words = f"taken out of {', '.join(opened)}" if opened else ""
    return state, words + (f", without {', '.join(left_out)}" if left_out else "")


def backbone_state(file: WeightsFile) -> tuple[dict[str, Tensor], str]:
    """The state dict of a backbone in a file, and what was taken off around it. ValueError if it holds none."""
    state, wrapped = unwrap(file.content, (*PARALLEL, *BACKBONES))
    if not state:
        raise ValueError(
            f"expected a state dict (names -> tensors) in {file.described}, got {reprlib.repr(file.content)}."
        )
    return state, wrapped


def differences(state: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> str:
    """How many tensors are missing, unknown or of another shape, and the first three of those; "" for none."""

    def shape(tensors: Mapping[str, Tensor], name: str) -> str:
        return str(tuple(tensors[name].shape)) if name in tensors else "nothing"

    differ = [k for k in dict.fromkeys([*expected, *state]) if shape(state, k) != shape(expected, k)]
    first = [f"{name}: expected {shape(expected, name)}, got {shape(state, name)}" for name in differ[:3]]
    return f"tensors that differ: {len(differ)}, first {'; '.join(first)}" if differ else ""
