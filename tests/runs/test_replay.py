"""A recipe from the file of a run, what is said of other settings, data and code, and of other scores."""

import copy
from dataclasses import replace

import pytest
import torch

from rga.data import Splits
from rga.io.json_files import write_json
from rga.io.provenance import provenance
from rga.runs import out_folder, recipes, replay

SCORES = {"rank1": 0.5, "rank5": 0.75, "rank10": 1.0, "mAP": 0.4, "mINP": 0.3, "queries": 4}


@pytest.fixture
def splits(samples):
    return Splits("tiny", tuple(samples), tuple(samples[::5]), tuple(samples))


@pytest.fixture
def recipe(tmp_path):
    given = {
        "size": "128x32",
        "stages": 23,
        "weights": "nets/net.pt",
        "cache": tmp_path / "cache",
        "resume": "auto",
    }
    return recipes.quick(**given, lr=0.003, overwrite=True, root=tmp_path, out=tmp_path / "run")


@pytest.fixture
def metrics(recipe, splits):
    """The file of a run, and its content."""
    report = out_folder.about(recipe, splits) | {"before_neck": SCORES, "after_neck": SCORES, "processes": 1}
    file = write_json(recipe.out / "metrics.json", report | {"provenance": provenance("cpu")})
    return file, replay.read(file)


def test_the_recipe_is_the_earlier_one_but_for_its_folder(metrics, recipe):
    again = replay.recipe_like(*metrics, out="runs/again")
    own = {"out": again.out, "resume": False, "overwrite": False}
    assert again == replace(recipe, **own)
    assert replay.changed_settings(metrics[1], again) == []
    assert replay.recipe_like(*metrics).out == recipes.quick().out


def test_options_beside_it_win_and_are_said(metrics):
    changed = replay.recipe_like(*metrics, lr=0.001, stages="1", out="runs/again", resume="auto")
    assert (changed.lr, changed.stages, changed.resume) == (0.001, "1", "auto")
    expected = ["stages '23' there, '1' here", "lr 0.003 there, 0.001 here"]
    assert replay.changed_settings(metrics[1], changed) == expected


def test_a_file_of_another_version(metrics):
    file, earlier = metrics
    del earlier["settings"]["gate_lr"], earlier["settings"]["cache"]
    earlier["settings"]["warmup"] = 3
    again = replay.recipe_like(file, earlier)
    assert again.cache is True and again.gate_lr == 1  # as the named recipe has them
    assert replay.changed_settings(earlier, again) == [
        "warmup 3 there, unknown here",
        "gate_lr not recorded there, 1.0 here",
        "cache not recorded there, True here",
    ]
    earlier["settings"]["attention"] = "rga_new"
    with pytest.raises(ValueError, match="unknown attention 'rga_new'"):
        replay.recipe_like(file, earlier)


def test_the_earlier_run_is_not_replaced(metrics, recipe, tmp_path):
    file, earlier = metrics
    moved = write_json(tmp_path / "elsewhere" / "metrics.json", earlier)
    for one, out in ((file, recipe.out), (moved, recipe.out), (moved, moved.parent)):
        with pytest.raises(
            ValueError, match=f"{out.name} is the folder of the earlier run.*--out.*--overwrite"
        ):
            replay.recipe_like(one, earlier, out=out)
    file.unlink()
    recipe.out.rmdir()
    assert replay.recipe_like(moved, earlier, out=recipe.out).out == recipe.out  # there is nothing to replace


def test_data_and_code_that_are_not_as_they_were(metrics, recipe, splits):
    file, earlier = metrics
    now = provenance("cpu") | {"dirty": False}
    earlier["provenance"]["dirty"] = False
    assert replay.changed_surroundings(earlier, recipe, splits, now) == []
    other = copy.deepcopy(earlier)
    other["provenance"] |= {"torch": "2.0", "device": "a GPU", "dirty": True, "time": "long ago"}
    other["processes"] = 2
    words = replay.changed_surroundings(other, recipe, replace(splits, query=splits.query[:3]), now)
    assert words == [
        "data 'query    |     4 |      4 |       1' there, 'query    |     3 |      3 |       1' here",
        "dirty True there, False here",
        f"torch 2.0 there, {torch.__version__} here",
        f"device a GPU there, {now['device']} here",
        "processes 2 there, 1 here",
        "uncommitted changes there",
    ]
    only_settings = {name: earlier[name] for name in ("settings", "data")}  # as settings.json has it
    assert replay.changed_surroundings(only_settings, recipe, splits, now) == []


def test_scores_beside_each_other(metrics):
    file, earlier = metrics
    scores = "rank-1 50.00 % here, 50.00 % there; mAP 40.00 % here, 40.00 % there"
    assert replay.compare(file, earlier, earlier) == f"beside {file}: {scores}; the same to the last digit"
    before_only = earlier | {"before_neck": SCORES | {"mINP": 0.3 + 1e-16 * 2}}
    assert replay.compare(file, earlier, before_only).endswith("not the same")
    assert "no scores to compare" in replay.compare(file, {"settings": {}}, earlier)
    assert "no scores to compare" in replay.compare(file, earlier, {"settings": {}})


@pytest.mark.parametrize(
    "text", ["", "{", "[1]", "3", '{"settings": 1}', '{"run": {"settings": {}}}', "\xff"]
)
def test_files_that_are_of_no_run(tmp_path, text):
    (tmp_path / "file.json").write_text(text, encoding="latin-1")
    with pytest.raises(
        ValueError, match="file.json is not of a run: expected the metrics.json or settings.json"
    ):
        replay.read(tmp_path / "file.json")
    with pytest.raises(FileNotFoundError, match="expected the metrics.json"):
        replay.read(tmp_path / "none.json")
