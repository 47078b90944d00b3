"""Exercise of notebook 03: mine the hard pairs (batch-hard)."""

from collections.abc import Callable

import torch
from torch import Tensor

from rga.course.errors import describe
from rga.training.losses import hardest  # the solution

Hardest = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def check_hardest(answer: Hardest) -> str:
    """Try `answer` in place of `hardest`."""
    labels = torch.tensor([0, 0, 0, 1, 1, 1])
    position = torch.tensor([0.0, 1.0, 3.0, 4.0, 8.0, 9.0])
    distances = (position[:, None] - position[None, :]).abs()
    farthest, nearest = hardest(distances, labels)

    def tried(order: Tensor) -> tuple[Tensor, Tensor]:
        got_farthest, got_nearest = answer(distances[order][:, order], labels[order])
        return tuple(torch.as_tensor(part, dtype=torch.float32) for part in (got_farthest, got_nearest))

    try:
        got_farthest, got_nearest = tried(torch.arange(6))
    except Exception as error:
        return f"stage 1, it runs: {describe(error)}. Hint: return two tensors, farthest and nearest."
    if not got_farthest.shape == got_nearest.shape == labels.shape:
        shapes = tuple(got_farthest.shape), tuple(got_nearest.shape)
        return f"stage 2, shapes: expected two of (6,), got {shapes}. Hint: one number per image, reduce over dim 1."
    if torch.equal(got_farthest, distances.amax(1)):
        return "stage 3, same identity: this is the farthest image of all. Hint: hide the others with -inf before max."
    if not torch.equal(got_farthest, farthest):
        return (
            f"stage 3, same identity: expected {farthest.tolist()}, got {got_farthest.tolist()}. Hint: batch-hard "
            "takes the one farthest image, neither the nearest nor a mean."
        )
    if not got_nearest.any():
        return "stage 4, other identity: all 0, the image itself. Hint: hide the same identity with +inf before min."
    if not torch.equal(got_nearest, nearest):
        return (
            f"stage 4, other identity: expected {nearest.tolist()}, got {got_nearest.tolist()}. Hint: the same "
            "identity must be hidden whole, not only the image itself, and the smallest distance taken."
        )
    shuffled = torch.tensor([3, 0, 5, 1, 4, 2])
    try:
        moved = tried(shuffled)
    except Exception as error:
        return f"stage 5, any order: {describe(error)}. Hint: compare labels, not places."
    if not (torch.equal(moved[0], farthest[shuffled]) and torch.equal(moved[1], nearest[shuffled])):
        return "stage 5, any order: it fails when identities are not side by side. Hint: compare labels, not places."
    return "all stages passed"
