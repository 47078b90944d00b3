"""The two losses of the paper's recipe: label-smoothed cross-entropy over identities, batch-hard triplet loss."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rga.models import Output

# What `rga.fit` takes in place of the two: the outputs for B images and their labels (B,) -> a scalar.
Loss = Callable[[Output, Tensor], Tensor]

__all__ = ["batch_hard", "check_pairs", "hardest", "identity_loss", "pairwise_euclidean", "triplet_loss"]


def identity_loss(logits: Tensor, labels: Tensor, smoothing: float = 0.1) -> Tensor:
    """Label-smoothed cross-entropy (Szegedy et al., 2016, section 7): logits (B, M), labels (B,) -> scalar."""
    return F.cross_entropy(logits, labels, label_smoothing=smoothing)


def triplet_loss(features: Tensor, labels: Tensor, margin: float | None = 0.3) -> Tensor:
    """Batch-hard triplet loss (Hermans et al., 2017, equation 5), Euclidean. (B, F), (B,) -> scalar.

    For every image as anchor: its distance to the hardest positive (the farthest image of the same identity) should be
    smaller, by `margin`, than to the hardest negative (the nearest image of another). margin=None takes the soft
    margin log(1 + exp(farthest - nearest)). Raises ValueError if an identity has one image only, or the batch one
    identity only; labels on the CPU spare a GPU the wait for this check. Training calls the two halves apart: the check
    on the CPU, then `batch_hard`, which is the loss.
    """
    check_pairs(labels)
    return batch_hard(features, labels.to(features.device, non_blocking=True), margin)


def check_pairs(labels: Tensor) -> None:
    """ValueError unless labels (B,) are of two identities at least, with two images each at least."""
    same = labels[:, None] == labels[None, :]
    if (same.sum(1) < 2).any() or same.all():
        raise ValueError(
            f"the triplet loss needs at least two identities with at least two images each in a batch, got labels "
            f"{labels.tolist()}: sample P identities x K images (rga.data.sampler.PKSampler)."
        )


def batch_hard(features: Tensor, labels: Tensor, margin: float | None = 0.3) -> Tensor:
    """`triplet_loss` without its check, labels (B,) on the device of the features: nothing synchronises with a GPU."""
    farthest_same, nearest_other = hardest(pairwise_euclidean(features), labels)
    if margin is None:
        return F.softplus(farthest_same - nearest_other).mean()
    return F.relu(farthest_same - nearest_other + margin).mean()


def hardest(distances: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Hard mining: (B, B), (B,) -> (B,) distances to the hardest positive (farthest) and hardest negative (nearest)."""
    same = labels[:, None] == labels[None, :]
    return distances.masked_fill(~same, -torch.inf).amax(1), distances.masked_fill(same, torch.inf).amin(1)


def pairwise_euclidean(features: Tensor) -> Tensor:
    """(B, F) -> (B, B). In at least float32, and with a root that has a gradient where two features are equal."""
    features = features if features.dtype == torch.float64 else features.float()
    squares = features.square().sum(1)
    squared = squares[:, None] + squares[None, :] - 2 * features @ features.T
    return squared.clamp(min=1e-12).sqrt()


def trained_weights(loss: Loss | None) -> list[nn.Parameter]:
    """The weights that a loss has of its own and that are trained with the network's; [] for most losses."""
    return [w for w in loss.parameters() if w.requires_grad] if isinstance(loss, nn.Module) else []


def loss_name(loss: Loss | None) -> str:
    """What a checkpoint remembers of a loss: the name of the function or class."""
    if loss is None:
        return "identity + triplet"
    named = loss if hasattr(loss, "__qualname__") else type(loss)
    return f"{named.__module__}.{named.__qualname__}"
