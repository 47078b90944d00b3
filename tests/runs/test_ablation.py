"""An ablation is resumable, repeats nothing, and each of its runs can be had again."""

import dataclasses
import json
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import pytest
import torch

from rga.runs import ablation, recipes
from rga.runs.ablation import again, read_results, run_ablation, settings, train_and_test
from rga.runs.recipe import Recipe

DRAWN = "identities=4x4 images_per_camera=2 lookalikes=1"


def tiny(root, attention="none", **options) -> Recipe:
    given = {"epochs": 1, "p": 2, "k": 2, "size": (64, 32), "precision": "fp32", "drawn": DRAWN, "root": root}
    return recipes.quick(attention=attention, **given | options)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("drawn") / "people"
    tiny(root).load_data()
    return root


def test_it_goes_on_and_repeats_nothing(root, tmp_path):
    file, runs = tmp_path / "ablation.json", {name: tiny(root, name) for name in ("none", "rga_s")}
    assert list(run_ablation(runs, file, seconds=0)) == [] and not file.exists()
    first = dict(run_ablation({"none": runs["none"]}, file))
    both = dict(run_ablation(runs, file, processes=2))
    assert both == read_results(file) == json.loads(file.read_text()) and both["none"] == first["none"]
    with pytest.raises(ValueError, match="'none' with other settings .epochs 1 there, 2 here"):
        next(run_ablation({"none": tiny(root, epochs=2)}, file))


class KilledPool(ThreadPoolExecutor):
    """A pool whose processes are killed."""

    def __init__(self, processes, *context, **initializer):
        super().__init__(processes)

    def submit(self, train, recipe):
        def killed():
            raise BrokenProcessPool

        return super().submit(killed)


def test_a_killed_process_is_said(root, tmp_path, monkeypatch):
    monkeypatch.setattr(ablation, "ProcessPoolExecutor", KilledPool)
    with pytest.raises(
        ValueError, match="killed while it trained 'none' .*Start again, with fewer processes"
    ):
        next(run_ablation({"none": tiny(root)}, tmp_path / "ablation.json"))


def test_a_run_from_its_result_gives_the_same_numbers(root):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        result = json.loads(json.dumps(train_and_test(tiny(root, "rga_sc", gate_lr=20.0))))
        repeated = train_and_test(again(result, root=root))
    finally:
        torch.set_num_threads(threads)
    assert settings(again(result)) == result["settings"] == repeated["settings"]
    for name in ("rank1", "mAP", "mINP", "before_neck", "last_loss", "attention"):
        assert repeated[name] == result[name], name


def test_where_every_attention_looks_is_scored(root):
    maps = train_and_test(tiny(root, "rga_sc", stages="24"))["attention"]
    assert list(maps) == ["features", "stage 2", "stage 4"]
    for score in maps.values():
        assert score.keys() == {"person", "others", "area", "detail", "detail_area"}
        assert 0 < score["detail_area"] < score["area"] < 1 and 0 < score["person"] < 1
    # One step of training has hardly moved the gates: they score what a uniform map does.
    assert maps["stage 2"]["person"] == pytest.approx(maps["stage 2"]["area"], abs=0.01)
    assert list(train_and_test(tiny(root))["attention"]) == ["features"]


def test_where_the_tokens_of_a_transformer_look_is_scored(root):
    pytest.importorskip("timm")
    maps = train_and_test(tiny(root, "rga_s", stages="4", backbone="timm/vit_tiny_patch16_224"))["attention"]
    assert list(maps) == ["features", "stage 4"] and all(0 < score["person"] < 1 for score in maps.values())


def test_settings_are_the_fields_that_decide(root):
    other = dataclasses.replace(tiny(root), out="elsewhere", cache=False, workers=1)
    assert settings(other) == settings(tiny(root))
