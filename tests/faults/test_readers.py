"""Properties of the pure functions that read what others wrote: any text and any numbers give a value or one error."""

import re
import struct
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rga.data import folder, msmt17
from rga.data.cuhk03.matlab import read_columns
from rga.data.cuhk03.protocols import read_new_protocol
from rga.data.file_names import names_in
from rga.data.images import is_image, is_unreadable_image, printable
from rga.data.sampler import PKSampler
from rga.data.transforms import draw
from rga.models.weights_files import differences, unwrap

# Found again on every machine: no examples are kept between runs.
FUZZ = settings(
    max_examples=100,
    deadline=20_000,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
TEXT = st.text(max_size=30)


@FUZZ
@given(st.lists(st.lists(TEXT, max_size=5), max_size=4), st.sampled_from(",;\t"), st.booleans())
def test_any_table_is_read_or_refused(tmp_path_factory, rows, separator, header):
    place = tmp_path_factory.getbasetemp()
    first = ["path,pid,camid,split".replace(",", separator)] if header else []
    text = "\n".join(first + [separator.join(row) for row in rows])
    (place / "samples.csv").write_text(text, encoding="utf-8", errors="surrogatepass")
    try:
        found = folder.read_table(place, "samples.csv")
    except (ValueError, OSError) as error:
        assert "samples.csv" in str(error) or "name too long" in str(error)
    else:
        assert all(image.pid and image.camid for images in found.values() for image in images)


LINES = st.lists(st.one_of(TEXT, st.from_regex(msmt17.LINE, fullmatch=True)), max_size=5)


@FUZZ
@given(LINES)
def test_any_list_of_msmt17_is_read_or_refused(tmp_path_factory, lines):
    path = tmp_path_factory.getbasetemp() / "list_train.txt"
    path.write_text("\n".join(lines), encoding="utf-8", errors="surrogatepass")
    try:
        rows = msmt17.read_list(path)
    except ValueError as error:
        assert re.search(r"list_train\.txt, line \d+: expected an image", str(error))
    else:
        assert all(pid >= 0 and 0 <= camid <= 99 for _, pid, camid in rows)


NAMES = st.text(st.characters(exclude_characters="/\x00", codec="utf-8"), min_size=1, max_size=12)


@FUZZ
@given(
    st.lists(NAMES, max_size=3),
    st.sampled_from([r"(?P<pid>\d+)_(?P<camid>\d*)", r"(?P<pid>[^_]*)_?(?P<camid>.)?"]),
)
def test_any_file_name_is_read_or_listed(tmp_path_factory, names, pattern):
    place = tmp_path_factory.mktemp("names")
    for name in names:
        try:
            (place / f"{name}.png").touch()
        except OSError:  # too long, or none of this system's names
            continue
    try:
        found = names_in(place, re.compile(pattern))
    except ValueError as error:
        assert "are not named as expected" in str(error) or "have no pid or no camid" in str(error)
    else:
        assert all(image.pid and image.camid for image in found)


@FUZZ
@given(st.binary(max_size=40).map(lambda raw: raw.decode("utf-8", "surrogateescape")))
def test_any_name_is_an_image_or_not_and_printable(name):
    assert not (is_image(name) and is_unreadable_image(name))
    printable(name).encode("utf-8")


ELEMENTS = st.lists(
    st.tuples(st.sampled_from([0, 1, 2, 5, 6, 9, 14, 15, 16, 2**16 + 1, 2**31]), st.binary(max_size=24)),
    max_size=6,
)


@FUZZ
@given(ELEMENTS, st.integers(-9, 9), st.sampled_from([b"IM", b"MI"]))
def test_any_mat_file_is_read_or_refused(tmp_path_factory, elements, wrong, order):
    body = b"".join(struct.pack("<II", kind, max(0, len(raw) + wrong)) + raw for kind, raw in elements)
    for inside in (body, struct.pack("<II", 14, len(body)) + body):
        path = tmp_path_factory.getbasetemp() / "protocol.mat"
        path.write_bytes(bytes(124) + b"\x00\x01" + order + inside)
        with pytest.raises(ValueError, match=r"protocol\.mat must be the file of this name"):
            read_new_protocol(path)
        try:
            assert isinstance(read_columns(path), dict)
        except (ValueError, LookupError, struct.error, zlib.error):
            pass


@FUZZ
@given(
    st.lists(st.integers(0, 5), max_size=30),
    st.integers(-1, 5),
    st.integers(-1, 4),
    st.booleans(),
    st.booleans(),
    st.integers(0, 2**70),
)
def test_any_sampler_has_whole_batches_or_is_refused(pids, p, k, drop_last, every_image, seed):
    try:
        sampler = PKSampler(pids, p, k, seed, drop_last, every_image)
    except ValueError as error:
        assert "at least 2" in str(error) or "choose a smaller p" in str(error)
        return
    batches = list(sampler)
    assert len(batches) == len(sampler)
    for batch in batches[: None if drop_last or every_image else -1]:
        people = [pids[index] for index, _ in batch]
        assert len(batch) == p * k and len(set(people)) == p
    if every_image:
        assert {index for batch in batches for index, _ in batch} == set(range(len(pids)))


@FUZZ
@given(st.integers(0, 2**63 - 2), st.integers(1, 600), st.integers(1, 600))
def test_any_draw_lies_inside_its_image(seed, height, width):
    drawn = draw(seed, (height, width))
    top, left, tall, wide = drawn.erased
    assert 0 <= drawn.top <= drawn.resized[0] - height and 0 <= drawn.left <= drawn.resized[1] - width
    assert 0 <= top <= top + tall <= height and 0 <= left <= left + wide <= width


VALUES = st.recursive(
    st.one_of(st.none(), st.integers(), TEXT, st.just(np.float32(1))),
    lambda inner: st.dictionaries(
        st.sampled_from(["state_dict", "model", "net", "module.a", "a", "epoch"]), inner
    ),
    max_leaves=8,
)


@FUZZ
@given(VALUES)
def test_any_content_of_a_weights_file_is_a_state_dict_or_none(content):
    state, words = unwrap(content)
    assert isinstance(words, str) and differences(state, {}) == "" or state
