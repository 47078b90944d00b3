"""The oracle of attention: everything is grey but the person, or the detail that decides."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rga.data import synthetic
from rga.data.greyed import GREY, deciding
from rga.drawn_people.person import Part

KNOBS = {"identities": (6, 6), "images_per_camera": 2, "lookalikes": 1.0}


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return synthetic.draw_release(tmp_path_factory.mktemp("drawn") / "people", **KNOBS, workers=1)


@pytest.mark.parametrize("only", ["person", "detail"])
def test_what_is_kept_is_as_it_was_and_the_rest_is_grey(root, only):
    plain, splits = (synthetic.load(root, **KNOBS, only=which) for which in (None, only))
    assert splits.name == f"{plain.name}, only the {only}"
    assert [sample[1:] for sample in splits.train] == [sample[1:] for sample in plain.train]
    people = {(person["pair"], person["person"]): person for person in synthetic.read_people(root)}
    for before, after in zip(plain.query, splits.query, strict=True):
        whole, greyed = (np.asarray(Image.open(sample.path)) for sample in (before, after))
        parts = synthetic.read_parts(root, before.path.stem)
        pair, number = map(int, before.path.stem.split("_")[:2])
        detail = people[pair, number]["detail"]
        kept = parts == synthetic.DETAILS[detail] if only == "detail" and detail else parts > 0
        assert (greyed[kept] == whole[kept]).all() and (greyed[~kept] == GREY).all()


def test_the_detail_of_somebody_in_uniform_is_all_but_the_clothes():
    clothes = {"top": 1, "bottom": 2, "shoes": 3}
    people = [{"detail": "", "attributes": clothes | {"hair": number}} for number in range(2)]
    alone = {"detail": "", "attributes": clothes | {"top": 4}}
    parts = np.array([[Part.BACKGROUND, Part.HEAD, Part.TORSO, Part.BAG]])
    assert deciding(parts, people[0], [*people, alone]).tolist() == [[False, True, False, True]]
    assert deciding(parts, alone, [*people, alone]).tolist() == [[False, True, True, True]]


def test_an_unknown_part_is_refused(root):
    with pytest.raises(ValueError, match="None or one of person, detail, got 'bag'"):
        synthetic.load(root, **KNOBS, only="bag")
