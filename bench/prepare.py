"""What preparing CUHK03 costs: from cuhk-03.mat to splits, as the released code and torchreid do it and as rga does.

    python bench/prepare.py [--identities 300] [--rounds 3] [--paper] [--root FOLDER] [--out bench/prepare.json]

On drawn people: `--identities` of them, in rounds, and with `--paper` or `--root` (a release drawn before) one round
on a whole release. Both kinds of boxes, both protocols. Every variant runs in a process of its own and writes into a
folder of its own beside the release; before each, the release is read once and the disk is synced, so that both read
from a warm page cache. Seconds begin after the imports: `seconds` until the splits are returned, `on_disk` until all
that was written is synced to disk. `peak_mib` is the process's peak (resident set size), `imports_mib` the part of it
that the imports take. Drawn crops have two thirds of the pixels of the real ones.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
from own_process import ROOT, run_script
from PIL import Image
from scipy.io import loadmat

VARIANTS = ("released", "rga")
BOXES = ("detected", "labeled")
PROTOCOL = "cuhk03_new_protocol_config_{}.mat"


def released(root):
    """Counts of the splits, after what reid/data_manager/cuhk03.py of the released code does (torchreid's is alike).

    One reference, one crop, one PNG at a time, with Pillow's default compression, as scipy's and imageio's imsave do;
    then all splits as JSON files, and those are read.
    """
    mat = h5py.File(root / "cuhk-03.mat", "r")

    def deref(ref):
        return mat[ref][:].T

    def extract(boxes):
        folder = root / f"images_{boxes}"
        folder.mkdir()
        people = []
        for pair, refs in enumerate(mat[boxes][0], 1):
            for person, images in enumerate(deref(refs), 1):
                paths = []
                for index, ref in enumerate(images, 1):
                    image = deref(ref)
                    if image.size == 0 or image.ndim < 3:
                        continue
                    name = f"{pair:01d}_{person:03d}_{1 if index <= 5 else 2:01d}_{index:02d}.png"
                    paths.append(str(folder / name))
                    Image.fromarray(image).save(paths[-1])
                people.append((pair, person, paths))
        return people

    def subset(people, first=0):
        return [
            (path, pid, int(Path(path).name.split("_")[2]))
            for pid, (_, _, paths) in enumerate(people, first)
            for path in paths
        ]

    def classic(people, tested):
        test = [person for person in people if [person[0], person[1]] in tested]
        train = [person for person in people if [person[0], person[1]] not in tested]
        return {"train": subset(train), "query": subset(test), "gallery": subset(test)}

    def new(boxes):
        table = loadmat(root / PROTOCOL.format(boxes))
        names, pids = table["filelist"].ravel(), table["labels"].ravel()
        indices = {key: table[f"{key}_idx"].ravel() - 1 for key in ("train", "query", "gallery")}
        classes = {pid: i for i, pid in enumerate(sorted(set(pids[indices["train"]])))}

        def sample(i, pid):
            return str(root / f"images_{boxes}" / names[i][0]), int(pid), int(names[i][0].split("_")[2])

        return {
            key: [sample(i, classes[pids[i]] if key == "train" else pids[i]) for i in rows]
            for key, rows in indices.items()
        }

    people = {boxes: extract(boxes) for boxes in BOXES}
    tests = [deref(ref).tolist() for ref in mat["testsets"][0]]
    counts = {}
    for boxes in BOXES:
        for protocol in ("classic", "new"):
            splits = (
                [classic(people[boxes], test) for test in tests] if protocol == "classic" else [new(boxes)]
            )
            file = root / f"splits_{protocol}_{boxes}.json"
            with file.open("w") as stream:
                json.dump(splits, stream, indent=4, separators=(",", ": "))
            first = json.loads(file.read_text())[0]
            counts[f"{protocol} {boxes}"] = [len(first[key]) for key in ("train", "query", "gallery")]
    return counts


def ours(root):
    """Counts of the splits, after what a user of rga calls."""
    from rga.data import cuhk03

    counts = {}
    for boxes in BOXES:
        for protocol in ("classic", "new"):
            splits = cuhk03.load(root, boxes=boxes, protocol=protocol)
            counts[f"{protocol} {boxes}"] = [len(s) for s in (splits.train, splits.query, splits.gallery)]
    return counts


def peak_mib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(variant, root):
    """One preparation in this process."""
    if variant == "rga":
        import rga.data  # noqa: F401
    before, start = peak_mib(), time.perf_counter()
    counts = {"released": released, "rga": ours}[variant](root)
    seconds = time.perf_counter() - start
    os.sync()
    on_disk = time.perf_counter() - start
    written = [path.stat().st_size for path in root.rglob("*.png")]
    return {
        "seconds": seconds,
        "on_disk": on_disk,
        "peak_mib": peak_mib(),
        "imports_mib": before,
        "images": len(written),
        "mb_of_images": sum(written) / 1e6,
        "counts": counts,
    }


def draw(folder, **settings):
    """A release, drawn in a new process: a child's peak memory starts from what its parent holds."""
    code = f"from rga.data import synthetic; synthetic.draw_release({str(folder)!r}, **{settings!r})"
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    return folder


def run(variant, release, folder):
    """The variant in a new process, on a new folder that names the release's files."""
    for name in ("cuhk-03.mat", *map(PROTOCOL.format, BOXES)):
        (folder / name).symlink_to((release / name).resolve())
    with open(release / "cuhk-03.mat", "rb", buffering=0) as file:
        while file.read(1 << 24):
            pass
    os.sync()
    return run_script(__file__, "--one", variant, folder)


def same(one, other):
    """Whether two folders hold the same images by name; of every hundredth the pixels are compared, too."""
    names = sorted(path.relative_to(one) for path in one.rglob("*.png"))
    return names == sorted(path.relative_to(other) for path in other.rglob("*.png")) and all(
        np.array_equal(*(np.asarray(Image.open(folder / name)) for folder in (one, other)))
        for name in names[::100]
    )


def compare(release, rounds):
    """Both variants, in turn; medians, and the ratio taken round by round."""
    runs = {variant: [] for variant in VARIANTS}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(dir=release.parent, prefix=".prepare-") as scratch:
            folders = {variant: Path(scratch, variant) for variant in VARIANTS}
            for variant, folder in folders.items():
                folder.mkdir()
                runs[variant].append(run(variant, release, folder))
            if runs["rga"][-1]["counts"] != runs["released"][-1]["counts"] or not same(*folders.values()):
                sys.exit(f"The two ways of preparing {release} give different images or splits.")
    figures = [key for key in runs["rga"][0] if key != "counts"]
    result = {v: {key: statistics.median(r[key] for r in runs[v]) for key in figures} for v in VARIANTS}
    for key in ("seconds", "on_disk"):
        ratios = [a[key] / b[key] for a, b in zip(runs["released"], runs["rga"], strict=True)]
        result[f"faster_{key}"] = statistics.median(ratios)
    return {"rounds": rounds, "new_labeled": runs["rga"][0]["counts"]["new labeled"], **result}


def table(results):
    lines = ["| people | variant | s | s until on disk | peak MiB | of that imports | images | MB |"]
    lines += ["|---|---|---|---|---|---|---|---|"]
    for people, result in results.items():
        for v in VARIANTS:
            r = result[v]
            lines.append(
                f"| {people} | {v} | {r['seconds']:.1f} | {r['on_disk']:.1f} | {r['peak_mib']:.0f} | "
                f"{r['imports_mib']:.0f} | {r['images']:.0f} | {r['mb_of_images']:.0f} |"
            )
    lines += ["", "| people | rounds | faster | faster until on disk |", "|---|---|---|---|"]
    for people, r in results.items():
        lines.append(
            f"| {people} | {r['rounds']} | {r['faster_seconds']:.1f}x | {r['faster_on_disk']:.1f}x |"
        )
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--one", nargs=2, metavar=("VARIANT", "FOLDER"), help="measure one variant in this process"
    )
    parser.add_argument("--identities", type=int, default=300, help="people to draw for rounds, 0 for none")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--paper", action="store_true", help="also one round on 1467 people, drawn for it")
    parser.add_argument("--root", type=Path, help="also one round on this release")
    parser.add_argument("--out", type=Path, default=ROOT / "bench" / "prepare.json")
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measure(args.one[0], Path(args.one[1]))))
        return
    results = {}
    with tempfile.TemporaryDirectory(dir=ROOT / "data", prefix=".bench-") as scratch:
        jobs = []
        if args.identities:
            half = args.identities // 2
            jobs.append((draw(Path(scratch, "some"), identities=(args.identities - half, half)), args.rounds))
        if args.paper:
            jobs.append((draw(Path(scratch, "paper"), paper_scale=True), 1))
        if args.root:
            jobs.append((args.root.expanduser().resolve(), 1))
        for release, rounds in jobs:
            results[len(json.loads((release / "people.json").read_text()))] = compare(release, rounds)
    settings = {"boxes": BOXES, "protocols": ["classic", "new"], "page_cache": "warm"}
    from rga.io.json_files import write_json
    from rga.io.provenance import provenance

    write_json(args.out, {"settings": settings, "results": results, "provenance": provenance("cpu")})
    print(table(results))


if __name__ == "__main__":
    main()
