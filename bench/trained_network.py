"""Train the network that the repository ships, results/trained_network.pt: MobileNetV2 with RGA-SC, on drawn people.

    python bench/trained_network.py          20 minutes on one quiet CPU core; stop it as you like, it resumes

It has never seen anybody of the default set (seed 0): it is trained on 600 other people (seed 1), and tested on the 70
test people of the default set. Its weights are stored in half precision; loading makes float32 of them.
"""

import copy
import time
from pathlib import Path

from rga import data, runs
from rga.evaluation import evaluate
from rga.io.json_files import write_json
from rga.io.paths import ROOT
from rga.runs.recipes import quick
from rga.training import checkpoint
from rga.training.progress import progress

RECIPE = quick(
    backbone="mobilenet_v2",
    drawn="identities=600x10 seed=1",
    epochs=30,
    gate_lr=10.0,
    out=ROOT / "runs/trained_network",
    resume="auto",
)
FILE = ROOT / "results/trained_network.pt"


def main(file: Path = FILE) -> None:
    splits, default = RECIPE.load_data(), data.load("synthetic")
    model = RECIPE.make_model(splits.num_pids)
    before = runs.scored(evaluate(model, default).embedding)
    started = time.perf_counter()
    logs = list(progress(runs.train(RECIPE, model, splits)))
    seconds = {"training": time.perf_counter() - started}
    checkpoint.save(
        file, copy.deepcopy(model).half()
    )  # a few MB, and the same ranking: scored as it is loaded
    result = evaluate(checkpoint.load_model(file), default)
    more = {"trained_on": str(splits).splitlines()[:3], "untrained": before}
    report = runs.report(RECIPE, model, default, result, logs, seconds, **more)
    report["settings"]["out"] = str(RECIPE.out.relative_to(ROOT))
    write_json(file.with_suffix(".json"), report)
    print(result.embedding)


if __name__ == "__main__":
    main()
