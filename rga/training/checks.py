"""What `rga.fit` refuses before it trains, and what it says when the loss becomes NaN."""

import math
import reprlib
from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Literal

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from rga.data.loaders import Batch
from rga.data.samples import TrainSample
from rga.device import distributed
from rga.models import ReIDModel
from rga.models.attaching import attached
from rga.models.weights_files import differences
from rga.training.losses import Loss, trained_weights
from rga.training.step import NonFiniteLossError


def check_fit(
    model: ReIDModel,
    samples: Sequence[TrainSample],
    p: int,
    accumulate: int,
    graphs: bool,
    compile: bool | Literal["attention"],
    path: str | Path | None,
    resume: bool | str,
    gate_lr: float,
    loss: Loss | None,
    ema: AveragedModel | None,
) -> None:
    """All checks of the arguments of `rga.fit`, which are these; ValueError for the first that cannot be."""
    check_labels(model, samples)
    check_saving(path, resume)
    check_division(p, accumulate)
    check_rate("gate_lr", gate_lr)
    check_loss(loss)
    check_ema(ema, model)
    check_compile(model, compile)
    if graphs:
        check_graphs(next(model.parameters()).device, accumulate, compile)


def check_labels(model: ReIDModel, samples: Sequence[TrainSample]) -> None:
    """ValueError unless the samples are labelled 0 … num_pids - 1, the classes of the network."""
    num_pids = model.classifier.out_features
    try:
        labels = {int(label) for _, label, _ in samples}
    except (TypeError, ValueError):
        raise ValueError(
            f"expected samples (path, label, camid), such as splits.train, got {reprlib.repr(samples)}."
        ) from None
    if not labels:
        raise ValueError("there is no image to train on: expected samples, such as splits.train, got none.")
    if min(labels) < 0 or max(labels) >= num_pids:
        raise ValueError(
            f"training identities must be numbered 0 … {num_pids - 1}, the classes of this network; got {len(labels)} "
            f"from {min(labels)} to {max(labels)}. Build the network with num_pids=splits.num_pids, and "
            "train it on splits.train."
        )


def check_rate(name: str, value: float) -> None:
    """ValueError unless a learning rate, or its multiplier, is a number above 0."""
    if not isinstance(value, Real) or isinstance(value, bool) or not 0 < value < math.inf:
        raise ValueError(f"{name} must be a number above 0, got {value!r}.")


def check_loss(loss: Loss | None) -> None:
    """ValueError for a loss that is none, or has weights that several processes would not train alike."""
    if loss is not None and not callable(loss):
        raise ValueError(f"loss must be None or a callable (output, labels) -> scalar, got {loss!r}.")
    if trained_weights(loss) and distributed.world_size() > 1:
        raise ValueError(
            f"{type(loss).__name__} has weights of its own, which several processes would not keep equal: train in one "
            "process, or take a loss without weights."
        )


def check_reached(model: ReIDModel) -> None:
    """After a step of several processes: ValueError if the loss has left out weights, which they then wait for."""
    if distributed.world_size() == 1:
        return
    left_out = [name for name, w in model.named_parameters() if w.requires_grad and w.grad is None]
    if left_out:
        raise ValueError(
            f"the loss does not depend on {', '.join(left_out[:5])}, and with several processes it has to depend on "
            "every weight that is trained: use output.logits, too, or freeze these by requires_grad_(False)."
        )


def check_ema(ema: AveragedModel | None, model: ReIDModel) -> None:
    """ValueError unless `ema` is an average of this network."""
    if ema is None:
        return
    if not isinstance(ema, AveragedModel):
        raise ValueError(
            f"ema must be None or a torch.optim.swa_utils.AveragedModel, got {type(ema).__name__}."
        )
    if wrong := differences(ema.module.state_dict(), model.state_dict()):
        raise ValueError(
            f"ema is an average of another network ({wrong}): make it of this one, AveragedModel(model)."
        )


def check_counts(**values: int) -> None:
    """ValueError unless these arguments of `rga.fit` are whole numbers, large enough."""
    for name, value in values.items():
        least = 0 if name in ("seed", "workers", "evaluate_every") else 1
        if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
            raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}.")


def check_loss_options(lr: float, weight_decay: float, smoothing: float, margin: float | None) -> None:
    """ValueError unless these arguments of `rga.fit` are numbers that they can be."""
    check_rate("lr", lr)
    for name, value, most in (
        ("weight_decay", weight_decay, math.inf),
        ("smoothing", smoothing, 1),
        ("margin", margin or 0.0, math.inf),
    ):
        if not isinstance(value, Real) or isinstance(value, bool) or not 0 <= value < most:
            raise ValueError(
                f"{name} must be a number from 0{f' to below {most}' * (most == 1)}, got {value!r}."
            )


