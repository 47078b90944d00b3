"""Do the notebooks run to their end on a set of one's own that has nothing of what they like to show?"""

from itertools import product

import numpy as np
import papermill
import pytest
from PIL import Image
from store_notebooks import FOLDER

# Few small images, an epoch is one step: 20 to 50 s a notebook on a busy core; 01 spends most of it on drawn people.
SMALL = {"dataset": "folder", "epochs": 2, "p": 2, "k": 2, "size": "64x32", "profile": "quick"}
SAYS = {  # what is said where there is nothing to show
    "01_dataset": ["nobody has two images from each of the cameras [1, 2]", "no such pair"],
    "03_train": ["nobody has two images from each of two cameras"],
    "04_evaluate": ["so there is no failure to show", "no query fails", "fewer than four people"],
    "05_ablation": ["nobody knows where in these images the people are"],
}

pytestmark = pytest.mark.series


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """Trained on: two people by eight cameras, an image each. Tested on: two others, whom nothing can confuse.

    Their queries are from one camera, their gallery from one that training never saw, with a single image of each:
    nobody has four views, no pair is junk, the ranking is perfect, and four images are no 20 neighbours.
    """
    root, rng = tmp_path_factory.mktemp("own"), np.random.default_rng(0)
    seen = [("train", pid, camid) for pid, camid in product((1, 2), range(1, 9))]
    seen += [(part, pid, camid) for pid in (3, 4) for part, camid in (("query", 1), ("gallery", 9))]
    colours = {1: (200, 40, 40), 2: (40, 200, 40), 3: (250, 20, 20), 4: (20, 20, 250)}
    for part, pid, camid in seen:
        image = np.clip(rng.normal(colours[pid], 5, (64, 32, 3)), 0, 255).astype(np.uint8)
        (root / part).mkdir(exist_ok=True)
        Image.fromarray(image).save(root / part / f"{pid:04d}_{camid}_0.png")
    return root


@pytest.mark.parametrize("name", SAYS)
def test_runs_to_the_end_and_says_what_is_not_there(name, own, tmp_path):
    settings = SMALL | {"root": str(own)} | ({} if name == "01_dataset" else {"out": str(tmp_path)})
    ran = papermill.execute_notebook(
        FOLDER / f"{name}.ipynb",
        tmp_path / "ran.ipynb",
        settings,
        kernel_name="python3",
        cwd=FOLDER,
        progress_bar=False,
    )
    outputs = [output for cell in ran.cells for output in cell.get("outputs", ())]
    text = "".join(output.get("text", "") + str(output.get("data", "")) for output in outputs)
    for words in SAYS[name]:
        assert words in text


def test_transfer_searches_and_trains_on_a_folder_of_ones_own(own, tmp_path):
    """Two people to train on, cameras in the test that training never saw, names that are guessed."""
    settings = {"folder": str(own), "out": str(tmp_path / "out"), "seeds": 2, "steps": 6, "profile": "quick"}
    ran = papermill.execute_notebook(
        FOLDER / "06_transfer.ipynb",
        tmp_path / "ran.ipynb",
        settings,
        kernel_name="python3",
        cwd=FOLDER,
        progress_bar=False,
    )
    text = "".join(output.get("text", "") for cell in ran.cells for output in cell.get("outputs", ()))
    assert "train/0001_1_0.png" in text and "found the very picture:" in text
    assert (tmp_path / "out/mine.pt").exists() and not (tmp_path / "out/visitors").exists()
