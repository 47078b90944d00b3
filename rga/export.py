"""Export a network to a file that runs without this package: ONNX, or a program of torch.export.

Both map uint8 images to L2-normalised features, so that of all preprocessing only the resize is left to the user.
The batch size is dynamic, the image size that of the network. A file's outputs are compared with the network's before
it gets its name.
"""

import copy
import importlib.util
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rga.data.transforms import IMAGENET_MEAN, IMAGENET_STD
from rga.io.atomic_write import atomic_write
from rga.models import Output, ReIDModel

__all__ = ["Embedder", "Exported", "to_onnx", "to_torch"]

TOLERANCE = 1e-4  # the largest absolute difference in any component of an L2-normalised feature
BATCHES = (1, 5)  # batch sizes of the comparison
INPUT = "images"


class Exported(NamedTuple):
    """What was written."""

    path: Path
    about: dict  # the metadata in the file
    difference: float  # the largest absolute one between the file's features and the network's


class Embedder(nn.Module):
    """What is exported: images (B, 3, H, W) -> L2-normalised features (B, F). A copy, on the CPU, in eval mode.

    output: "embedding", after the BN neck, or "feature", before it. normalised: the images are float32 and already
    normalised (`rga.data.transforms.normalise`); otherwise they are uint8, RGB. Raises ValueError for another output.
    """

    def __init__(
        self,
        model: ReIDModel,
        output: Literal["embedding", "feature"] = "embedding",
        normalised: bool = False,
    ) -> None:
        super().__init__()
        if output not in ("embedding", "feature"):
            raise ValueError(
                f"unknown output {output!r}: choose embedding (after the BN neck) or feature (before)."
            )
        self.output, self.normalised, self.size = output, normalised, tuple(model.size)
        self.model = copy.deepcopy(model)
        for name, values in (("mean", IMAGENET_MEAN), ("std", IMAGENET_STD)):
            self.register_buffer(name, 255 * torch.tensor(values).view(3, 1, 1))
        self.to("cpu", torch.float32, memory_format=torch.contiguous_format).requires_grad_(False).eval()

    def forward(self, images: Tensor) -> Tensor:
        if not self.normalised:
            images = (images.float() - self.mean) / self.std
        return F.normalize(getattr(Output(*self.model(images)), self.output))

    def example(self, batch: int) -> Tensor:
        """(B, 3, H, W) images of large random patches: they differ from each other, as pixel noise would not."""
        drawn = torch.Generator().manual_seed(batch)
        patches = torch.randint(0, 256, (batch, 3, 8, 4), dtype=torch.uint8, generator=drawn).float()
        images = F.interpolate(patches, self.size)
        return (images - self.mean) / self.std if self.normalised else images.to(torch.uint8)

    def about(self) -> dict:
        """The metadata: what a user of the file has to know."""
        return {
            "input": "float32, normalised" if self.normalised else "uint8, RGB",
            "size": list(self.size),
            "output": self.output,
            "num_features": self.model.neck.num_features,
            "backbone": self.model.config["backbone"],
            "attention": self.model.config["attention"],
            "torch": torch.__version__,
        }


def to_onnx(
    model: ReIDModel,
    path: str | Path,
    *,
    output: Literal["embedding", "feature"] = "embedding",
    normalised: bool = False,
    about: Mapping = {},
) -> Exported:
    """Export to ONNX, weights included: `images` (batch, 3, H, W) -> `output` (batch, F), L2-normalised.

        session = onnxruntime.InferenceSession(path)
        (features,) = session.run(None, {"images": images})
        about = json.loads(session.get_modelmeta().custom_metadata_map["rga"])

    model: from `create_model` or `load_model`. path: its name ends in .onnx. output, normalised: see `Embedder`. about:
    further metadata, JSON. The opset is the default of `torch.onnx.export`. Needs onnx, onnxscript and onnxruntime.
    Raises ValueError if they are not installed, for another path or output, and if onnxruntime's features differ from
    the network's by more than TOLERANCE; then no file is written, nor an older one replaced.
    """
    wanted = ("onnx", "onnxscript", "onnxruntime")
    if missing := [name for name in wanted if importlib.util.find_spec(name) is None]:
        raise ValueError(f'ONNX needs {", ".join(missing)}, not installed here: pip install "rga[export]".')
    import onnxruntime  # only here: it is optional

    path, network = _named(path, ".onnx"), Embedder(model, output, normalised)
    program = torch.onnx.export(
        network,
        (network.example(2),),
        dynamo=True,
        dynamic_shapes=_any_batch(),
        input_names=[INPUT],
        output_names=[output],
        verbose=False,
    )
    about = network.about() | dict(about)
    program.model.metadata_props["rga"] = json.dumps(about)

    def load(file: Path) -> Callable[[Tensor], Tensor]:
        session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
        return lambda images: torch.from_numpy(session.run(None, {INPUT: images.numpy()})[0])

    return _write(network, path, about, lambda file: program.save(file, external_data=False), load)


def to_torch(
    model: ReIDModel,
    path: str | Path,
    *,
    output: Literal["embedding", "feature"] = "embedding",
    normalised: bool = False,
    about: Mapping = {},
) -> Exported:
    """Export to a program of torch.export (.pt2), on the CPU: images (B, 3, H, W) -> (B, F), L2-normalised.

        extra = {"rga.json": ""}
        program = torch.export.load(path, extra_files=extra)
        features, about = program.module()(images), json.loads(extra["rga.json"])

    `move_to_device_pass(program, "cuda")` of torch.export.passes moves it. model, output, normalised, about and
    errors: as in `to_onnx`. path: its name ends in .pt2. No package is needed.
    """
    path, network = _named(path, ".pt2"), Embedder(model, output, normalised)
    program = torch.export.export(network, (network.example(2),), dynamic_shapes=_any_batch(), strict=False)
    about = network.about() | dict(about)

    def save(file: Path) -> None:
        content = io.BytesIO()  # a full disk would abort the process, if torch wrote the file itself
        torch.export.save(program, content, extra_files={"rga.json": json.dumps(about)})
        file.write_bytes(content.getbuffer())

    return _write(network, path, about, save, lambda file: torch.export.load(file).module())


def _named(path: str | Path, suffix: str) -> Path:
    if Path(path).suffix != suffix:  # torch.export.load reads no others
        raise ValueError(f"expected the name of a file that ends in {suffix}, got {path}.")
    return Path(path)


def _any_batch() -> dict:
    return {INPUT: {0: torch.export.Dim("batch")}}


@torch.no_grad()
def _write(
    network: Embedder,
    path: Path,
    about: dict,
    save: Callable[[Path], None],
    load: Callable[[Path], Callable[[Tensor], Tensor]],
) -> Exported:
    """Save under a temporary name, load again, compare, and rename."""
    with atomic_write(path) as partial:
        save(partial)
        exported, images = load(partial), [network.example(batch) for batch in BATCHES]
        difference = torch.stack([(exported(x) - network(x)).abs().max() for x in images]).max().item()
        if not difference <= TOLERANCE:  # also for NaN
            raise ValueError(
                f"expected the file to output what the network outputs, within {TOLERANCE:g}, got a difference of "
                f"{difference:g}, so {path} was not written: check whether the network itself outputs NaN, or try the "
                "other format, or other versions of torch and onnxruntime."
            )
    return Exported(path, about, difference)
