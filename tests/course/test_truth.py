"""Maps against the truth: the masks of others are of other people, doubles have a lookalike, deletions cost."""

import numpy as np
import pytest
import torch
from torch import nn

from rga.course import truth
from rga.data import synthetic

KNOBS = {"identities": (6, 6), "images_per_camera": 2, "lookalikes": 0.5, "workers": 1}


def test_the_lift_on_ones_own_mask_is_compared_with_masks_of_other_people():
    pids = [1, 1, 2, 2, 3, 3]
    masks = [np.zeros((4, 2), bool) for _ in pids]
    for pid, mask in zip(pids, masks, strict=True):
        mask[pid - 1] = True  # everybody has a row of one's own
    maps = torch.stack([torch.from_numpy(mask).float()[None] for mask in masks])
    lift, more = truth.own_lift(maps, masks, pids)
    assert lift == pytest.approx(4) and more.value == pytest.approx(4) and more.low == pytest.approx(4)
    lift, more = truth.own_lift(torch.ones(6, 1, 4, 2), masks, pids)
    assert lift == pytest.approx(1) and (more.low, more.high) == (0, 0)


def test_doubles_are_the_people_with_a_lookalike(tmp_path):
    splits = synthetic.load(tmp_path / "drawn", **KNOBS)
    found = truth.doubles(splits.query + splits.gallery)
    people = synthetic.read_people(splits.query[0].path.parents[1])
    alike = {(person["pair"], person["person"]) for person in people if person["lookalikes"]}
    wanted = [
        s for s in splits.query + splits.gallery if tuple(map(int, s.path.stem.split("_")[:2])) in alike
    ]
    assert found.samples == wanted and wanted
    assert len(found.parts) == len(found.details) == len(found.families) == len(wanted)
    assert set(found.details) <= set(synthetic.DETAILS.values())


class Brightness(nn.Module):
    def forward(self, images):
        return type("Output", (), {"embedding": images.mean(1).flatten(1)})


def test_deleting_what_tells_people_apart_costs_most():
    images = torch.zeros(3, 3, 4, 4)
    for i in range(3):
        images[i, :, 0, i] = 1  # the first row tells who it is
    ids = [torch.tensor([0, 1, 2]), torch.tensor([0, 1, 2]), torch.tensor([1, 1, 1]), torch.tensor([2, 2, 2])]
    cells = np.zeros((3, 4, 4), bool)
    cells[:, 0] = True
    effect = truth.deletion(Brightness(), images, images.mean(1).flatten(1), ids, cells)
    assert effect.attended.mean() > 0 and effect.wins > 0.5
