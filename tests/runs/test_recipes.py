"""The named recipes: the paper's numbers, what fast and quick change, and on which devices."""

import pytest
import torch

from rga.runs import recipes


def test_full_is_the_papers_recipe():
    recipe = recipes.get_recipe("full")
    assert (recipe.backbone, recipe.attention, recipe.weights) == ("resnet50", "rga_sc", "imagenet")
    assert (recipe.size, recipe.p, recipe.k, recipe.epochs, recipe.lr) == ((256, 128), 16, 4, 600, 8e-4)
    assert recipe.init_gates == "released"
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], recipe.lr)
    assert recipe.make_schedule(optimizer).get_last_lr() == [pytest.approx(8e-6)]


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
    assert recipes.fast(compile="attention").graphs
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


def test_unknown_profile():
    with pytest.raises(ValueError, match="unknown profile 'slow': choose one of quick, full, fast"):
        recipes.get_recipe("slow")
