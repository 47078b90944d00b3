"""What moving a trained RGA-SC network to another input size costs: how it ranks drawn people, with and without gates.

    python bench/resize.py [--checkpoint runs/train/checkpoint.pt] [--sizes 96x48 …] [--out results/resize.json]

Of a network trained on drawn people (`make train`), at every size: the scores of the network that rga.models.resize
returns; of the same without its gates, which show what the backbone loses; and of one whose gates are computed on the
training grid and upsampled, with the cosine similarity of its embeddings to the first one's.
"""

import argparse
import copy
from pathlib import Path

import torch
import torch.nn.functional as F

from rga import data, evaluate
from rga.io.json_files import write_json
from rga.io.provenance import provenance
from rga.models import RGA, resize
from rga.training import checkpoint

ROOT = Path(__file__).parent.parent


class OldGrid(torch.nn.Module):
    """A trained RGA-SC that resamples feature maps to its own grid, and its spatial gates back."""

    def __init__(self, rga):
        super().__init__()
        self.rga = rga

    def forward(self, x):
        low = F.interpolate(x, self.rga.spatial.size, mode="bilinear", antialias=True)
        gates = self.rga.spatial.attention(low)
        enlarged = F.interpolate(gates, x.shape[2:], mode="bilinear", antialias=True)
        return self.rga.channel.attention(gates * low) * enlarged * x


def with_gates(moved, trained, make):
    """A copy of `moved` with make(the RGA of `trained`) in place of every RGA."""
    changed = copy.deepcopy(moved)
    for name, module in trained.named_modules():
        if isinstance(module, RGA):
            changed.set_submodule(name, make(module))
    return changed


def measure(trained, size, splits):
    moved = resize(trained, size)
    result = evaluate(moved, splits)
    without = evaluate(with_gates(moved, trained, lambda rga: torch.nn.Identity()), splits)
    expected = evaluate(with_gates(moved, trained, OldGrid), splits)
    likeness = F.cosine_similarity(result.query.embedding, expected.query.embedding).mean()
    scores = {"moved": result.embedding, "without_gates": without.embedding, "old_grid": expected.embedding}
    return {key: {"rank1": r.rank(1), "mAP": r.mAP} for key, r in scores.items()} | {"cosine": likeness}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, default=ROOT / "runs" / "train" / "checkpoint.pt")
    parser.add_argument("--sizes", nargs="+", default=["96x48", "128x64", "160x80", "192x96"])
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "resize.json")
    args = parser.parse_args()
    if not args.checkpoint.is_file():
        parser.error(f"no network to resize: expected {args.checkpoint}, which make train writes")
    trained, splits = checkpoint.load_model(args.checkpoint), data.load("synthetic")
    sizes = {text: tuple(map(int, text.split("x"))) for text in args.sizes}
    results = {text: measure(trained, size, splits) for text, size in sizes.items()}
    settings = {"network": trained.config, "data": splits.name}
    device = next(trained.parameters()).device
    write_json(args.out, {"settings": settings, "results": results, "provenance": provenance(device)})
    print("| size | rank-1 % | without gates | gates of the old grid | cosine |\n|---|---|---|---|---|")
    for text, r in results.items():
        ranks = " | ".join(f"{100 * r[key]['rank1']:.1f}" for key in ("moved", "without_gates", "old_grid"))
        print(f"| {text} | {ranks} | {r['cosine']:.4f} |")


if __name__ == "__main__":
    main()
