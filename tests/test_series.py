"""Training as papermill runs it: notebook 03 with small settings in a scratch folder; a real result, clear refusals.

`make test` runs all the others once, by nbval, which also compares what they print.
"""

import json
import re
import subprocess
import sys

import papermill
import pytest
from store_notebooks import FOLDER

# Few people, so that it takes a minute; the result need only be better than chance. (nbval trains on all.)
SMALL = {"epochs": 20, "drawn": "identities=24x12"}

pytestmark = pytest.mark.series


def test_training_runs_from_the_top(tmp_path, monkeypatch):
    monkeypatch.setenv("RGA_PROFILE", "quick")
    path, settings = FOLDER / "03_train.ipynb", SMALL | {"out": str(tmp_path)}
    papermill.execute_notebook(
        path, tmp_path / path.name, settings, kernel_name="python3", cwd=path.parent, progress_bar=False
    )
    metrics = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["settings"] | SMALL == metrics["settings"]
    assert metrics["after_neck"]["rank1"] > 2 * metrics["chance_rank1"]
    assert (tmp_path / "checkpoint.pt").exists()
    assert metrics["provenance"]["torch"]


def test_a_misspelt_parameter_stops_the_run(tmp_path):
    command = [sys.executable, "-m", "papermill", "-k", "python3", "--no-progress-bar"]
    notebooks = [str(FOLDER / "03_train.ipynb"), str(tmp_path / "out.ipynb")]
    run = subprocess.run(
        [*command, *notebooks, "-p", "epohcs", "3"], capture_output=True, text=True, cwd=FOLDER.parent
    )
    assert run.returncode != 0
    assert re.search(r"ValueError: unknown parameter 'epohcs'; did you mean 'epochs'\?", run.stderr)
