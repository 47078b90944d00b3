"""Recipes: the paper's numbers, changes by name, and refusals before anything is loaded."""

import pytest
import torch

from rga import recipes


def test_full_is_the_papers_recipe():
    recipe = recipes.named("full")
    assert (recipe.backbone, recipe.attention, recipe.weights) == ("resnet50", "rga_sc", "imagenet")
    assert (recipe.size, recipe.p, recipe.k, recipe.epochs, recipe.lr) == ((256, 128), 16, 4, 600, 8e-4)
    assert recipe.init_gates == "released"
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], recipe.lr)
    assert recipe.make_schedule(optimizer).get_last_lr() == [pytest.approx(8e-6)]


def test_changes_and_plain_forms():
    recipe = recipes.named("quick", size="256x128", root="somewhere", weights="nets/net.pt", out="runs/x")
    assert recipe.size == (256, 128)
    assert recipe.root == recipes.ROOT / "somewhere"
    assert recipe.weights == str(recipes.ROOT / "nets/net.pt")
    assert recipe.checkpoint == recipes.ROOT / "runs/x/checkpoint.pt"
    assert recipes.named("quick", root="/data").root.as_posix() == "/data"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"backbone": "resnet5"}, "unknown backbone 'resnet5': choose one of resnet18"),
        ({"attention": "rga"}, "unknown attention 'rga': choose one of none, rga_s"),
        ({"dataset": "duke"}, "unknown dataset 'duke': choose one of cuhk03, synthetic"),
        ({"boxes": "tight"}, "unknown boxes 'tight': choose one of labeled, detected"),
        ({"init_gates": "open"}, "unknown init_gates 'open'"),
        ({"schedule": "cosine"}, "unknown schedule 'cosine': choose one of paper, short"),
        ({"k": 1}, "k must be a whole number of at least 2, got 1"),
        ({"epochs": 2.5}, "epochs must be a whole number of at least 1, got 2.5"),
        ({"lr": 0}, "lr must be above 0"),
        ({"size": "256"}, "size must be .height, width. or text such as 256x128, got '256'"),
        ({"size": (32, 32)}, "at least 64x32"),
    ],
)
def test_values_that_cannot_be(change, message):
    with pytest.raises(ValueError, match=message):
        recipes.named("quick", **change)


def test_unknown_profile():
    with pytest.raises(ValueError, match="unknown profile 'fast': choose one of quick, full"):
        recipes.named("fast")