def check_saving(path: str | Path | None, resume: bool | str) -> None:
    """ValueError for checkpoints that cannot be written or resumed from as asked."""
    if not isinstance(resume, bool) and resume != "auto":
        raise ValueError(f"resume must be True, False or 'auto', got {resume!r}.")
    if path is None and resume is True:
        raise ValueError("resume=True goes on from a checkpoint: pass its path, got path=None.")


def check_division(p: int, accumulate: int) -> None:
    """ValueError unless every process and micro-batch gets the same number of identities, at least 2."""
    if (
        accumulate < 1
        or p % (accumulate * distributed.world_size())
        or p < 2 * accumulate * distributed.world_size()
    ):
        raise ValueError(
            f"p={p} identities cannot be divided among {distributed.world_size()} processes x {accumulate} "
            "micro-batches (accumulate): expected the same number of at least 2 in each."
        )


def check_compile(model: nn.Module, compile: bool | Literal["attention"]) -> None:
    """ValueError for anything but True, False and "attention", and for "attention" where there is none."""
    if not isinstance(compile, bool) and compile != "attention":
        raise ValueError(f"compile must be True, False or 'attention', got {compile!r}.")
    if compile == "attention" and not attached(model):
        raise ValueError(
            "compile='attention' compiles what create_model or rga.models.attach has put behind the stages of a "
            "network, and this one has nothing there: pass compile=True or False."
        )


def check_graphs(device: torch.device, accumulate: int, compile: bool | Literal["attention"]) -> None:
    """ValueError where CUDA graphs cannot be used."""
    if device.type != "cuda" or distributed.world_size() > 1 or accumulate > 1 or compile is True:
        raise ValueError(
            "graphs=True is for one process on a CUDA device, with accumulate=1 and compile=False or 'attention'; got "
            f"{distributed.world_size()} on {device.type}, accumulate={accumulate} and compile={compile}: leave it out."
        )


def check_weights(modules: Iterable[nn.Module], step: int) -> None:
    """ValueError if a weight or a running statistic is NaN or Inf, so that it does not replace a good checkpoint."""
    if not all(value.isfinite().all() for module in modules for value in module.state_dict().values()):
        raise ValueError(f"the weights became NaN or Inf after step {step}: use a smaller lr.")


def nan_message(
    error: NonFiniteLossError, at: dict, batch: Batch, samples: Sequence[TrainSample], path: str | Path | None
) -> str:
    """What to say of a step whose loss became NaN or Inf. at: its step, epoch and lr."""
    names = [Path(samples[index].path).name for index in batch.indices.tolist()]
    saved = path is not None and Path(path).exists()
    return (
        f"{error} at step {at['step']}, epoch {at['epoch']}, learning rate {at['lr']:.2g}; the weights are as before "
        "the step (BatchNorm's running statistics may not be: load a checkpoint), "
        f"{f'the last good checkpoint is {path}' if saved else 'nothing was saved'}. "
        f"The batch was {', '.join(names)}. Use a smaller lr, start from pretrained weights, or precision='fp32'."
    )


def memory_message(
    error: RuntimeError,
    at: dict,
    model: ReIDModel,
    p: int,
    k: int,
    accumulate: int,
    precision: str,
    path: str | Path | None,
) -> str | None:
    """What to say of a step that ran out of memory, on a GPU or a CPU; None for any other error."""
    if not (isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)):
        return None
    reason = ". ".join(str(error).splitlines()[0].split(". ")[:3]).rstrip(".")
    height, width = model.size
    device, processes = next(model.parameters()).device, distributed.world_size()
    shares = [n for n in range(accumulate + 1, p) if p % (n * processes) == 0 and p >= 2 * n * processes]
    advice = [f"accumulate={n} ({p * k // n // processes} images at once)" for n in shares[:1]]
    advice += ["precision='bf16'"] if device.type == "cuda" and precision in ("fp32", "tf32") else []
    advice += [f"a smaller p or k, or images smaller than {height} x {width}"]
    saved = path is not None and Path(path).exists()
    return (
        f"out of memory on {device} at step {at['step']}, epoch {at['epoch']}, with p x k = {p} x {k} = {p * k} images "
        f"of {height} x {width} a step, {p * k // accumulate // processes} at once (accumulate={accumulate}): {reason}"
        f". Use {', or '.join(advice)}; "
        + (f"the last good checkpoint is {path}." if saved else "nothing was saved.")
    )
