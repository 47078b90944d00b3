"""Do the tests notice? Break `rga` on purpose, one place at a time, and run the tests of that place.

    python tests/try_breaks.py [--only WORD …] [--notebooks] [--out FILE]

Each break is made in a copy of the package in a temporary folder; its tests run there, one process of one thread,
until the first fails. Before, all these tests must pass in the unbroken copy. Exits with 1 if a break is not caught.
With --notebooks the notebooks of its subject take the place of the tests, by nbval (minutes each; data/ and runs/train
must be there): what would they notice alone?
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from rga.io.json_files import read_json, write_json
from rga.io.paths import ROOT
from rga.io.provenance import provenance

COPIED = ("rga", "tests", "notebooks", "results", "bench", "docs", "README.md", "pyproject.toml")
NBVAL = ["--nbval-lax", "--nbval-current-env", "--nbval-sanitize-with", "tests/nbval.cfg"]
NOTEBOOKS = {  # by the first word of a break's name
    "relation": ["02_rga_module"],
    "junk": ["01_dataset", "04_evaluate"],
    "erasing": ["01_dataset", "03_train"],
    "BatchNorm": ["03_train"],
    "stride": ["03_train"],
    "schedule": ["03_train"],
    "sampler": ["01_dataset", "03_train"],
    "AP": ["04_evaluate"],
    "mask": ["02_rga_module"],
    "triplet": ["03_train"],
    "distance": ["01_dataset", "04_evaluate"],
}


class Break(NamedTuple):
    """What is broken, and the tests that have to notice."""

    name: str
    file: str  # below rga/
    old: str  # occurs exactly once there
    new: str
    tests: str  # below tests/, separated by spaces: files, or one function where a file takes long


BREAKS = [
    Break(
        "relation: the sign of those from a node",
        "models/rga.py",
        "relation_BNK.baddbmm_(phi.mT.to(relation_BNK.dtype), theta @ w_out.T)",
        "relation_BNK.baddbmm_(phi.mT.to(relation_BNK.dtype), theta @ w_out.T, alpha=-1)",
        "models/test_rga.py::test_equals_the_released_module",
    ),
    Break(
        "relation: towards a node and from it (row and column) swapped",
        "models/rga.py",
        "w_in, w_out = self.relate.weight",
        "w_out, w_in = self.relate.weight",
        "models/test_rga.py::test_equals_the_released_module",
    ),
    Break(
        "relation: the matrix that is shown is transposed",
        "models/rga.py",
        "return theta.mT @ phi",
        "return phi.mT @ theta",
        "models/test_rga.py::test_relations_are_theta_times_phi_and_not_symmetric",
    ),
    Break(
        "junk: keeps its place in the definition",
        "metrics/ranking.py",
        "g_pids[order][~junk] == pid",
        "g_pids[order] == pid",
        "metrics/test_ranking.py",
    ),
    Break(
        "junk: keeps its place in the fast form",
        "metrics/fast_ranking.py",
        "ranks = 1 + before - junk.cumsum(dim=1)",
        "ranks = 1 + before",
        "metrics/test_ranking.py",
    ),
    Break(
        "erasing: before normalising",
        "data/loaders.py",
        "transforms.normalise(batch.images.to(device, non_blocking=True))\n"
        "    return transforms.erase(images, batch.erased)",
        "transforms.erase(batch.images.to(device, non_blocking=True), batch.erased)\n"
        "    return transforms.normalise(images)",
        "data/test_loaders.py::test_the_networks_input_is_normalised_and_erased",
    ),
    Break(
        "BatchNorm: the running variance is biased (tiles)",
        "models/tiled_relations.py",
        " * count / (count - 1)",
        "",
        "models/test_tiled_relations.py::test_equals_the_plain_form",
    ),
    Break(
        "BatchNorm: momentum on the wrong side (tiles)",
        "models/tiled_relations.py",
        "norm.running_mean.lerp_(mean.to(norm.running_mean), norm.momentum)",
        "norm.running_mean.lerp_(mean.to(norm.running_mean), 1 - norm.momentum)",
        "models/test_tiled_relations.py::test_equals_the_plain_form",
    ),
    Break(
        "BatchNorm: the neck trains with its running statistics",
        "models/reid.py",
        "self.neck(feature)",
        "self.neck.eval()(feature)",
        "models/test_reid.py::test_trains_like_the_released_network",
    ),
    Break(
        "stride: the last stage keeps 2",
        "models/backbones.py",
        "        remove_last_stride(network)\n",
        "",
        "models/test_reid.py::test_equals_the_released_network",
    ),
    Break(
        "schedule: halved an epoch late",
        "training/lr_schedule.py",
        "epoch >= milestone",
        "epoch > milestone",
        "training/test_lr_schedule.py",
    ),
    Break(
        "schedule: the short one's warm-up ends an epoch late",
        "training/lr_schedule.py",
        "milestones=[warmup]",
        "milestones=[warmup + 1]",
        "training/test_lr_schedule.py",
    ),
    Break(
        "sampler: repeats an image of an identity that has enough",
        "data/sampler.py",
        "torch.cat([torch.randperm(len(group), generator=generator) for _ in range(rounds)])",
        "torch.randint(len(group), (rounds * len(group),), generator=generator)",
        "data/test_sampler.py",
    ),
    Break(
        "sampler: repeats an identity in an epoch",
        "data/sampler.py",
        "torch.randperm(len(self.indices), generator=generator).split(self.p)",
        "torch.randint(len(self.indices), (len(self.indices),), generator=generator).split(self.p)",
        "data/test_sampler.py",
    ),
    Break(
        "AP: over all positions up to the last match, in the definition",
        "metrics/ranking.py",
        "np.mean(np.arange(1, len(ranks) + 1) / ranks)",
        "np.sum(np.arange(1, len(ranks) + 1) / ranks) / ranks[-1]",
        "metrics/test_ranking.py",
    ),
    Break(
        "AP: over all positions up to the last match, in the fast form",
        "metrics/fast_ranking.py",
        "np.add.reduceat(precision_at, starts) / counts[valid]",
        "np.add.reduceat(precision_at, starts) / ranks[lasts]",
        "metrics/test_ranking.py",
    ),
    Break(
        "mask: a figure's parts two pixels beside it",
        "drawn_people/camera.py",
        "parts.paste(Image.fromarray(values), (x, y), solid)",
        "parts.paste(Image.fromarray(values), (x + 2, y), solid)",
        "drawn_people/test_release.py::test_part_maps_lie_on_what_they_name",
    ),
    Break(
        "mask: cropped two pixels beside the image",
        "drawn_people/camera.py",
        "small[y0:y1, x0:x1]]",
        "np.roll(small, 2, axis=1)[y0:y1, x0:x1]]",
        "drawn_people/test_release.py::test_part_maps_lie_on_what_they_name",
    ),
    Break(
        "mask: upside down on the cells of a map",
        "metrics/attention.py",
        "rows @ mask @ columns.T",
        "rows[::-1] @ mask @ columns.T",
        "metrics/test_attention.py",
    ),
    Break(
        "triplet: the nearest positive",
        "training/losses.py",
        "distances.masked_fill(~same, -torch.inf).amax(1)",
        "distances.masked_fill(~same, torch.inf).amin(1)",
        "training/test_losses.py",
    ),
    Break(
        "triplet: behind the neck",
        "training/step.py",
        "feature, feature_labels = output.feature",
        "feature, feature_labels = output.embedding",
        "training/test_step.py",
    ),
    Break(
        "distance: queries are not normalised",
        "metrics/distance.py",
        "q, g_norms = F.normalize(q, dim=1), ",
        "g_norms = ",
        "metrics/test_distance.py",
    ),
]


def copy_project(folder: Path) -> None:
    """What the tests and the notebooks need, into a folder."""
    for name in COPIED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copyfile
        copy(ROOT / name, folder / name)


def broken(text: str, each: Break) -> str:
    """The text of a file with a break in it; ValueError unless its place is there exactly once."""
    if (count := text.count(each.old)) != 1:
        raise ValueError(
            f"{each.name}: expected {each.old!r} once in rga/{each.file}, found it {count} times: rewrite this break."
        )
    return text.replace(each.old, each.new)


def tests_of(each: Break, notebooks: bool) -> list[str]:
    """What has to notice: files and functions of tests, or notebooks."""
    if notebooks:
        return [f"notebooks/{name}.ipynb" for name in NOTEBOOKS[each.name.partition(":")[0]]]
    return [f"tests/{name}" for name in each.tests.split()]


def run(folder: Path, tests: list[str]) -> tuple[str | None, float]:
    """The first test that fails in a copy of the project, None if all pass, and seconds."""
    variables = os.environ | {
        "PYTHONPATH": str(folder),
        "OMP_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-rfE"]
    start = time.perf_counter()
    done = subprocess.run(
        [*command, *NBVAL, *tests], cwd=folder, env=variables, capture_output=True, text=True
    )
    seconds = time.perf_counter() - start
    if done.returncode == 0:
        return None, seconds
    first = re.search(r"^(?:FAILED|ERROR) (?:tests/)?(\S+(?: \d+)?)", done.stdout, re.MULTILINE)
    if done.returncode != 1 or first is None:
        raise RuntimeError(f"pytest did not run:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return first[1], seconds


def store(path: Path, rows: list[dict], about: dict) -> None:
    """The outcomes, beside those of other breaks that the file has."""
    known = (
        {row["break"]: row for row in read_json(path, "outcomes of breaks")["breaks"]}
        if path.exists()
        else {}
    )
    known |= {row["break"]: row for row in rows}
    ordered = [known[each.name] for each in BREAKS if each.name in known]
    write_json(path, {"breaks": ordered, "provenance": about})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", nargs="+", default=[""], help="breaks whose names hold one of these words")
    parser.add_argument(
        "--out", type=Path, help="default: in results/, a file for tests and one for notebooks"
    )
    parser.add_argument(
        "--notebooks", action="store_true", help="by the notebooks of its subject, not its tests"
    )
    args = parser.parse_args()
    name = "breaks_by_notebooks.json" if args.notebooks else "deliberate_breaks.json"
    out = args.out or ROOT / "results" / name
    chosen = [each for each in BREAKS if any(word in each.name for word in args.only)]
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        copy_project(folder)
        if args.notebooks:
            (folder / "data").symlink_to(ROOT / "data")
        else:  # unbroken notebooks are what make test runs
            files = sorted({test for each in chosen for test in tests_of(each, False)})
            failed, seconds = run(folder, files)
            if failed:
                raise SystemExit(f"{failed} fails without any break.")
            print(f"{seconds:5.0f} s  nothing broken: all tests pass")
        for each in chosen:
            file = folder / "rga" / each.file
            whole = file.read_text(encoding="utf-8")
            file.write_text(broken(whole, each), encoding="utf-8")
            shutil.rmtree(folder / "runs", ignore_errors=True)
            if args.notebooks and "04_evaluate" in NOTEBOOKS[each.name.partition(":")[0]]:
                shutil.copytree(ROOT / "runs" / "train", folder / "runs" / "train")
            caught, seconds = run(folder, tests_of(each, args.notebooks))
            file.write_text(whole, encoding="utf-8")
            rows.append({"break": each.name, "file": f"rga/{each.file}", "caught_by": caught})
            print(f"{seconds:5.0f} s  {each.name}: {caught or 'NOT CAUGHT'}", flush=True)
            store(out, rows, provenance("cpu"))
    return any(row["caught_by"] is None for row in rows)


if __name__ == "__main__":
    sys.exit(main())
