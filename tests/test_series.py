"""The notebooks, from the first to the last, as papermill runs them: small settings, a scratch folder, real results."""

import json
import re
import subprocess
import sys

import papermill
import pytest
from store_notebooks import FOLDER

# What makes a notebook quick enough for every change; its results need only be better than chance.
SMALL = {"03_train": {"epochs": 4}}

pytestmark = pytest.mark.series


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ipynb")), ids=lambda path: path.stem)
def test_runs_from_the_top(path, tmp_path, monkeypatch):
    monkeypatch.setenv("RGA_PROFILE", "quick")
    settings = dict(SMALL.get(path.stem, {}))
    if "out" in papermill.inspect_notebook(str(path)):
        settings["out"] = str(tmp_path)
    papermill.execute_notebook(
        path, tmp_path / path.name, settings, kernel_name="python3", cwd=path.parent, progress_bar=False
    )
    if path.stem == "03_train":
        metrics = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
        assert metrics["settings"]["epochs"] == SMALL["03_train"]["epochs"]
        assert metrics["after_neck"]["rank1"] > 2 * metrics["chance_rank1"]
        assert (tmp_path / "checkpoint.pt").exists()
        assert metrics["provenance"]["torch"]


@pytest.mark.skipif(not (FOLDER / "03_train.ipynb").exists(), reason="the notebook is not here yet")
def test_a_misspelt_parameter_stops_the_run(tmp_path):
    command = [sys.executable, "-m", "papermill", "-k", "python3", "--no-progress-bar"]
    notebooks = [str(FOLDER / "03_train.ipynb"), str(tmp_path / "out.ipynb")]
    run = subprocess.run(
        [*command, *notebooks, "-p", "epohcs", "3"], capture_output=True, text=True, cwd=FOLDER.parent
    )
    assert run.returncode != 0
    assert re.search(r"ValueError: unknown parameter 'epohcs'; did you mean 'epochs'\?", run.stderr)
