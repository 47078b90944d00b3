"""Recipes: the paper's numbers, changes by name, and refusals before anything is loaded."""

import inspect

import numpy as np
import pytest
import torch
from PIL import Image

import rga
from rga.io.paths import ROOT
from rga.runs import recipes


def test_full_is_the_papers_recipe():
    recipe = recipes.get_recipe("full")
    assert (recipe.backbone, recipe.attention, recipe.weights) == ("resnet50", "rga_sc", "imagenet")
    assert (recipe.size, recipe.p, recipe.k, recipe.epochs, recipe.lr) == ((256, 128), 16, 4, 600, 8e-4)
    assert recipe.init_gates == "released"
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], recipe.lr)
    assert recipe.make_schedule(optimizer).get_last_lr() == [pytest.approx(8e-6)]


def test_changes_and_plain_forms():
    recipe = recipes.get_recipe(
        "quick", size="256x128", root="somewhere", weights="nets/net.pt", out="runs/x"
    )
    assert recipe.size == (256, 128)
    assert recipe.root == ROOT / "somewhere"
    assert recipe.weights == str(ROOT / "nets/net.pt")
    assert recipe.checkpoint == ROOT / "runs/x/checkpoint.pt"
    assert recipes.get_recipe("quick", root="/data").root.as_posix() == "/data"
    assert recipes.get_recipe("quick").cache is True and recipes.get_recipe("full").cache is False
    assert recipes.get_recipe("quick", cache="runs/cache").cache == ROOT / "runs/cache"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"backbone": "resnet5"}, "unknown backbone 'resnet5': choose one of resnet18"),
        ({"attention": "rga"}, "unknown attention 'rga': choose one of none, rga_s"),
        ({"dataset": "duke"}, "unknown dataset 'duke': choose one of cuhk03, market1501"),
        ({"boxes": "tight"}, "unknown boxes 'tight': choose one of labeled, detected"),
        ({"init_gates": "open"}, "unknown init_gates 'open'"),
        ({"schedule": "cosine"}, "unknown schedule 'cosine': choose one of paper, short"),
        ({"k": 1}, "k must be a whole number of at least 2, got 1"),
        ({"epochs": 2.5}, "epochs must be a whole number of at least 1, got 2.5"),
        ({"lr": 0}, "lr must be a number above 0"),
        ({"lr": "fast"}, "lr must be a number above 0, got 'fast'"),
        ({"compile": "false"}, "compile must be True or False, got 'false'"),
        ({"tensorboard": 1}, "tensorboard must be True or False, got 1"),
        ({"lr": float("inf")}, "lr must be a number above 0, got inf"),
        ({"epochs": True}, "epochs must be a whole number of at least 1, got True"),
        ({"cache": "FALSE"}, "cache must be True or False or a path, got 'FALSE'"),
        ({"out": 3}, "out must be a path, got 3"),
        ({"root": ""}, "root must be None or a path, got ''"),
        ({"resume": 1}, "unknown resume 1: choose one of True, False, auto"),
        ({"weights": True}, "weights must be random or imagenet or a path, got True"),
        ({"accumulate": 3}, "p=16 identities cannot be divided among 1 processes x 3 micro-batches"),
        ({"precision": "half"}, "unknown precision 'half': choose one of fp32, tf32, bf16, fp16"),
        ({"resume": "maybe"}, "unknown resume 'maybe': choose one of True, False, auto"),
        ({"keep": 0}, "keep must be a whole number of at least 1, got 0"),
        ({"size": "256"}, "size must be .height, width. or text such as 256x128, got '256'"),
        ({"size": (32, 32)}, "at least 64x32"),
    ],
)
def test_values_that_cannot_be(change, message):
    with pytest.raises(ValueError, match=message):
        recipes.get_recipe("quick", **change)


@pytest.mark.parametrize(
    ("dataset", "boxes"), [("cuhk03", "detected"), ("market1501", "labeled"), ("msmt17", "labeled")]
)
def test_the_papers_recipe_for_its_data_sets(dataset, boxes):
    recipe = recipes.paper(dataset, boxes)
    assert recipe == recipes.get_recipe("full", dataset=dataset, boxes=boxes)
    assert (recipe.dataset, recipe.boxes, recipe.epochs) == (dataset, boxes, 600)


def test_fast_is_the_papers_network_on_the_same_data(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    paper, fast = recipes.paper("msmt17"), recipes.fast("msmt17")
    changed = {name for name in vars(paper) if getattr(paper, name) != getattr(fast, name)}
    assert changed == {"profile", "out", "init_gates", "epochs", "schedule", "precision"}


def test_fast_has_graphs_where_they_can_be(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert recipes.fast().graphs and not recipes.fast(graphs=False).graphs
    assert not recipes.fast(compile=True).graphs and not recipes.fast(accumulate=2).graphs
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert not recipes.fast().graphs


def test_a_cpu_trains_depthwise_convolutions_in_float32(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(recipes, "cpu_has_bfloat16", lambda: True)
    assert recipes.quick().precision == "bf16" and recipes.quick(backbone="mobilenet_v2").precision == "fp32"
    assert recipes.quick(backbone="mobilenet_v2", precision="bf16").precision == "bf16"


def test_every_named_recipe_says_how_it_is_run_and_what_is_known_of_it():
    for name, recipe in recipes.RECIPES.items():
        assert recipe().profile == name
        assert "python -m rga train" in recipe.__doc__


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


def test_unknown_profile():
    with pytest.raises(ValueError, match="unknown profile 'slow': choose one of quick, full, fast"):
        recipes.get_recipe("slow")


def test_loads_its_data_with_the_options_that_the_set_knows(tmp_path):
    for name in ("0001_1_a.png", "0001_2_a.png", "0002_1_a.png", "0002_2_a.png"):
        Image.fromarray(np.zeros((64, 32, 3), np.uint8)).save(tmp_path / name)
    splits = recipes.get_recipe("quick", dataset="folder", root=tmp_path).load_data()
    assert (len(splits.train), len(splits.query), len(splits.gallery)) == (2, 1, 1)
    with pytest.raises(FileNotFoundError, match="cuhk-03.mat is not in"):
        recipes.get_recipe("quick", dataset="cuhk03", root=tmp_path, protocol="classic").load_data()
