"""Grad-CAM: which positions of a layer raise a score of the network's output."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rga.models.hooks import evaluating

__all__ = ["grad_cam", "to_embedding", "to_identity"]

Target = Callable[..., Tensor]


def grad_cam(model: nn.Module, images: Tensor, layer: str, target: Target) -> Tensor:
    """(B, 3, H, W), normalised -> (B, h, w) float32 maps >= 0 of the positions of a layer.

    Selvaraju et al., "Grad-CAM", ICCV 2017, with A_k the channels of the layer's output and y the score:
    alpha_k = mean over positions of dy/dA_k (equation 1), map = ReLU(sum over k of alpha_k A_k) (equation 2).

    layer: a name of `model.named_modules()` with an output (B, C, h, w), such as "backbone.layer4". target: from the
    model's output to one score per image (B,), such as `to_identity()` or `to_embedding(other)`.

    It shows where the layer holds what raises the score, to first order, not that the network needs it, and nothing of
    what lowers the score: a map of zeros means that nothing here raises it. Values of different images, layers and
    networks have no common unit: divide by the maximum before comparing.

    The model runs in eval mode, each image for itself; its modes and gradients are restored. Raises ValueError for
    another layer, and for a target that gives anything else or does not depend on the layer.
    """
    modules = dict(model.named_modules())
    if layer not in modules:
        raise ValueError(
            f"no submodule is called {layer!r}: choose one of {', '.join(list(modules)[1:8])}, …"
        )
    tapped: list[Tensor] = []

    def tap(module: nn.Module, inputs: tuple, output: Tensor) -> Tensor:
        if not (isinstance(output, Tensor) and output.ndim == 4):
            shape = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise ValueError(f"{layer!r} outputs {shape}: Grad-CAM needs a map (B, C, h, w).")
        # A leaf: gradients need not flow below it, nor to parameters. The copy: what follows may write into it.
        tapped[:] = [output.detach().requires_grad_()]
        return tapped[0].clone()

    with modules[layer].register_forward_hook(tap), evaluating(model), torch.enable_grad():
        scores = target(model(images))
        if scores.shape != images.shape[:1]:
            raise ValueError(
                f"expected a target with one score per image ({len(images)},), got {tuple(scores.shape)}."
            )
        gradient = None
        if scores.requires_grad:
            (gradient,) = torch.autograd.grad(scores.sum(), tapped, allow_unused=True)
    if gradient is None:
        raise ValueError(
            f"the target does not depend on {layer!r}: choose a layer that the score is made from."
        )
    values, gradient = tapped[0].detach().float(), gradient.float()
    alpha = gradient.mean((2, 3), keepdim=True)
    return F.relu((alpha * values).sum(1))


def to_identity(pids: Tensor | None = None) -> Target:
    """The score of `grad_cam` that asks why this person: the logit of training identities pids, (B,) integers.

    None: of each image's highest logit. Only people of the training set have one: for anybody else this shows
    what looks like some other person. Ask `to_embedding` then.
    """

    def score(output: Tensor) -> Tensor:
        wanted = output.logits.argmax(1) if pids is None else pids.to(output.logits.device)
        return output.logits.gather(1, wanted[:, None])[:, 0]

    return score


def to_embedding(embedding: Tensor) -> Target:
    """The score of `grad_cam` that asks why these two are alike: the cosine to another image's embedding.

    embedding: (B, F), one for each image, or (1, F) for all. This is what retrieval ranks by, and it works for
    people whom the network never saw. The other image's embedding stays fixed (no gradient): the map shows what in
    this image is like the other one; for the other's side, swap the two.
    """
    embedding = embedding.detach()
    return lambda output: F.cosine_similarity(output.embedding, embedding.to(output.embedding.device))
