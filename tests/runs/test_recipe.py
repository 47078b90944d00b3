"""Each setting is stated once: fit, notebook 03 and the table in docs/ agree with it; impossible values are refused."""

import dataclasses
import inspect

import numpy as np
import papermill
import pytest
import store_settings
import torch
from PIL import Image
from store_notebooks import FOLDER

import rga
from rga.data import synthetic
from rga.io.paths import ROOT
from rga.runs import recipes
from rga.runs.recipe import CHOICES, KNOBS, Recipe, knobs
from rga.training.lr_schedule import paper_schedule

FIELDS = {field.name: field.default for field in dataclasses.fields(Recipe)}
# What a notebook's own training has, whatever the profile.
OWN = {"02_rga_module": {"epochs", "lr"}, "06_transfer": {"out"}}
OTHERS = {"06_transfer": {"seeds", "steps", "folder"}}  # it trains networks of others, by no recipe


def test_defaults_are_those_of_fit():
    theirs = inspect.signature(rga.fit).parameters
    required = {dataclasses.MISSING: inspect.Parameter.empty}
    shared = FIELDS.keys() & theirs.keys() - {"schedule"}
    assert {"p", "k", "lr", "resume"} <= shared
    for name in shared:
        assert required.get(FIELDS[name], FIELDS[name]) == theirs[name].default, name
    assert (FIELDS["schedule"], theirs["schedule"].default) == ("paper", paper_schedule)


def test_notebook_03_has_a_parameter_for_every_field():
    assert list(papermill.inspect_notebook(str(FOLDER / "03_train.ipynb"))) == list(FIELDS)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ipynb")), ids=lambda path: path.stem)
def test_notebooks_leave_the_settings_to_the_recipe(path):
    parameters = papermill.inspect_notebook(str(path))
    assert parameters.keys() - OTHERS.get(path.stem, set()) <= FIELDS.keys()
    changed = {name for name in FIELDS.keys() & parameters if parameters[name]["default"] != "None"}
    assert changed == OWN.get(path.stem, set()) | {"profile"}


def test_the_stored_table_is_that_of_the_recipe():
    assert store_settings.PAGE.read_text(encoding="utf-8") == store_settings.page(), (
        "python tests/store_settings.py"
    )


def test_values_in_their_plain_forms():
    recipe = recipes.quick(size="256x128", root="somewhere", weights="nets/net.pt", out="runs/x")
    assert recipe.size == (256, 128)
    assert recipe.root == ROOT / "somewhere"
    assert recipe.weights == str(ROOT / "nets/net.pt")
    assert recipe.checkpoint == ROOT / "runs/x/checkpoint.pt"
    assert recipes.quick(root="/data").root.as_posix() == "/data"
    assert recipes.quick().cache is True and recipes.paper().cache is False
    assert recipes.quick(cache="runs/cache").cache == ROOT / "runs/cache"


@pytest.mark.parametrize("name", CHOICES)
def test_an_unknown_choice_names_the_others(name):
    with pytest.raises(ValueError, match=f"unknown {name} 'other': choose one of {[*CHOICES[name]][0]}, "):
        recipes.quick(**{name: "other"})


