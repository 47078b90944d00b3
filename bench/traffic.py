"""Bytes that RGA moves, from shapes: what its forward pass reads and writes behind each stage of a ResNet-50.

    python bench/traffic.py [--batch 64] [--size 256 128] [--bytes 2] [--terabytes 3.0] [--tiled]

Prints a table. Every operation of `rga/models/rga.py` counts once as PyTorch runs it in training, kernel by kernel: it
reads its inputs from memory and writes its output there, weights left out. BatchNorm reads twice, once for its
statistics. The time is that of the bytes alone at so many terabytes a second; caches make it less, launches more.

--tiled counts the form of `rga/models/tiled_relations.py`, where float32 numbers count twice.
"""

import argparse

from rga.models.tiled_relations import saves

STAGES = (
    (256, 4),
    (512, 8),
    (1024, 16),
    (2048, 16),
)  # channels, and by what the image is divided (last stride 1)


def relation_score(
    nodes: int, dim: int, reduction: int = 8, tiled: bool = False
) -> dict[str, tuple[int, int]]:
    """(numbers read and written, multiply-adds) of an image, for one gate: N nodes with D features, and x itself."""
    embed = max(1, dim // reduction)
    relation = max(1, nodes // reduction)
    hidden = max(1, (1 + relation) // reduction)
    x, e, r, h = dim * nodes, 3 * embed * nodes, relation * nodes, hidden * nodes
    one, small = embed * nodes, embed * relation  # theta, phi or psi; a side of the low-rank product
    norm_and_relu = 3 + 2  # reads, statistics and all, and writes
    if tiled and saves(nodes, embed, relation):
        # copies of phi and theta, phi w_in and theta w_out, both sides put together: U and V
        products = 4 * one + 2 * (one + small) + 4 * one + 4 * small, 2 * small * nodes
        # U for its mean, its Gram matrix and the tiles; V in float32, its factor; the covariance and its product with V
        gram = 4 * embed * embed
        relations = (
            2 * one + 4 * one + 2 * one + 12 * small + 12 * gram,
            (2 * small + gram) * nodes + relation * gram,
        )
        read_back = 0
    else:
        # copies of phi and theta, phi w_in, theta' (phi w_in), theta w_out, + phi' (theta w_out) in place
        products = 4 * one + 2 * (one + small) + (one + small + r) + (one + small + 2 * r), 4 * small * nodes
        relations = norm_and_relu * r, 0
        read_back = r
    return {
        "embeddings": (x + e + norm_and_relu * e, dim * e),
        "products": products,
        "relations": relations,
        # its convolution, the mean of psi, their sum, BatchNorm and ReLU, the logit with BatchNorm and sigmoid
        "logit": (
            (read_back + h)
            + (one + nodes)
            + (nodes + h + 3 * h)
            + norm_and_relu * h
            + (h + nodes)
            + 5 * nodes,
            hidden * r + h,
        ),
        "gate times map": (x + nodes + x, 0),
    }


def stage(channels: int, height: int, width: int, tiled: bool = False) -> dict[str, tuple[int, int]]:
    """The same for RGA-S and RGA-C together."""
    spatial = relation_score(height * width, channels, tiled=tiled)
    channel = relation_score(channels, height * width, tiled=tiled)
    return {part: tuple(map(sum, zip(spatial[part], channel[part], strict=True))) for part in spatial}


def table(batch: int, size: tuple[int, int], number: int, terabytes: float, tiled: bool = False) -> list[str]:
    """Its lines: a row for every stage, and their sum."""
    made = {
        f"{i}: {c} × {size[0] // by}×{size[1] // by}": stage(c, size[0] // by, size[1] // by, tiled)
        for i, (c, by) in enumerate(STAGES, 1)
    }
    parts = list(made[next(iter(made))])
    made["all"] = {part: tuple(sum(s[part][i] for s in made.values()) for i in (0, 1)) for part in parts}
    lines = [
        f"| MiB{', tiled' * tiled} | {' | '.join(parts)} | all | multiply-adds, G | ms at {terabytes} TB/s |"
    ]
    lines.append("|---" * (len(parts) + 4) + "|")
    for name, of in made.items():
        moved = [batch * number * of[part][0] for part in parts]
        mib = " | ".join(f"{b / 2**20:.0f}" for b in [*moved, sum(moved)])
        macs = batch * sum(of[part][1] for part in parts) / 1e9
        lines.append(f"| {name} | {mib} | {macs:.1f} | {1e3 * sum(moved) / (terabytes * 1e12):.2f} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--size", nargs=2, type=int, default=(256, 128), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--bytes", type=int, default=2, help="of a number: 2 for bf16 and fp16")
    parser.add_argument("--terabytes", type=float, default=3.0, help="memory bandwidth, TB/s")
    parser.add_argument("--tiled", action="store_true", help="the relations tile by tile")
    args = parser.parse_args()
    print("\n".join(table(args.batch, args.size, args.bytes, args.terabytes, args.tiled)))


if __name__ == "__main__":
    main()