def test_backbones_are_those_of_create_model():
    with pytest.raises(ValueError, match="unknown backbone 'other': choose one of resnet18, .*or timm/NAME"):
        recipes.quick(backbone="other")
    pytest.importorskip("timm")
    with pytest.raises(ValueError, match="unknown backbone 'timm/convnext_ato': .*timm/convnext_atto"):
        recipes.paper(backbone="timm/convnext_ato")
    recipe = recipes.quick(backbone="timm/resnet10t", size="64x32")
    model = recipe.make_model(3)
    assert model.config["backbone"] == "timm/resnet10t" and model.size == (64, 32)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"k": 1}, "k must be a whole number of at least 2, got 1"),
        ({"epochs": 2.5}, "epochs must be a whole number of at least 1, got 2.5"),
        ({"epochs": True}, "epochs must be a whole number of at least 1, got True"),
        ({"pattern": True}, "pattern must be None or a regular expression, got True"),
        ({"lr": 0}, "lr must be a number above 0"),
        ({"lr": "fast"}, "lr must be a number above 0, got 'fast'"),
        ({"lr": float("inf")}, "lr must be a number above 0, got inf"),
        ({"gate_lr": -1}, "gate_lr must be a number above 0, got -1"),
        ({"drawn": "crowd"}, "'crowd' is none: expected identities, seed"),
        ({"drawn": "crowds=1"}, "'crowds=1' is none"),
        ({"drawn": "seed=one"}, "'seed=one' is none"),
        ({"drawn": 1}, "drawn must be None or text such as 'crowd=1 seed=3', got 1"),
        ({"stages": 5}, "stages must be some of 1234, such as 23, got 5"),
        ({"stages": ""}, "stages must be some of 1234"),
        ({"reduction": -1}, "reduction must be None or a whole number of at least 1, got -1"),
        ({"reduction": True}, "reduction must be None or a whole number of at least 1, got True"),
        ({"reduction": 0}, "reduction must be None or a whole number of at least 1, got 0"),
        ({"graphs": "false"}, "graphs must be True or False, got 'false'"),
        ({"compile": "false"}, "unknown compile 'false': choose one of True, False, attention"),
        ({"tensorboard": 1}, "tensorboard must be True or False, got 1"),
        ({"resume": 1}, "unknown resume 1: choose one of True, False, auto"),
        ({"cache": "FALSE"}, "cache must be True or False or a path, got 'FALSE'"),
        ({"out": 3}, "out must be a path, got 3"),
        ({"root": ""}, "root must be None or a path, got ''"),
        ({"weights": True}, "weights must be random or imagenet or a path, got True"),
        ({"accumulate": 3}, "p=16 identities cannot be divided among 1 processes x 3 micro-batches"),
        ({"size": "256"}, "size must be .height, width. or text such as 256x128, got '256'"),
        ({"size": (32, 32)}, "at least 64x32"),
    ],
)
def test_impossible_values(change, message):
    with pytest.raises(ValueError, match=message):
        recipes.quick(**change)


def test_fit_takes_every_option():
    options = recipes.quick().fit_options()
    inspect.signature(rga.fit).bind(None, None, **options)
    assert options["path"] == recipes.quick().checkpoint


def test_the_seed_decides_the_weights(caplog):
    one, same, other = (recipes.quick(seed=seed).make_model(3).state_dict() for seed in (0, 0, 1))
    torch.testing.assert_close(one, same, rtol=0, atol=0)
    assert not torch.equal(one["classifier.weight"], other["classifier.weight"])
    assert not caplog.text


def test_the_papers_recipe_does_not_train_from_random_weights_silently(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(FileNotFoundError, match="ImageNet weights"):
        recipes.paper().make_model(767)
    recipes.paper(weights="random", backbone="resnet18").make_model(767)
    assert "the paper's schedule with random weights" in caplog.text


def test_drawn_people_by_their_knobs(tmp_path):
    text = "identities=4x2 images_per_camera=2 crowd=0.5 only=person"
    assert knobs(text) == {"identities": (4, 2), "images_per_camera": 2, "crowd": 0.5, "only": "person"}
    assert knobs(None) == knobs("") == {}
    splits = recipes.quick(root=tmp_path / "people", drawn=text).load_data()
    assert splits.num_pids == 4 and splits.name.endswith("only the person")


def test_every_knob_is_an_option_of_drawn_people():
    assert KNOBS.keys() == inspect.signature(synthetic.load).parameters.keys() - {
        "root", "boxes", "protocol", "split", "paper_scale", "workers",
    }  # fmt: skip


def test_stages_and_reduction_reach_the_network():
    model = recipes.quick(stages=23, reduction=4).make_model(3)
    assert model.config["stages"] == [2, 3] and model.config["reduction"] == 4
    assert recipes.quick(reduction=1).reduction == 1
    assert "stages" not in recipes.quick().make_model(3).config


def test_loads_its_data_with_the_options_that_the_set_knows(tmp_path):
    for name in ("0001_1_a.png", "0001_2_a.png", "0002_1_a.png", "0002_2_a.png"):
        Image.fromarray(np.zeros((64, 32, 3), np.uint8)).save(tmp_path / name)
    splits = recipes.get_recipe("quick", dataset="folder", root=tmp_path).load_data()
    assert (len(splits.train), len(splits.query), len(splits.gallery)) == (2, 1, 1)
    pattern = r"(?P<pid>\d+)_\d_(?P<camid>.)"
    splits = recipes.get_recipe("quick", dataset="folder", root=tmp_path, pattern=pattern).load_data()
    assert {camid for _, _, camid in splits.train} == {1}
    with pytest.raises(FileNotFoundError, match="cuhk-03.mat is not in"):
        recipes.get_recipe("quick", dataset="cuhk03", root=tmp_path, protocol="classic").load_data()
