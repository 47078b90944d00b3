"""The page's numbers are the network's: in the file, and, in a browser, wherever the cursor goes."""

import base64
import copy
import html
import json
import math
import re
import shutil
import subprocess

import numpy as np
import pytest
import torch

from rga.data.transforms import normalise, resize
from rga.models import ATTENTION, create_model
from rga.plot.explorer_page import CELLS, RAMP, explorer

SIZE = (96, 48)  # stage 1 is 24 x 12: not a multiple of the 16 x 8 cells
IMAGES = torch.randint(0, 256, (2, 3, 12, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
IMAGES = resize(IMAGES, (120, 60))  # blots of colour
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def build(attention="rga_sc", backbone="resnet18", size=SIZE, seed=0):
    torch.manual_seed(seed)
    return create_model(backbone, attention, num_pids=2, size=size).eval()


@pytest.fixture(scope="module")
def models():
    return {"non-local": build("non_local", seed=1), "RGA": build()}


@pytest.fixture(scope="module")
def page(models):
    return explorer(models, IMAGES, ["ann", "bob"])


@pytest.fixture(scope="module")
def content(page):
    return data_of(page)


def data_of(page):
    return json.loads(
        re.search(r'<script type="application/json" id="data">(.*?)</script>', str(page), re.S)[1]
    )


def unpack(text, rows):
    """A packed matrix, and how far a number in each of its rows may be off."""
    raw = base64.b64decode(text)
    low, high = np.frombuffer(raw[: 8 * rows], "<f4").reshape(2, rows, 1).astype(float)
    steps = np.frombuffer(raw[8 * rows :], np.uint8).reshape(rows, -1)
    return low + (high - low) * steps / 255, (high - low) / 510 + 1e-6 * np.abs(high).max()


def pooled(matrix, grid, cells):
    """(…, H*W) -> (…, cells): means over blocks of positions."""
    maps = np.asarray(matrix, dtype=float).reshape(-1, *grid)
    rows, columns = ([k * n // m for k in range(m + 1)] for n, m in zip(grid, cells, strict=True))
    blocks = [
        maps[:, r0:r1, c0:c1].mean((1, 2))
        for r0, r1 in zip(rows, rows[1:], strict=False)
        for c0, c1 in zip(columns, columns[1:], strict=False)
    ]
    return np.stack(blocks, axis=1)


def pooled_relations(matrix, grid, cells):
    return pooled(pooled(matrix, grid, cells).T, grid, cells).T


@torch.no_grad()
def reference(model, person):
    """What each stage of a ResNet with RGA-SC computes, by calling its parts: no hooks."""
    net = model.backbone
    x = normalise(resize(IMAGES[person : person + 1], model.size))
    x = net.maxpool(net.relu(net.bn1(net.conv1(x))))
    stages = []
    for *blocks, attention in (net.layer1, net.layer2, net.layer3, net.layer4):
        for block in blocks:
            x = block(x)
        y = attention.spatial(x)
        stages.append(
            {
                "spatial gates": attention.spatial.attention(x).flatten(),
                "spatial": attention.spatial.relations(x)[0],
                "channel gates": attention.channel.attention(y).flatten(),
                "channel": attention.channel.relations(y)[0],
                "activations": y[0].flatten(1),
                "grid": y.shape[2:],
            }
        )
        x = attention.channel(y)
    return stages


@pytest.mark.parametrize("person", [0, 1])
def test_the_numbers_in_the_page_are_the_networks(models, content, person):
    assert [p["title"] for p in content["people"]] == ["ann", "bob"]
    for stage, truth in zip(content["models"][1]["stages"], reference(models["RGA"], person), strict=True):
        grid, cells = tuple(stage["grid"]), tuple(stage["cells"])
        assert grid == tuple(truth["grid"]) and cells == tuple(map(min, grid, CELLS))
        relations, step = unpack(stage["spatial"]["relations"][person], math.prod(cells))
        assert (np.abs(relations - pooled_relations(truth["spatial"], grid, cells)) <= step).all()
        gates, step = unpack(stage["spatial"]["gates"][person], 1)
        assert (np.abs(gates - pooled(truth["spatial gates"], grid, cells)) <= step).all()

        gates, step = unpack(stage["channel"]["gates"][person], 1)
        ranked, order = truth["channel gates"].sort(descending=True, stable=True)
        assert (np.abs(gates - ranked.numpy()) <= step).all()
        shown = stage["channel"]["order"][person]
        assert shown == order[:64].tolist()
        relations, step = unpack(stage["channel"]["relations"][person], 64)
        assert (np.abs(relations - truth["channel"][shown][:, shown].numpy()) <= step).all()
        activations, step = unpack(stage["channel"]["activations"][person], 64)
        assert (np.abs(activations - pooled(truth["activations"][shown], grid, cells)) <= step).all()


def test_non_local_weights_sum_to_one_and_have_no_gates(content):
    first, *_, last = content["models"][0]["stages"]
    weights, step = unpack(last["spatial"]["relations"][0], 18)
    assert last["cells"] == [6, 3] and "channel" not in last
    np.testing.assert_allclose(weights.sum(1), 1, atol=18 * step.max())
    assert first["spatial"]["gates"] is None and first["spatial"]["softmax"]


@pytest.mark.parametrize("attention", [name for name, build in ATTENTION.items() if build])
def test_every_attention_can_be_shown(attention):
    model = build(attention, size=(64, 32))
    stages = data_of(explorer(model, IMAGES, channels=4, cells=(4, 2)))["models"][0]["stages"]
    assert [stage["name"] for stage in stages] == ["layer1", "layer2", "layer3", "layer4"]
    for stage in stages:
        for branch in {"spatial", "channel"} & set(stage):
            found = stage[branch]
            assert found["gates"] or found["relations"]
            related = attention == "non_local" or "rga" in attention and "no_relation" not in attention
            assert bool(found["relations"]) == related


def test_a_model_without_attention_is_refused_by_name():
    with pytest.raises(ValueError, match="'plain' has no gates and no relations"):
        explorer({"plain": build("none")}, IMAGES)


def test_the_models_stay_as_they_were(models):
    model = models["RGA"]
    model.train()
    model.backbone.layer1.eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    try:
        evaluated = str(explorer(models, IMAGES, ["ann", "bob"]))
        assert model.training and model.neck.training and not model.backbone.layer1[0].training
        assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
        assert not any(module._forward_hooks for module in model.modules())
    finally:
        model.eval()
    assert evaluated == str(explorer(models, IMAGES, ["ann", "bob"]))


def test_a_model_in_half_precision_is_shown_too():
    assert data_of(explorer(build(size=(64, 32)).bfloat16(), IMAGES, channels=4, cells=(4, 2)))["models"]


def test_a_model_alone_is_called_by_its_attention(models):
    model = explorer(models["RGA"], IMAGES[:1], cells=(4, 2), channels=4)
    assert data_of(model)["models"][0]["name"] == "resnet18 + rga_sc"


def test_floats_and_arrays_are_the_same_images(models, page):
    assert str(explorer(models, (IMAGES / 255).numpy(), ["ann", "bob"])) == str(page)


def test_wrong_arguments_say_what_to_do(models):
    with pytest.raises(ValueError, match=r"one title for each of the 2 images, got 1"):
        explorer(models, IMAGES, ["ann"])
    with pytest.raises(ValueError, match="denormalise"):
        explorer(models, normalise(IMAGES))
    with pytest.raises(ValueError, match=r"\(B, 3, H, W\), at least one, got the shape \(3, 120, 60\)"):
        explorer(models, IMAGES[0])
    with pytest.raises(ValueError, match="at least one model"):
        explorer({}, IMAGES)
    for wrong in ({"channels": 0}, {"channels": -1}, {"cells": (0, 1)}):
        with pytest.raises(ValueError, match="at least 1 × 1 cells and 1 channel"):
            explorer(models, IMAGES, **wrong)
    broken = copy.deepcopy(models["RGA"])
    torch.nn.init.constant_(broken.backbone.layer1[2].spatial.score.logit.weight, torch.nan)
    with pytest.raises(ValueError, match="got NaN or infinity: look at the network's weights"):
        explorer(broken, IMAGES, cells=(4, 2), channels=4)


def test_the_page_needs_nothing_else(page):
    assert not re.search(r"https?:|\bsrc=|@import|url\(|<link", str(page))
    assert "default-src 'none'" in str(page)


def test_titles_cannot_break_out(models):
    evil = "</script><script>alert(1)</script>"
    page = explorer({evil: models["RGA"]}, IMAGES, [evil, "<b>"], cells=(4, 2), channels=4)
    assert evil not in str(page) and '<b>"' not in str(page)
    assert data_of(page)["people"][0]["title"] == data_of(page)["models"][0]["name"] == evil


def test_a_notebook_shows_it_in_a_frame_of_its_own(page):
    frame = page._repr_html_()
    assert html.unescape(re.search(r'srcdoc="([^"]*)"', frame)[1]) == str(page)
    assert 'sandbox="allow-scripts"' in frame and "allow-same-origin" not in frame


def test_a_saved_page_is_shown_by_its_address_and_in_the_notebooks_theme(page):
    frame = page.frame("../runs/a b/page.html?<")._repr_html_()
    assert 'src="../runs/a b/page.html?&lt;"' in frame and len(frame) < 1000
    assert "[data-jp-theme-light='false'] .rga-explorer { color-scheme: dark }" in frame


def test_saved_atomically(page, tmp_path, monkeypatch):
    path = page.save(tmp_path / "new" / "page.html")
    assert path.read_text(encoding="utf-8") == str(page)
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("disk")))
    with pytest.raises(OSError, match="disk"):
        page.save(path)
    assert [file.name for file in path.parent.iterdir()] == ["page.html"]


def test_twelve_people_and_two_models_fit_in_five_megabytes():
    """At the paper's size; each person adds the same, so one and two people tell of twelve."""
    models = {name: build(backbone="resnet50", size=(256, 128), seed=seed) for seed, name in enumerate("ab")}
    people = resize(IMAGES, (256, 128))
    one, two = (len(str(explorer(models, people[:n]))) for n in (1, 2))
    assert one + 11 * (two - one) < 5e6


def browse(page, tmp_path, address, script=""):
    """The page's document after a browser opened it, and ran a script on it."""
    file = tmp_path / "page.html"
    file.write_text(str(page).replace("</body>", f"<script>{script}</script></body>"), encoding="utf-8")
    flags = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--no-first-run",
    ]
    flags += [
        f"--user-data-dir={tmp_path / 'profile'}",
        "--window-size=1200,900",
        "--virtual-time-budget=4000",
    ]
    command = [CHROMIUM, *flags, "--dump-dom", f"{file.as_uri()}#{address}"]
    return subprocess.run(command, capture_output=True, check=True, timeout=120, encoding="utf-8").stdout


def numbers(document):
    """[{what: value} for each model] as shown."""
    found = []
    for section in document.split("<section ")[1:]:
        shown = re.findall(r'data-number="(\w+)" data-value="([^"]*)"', section.split("</section>")[0])
        found.append({key: float(value) for key, value in shown})
    return found


def expected(content, model, person, stage, index):
    """The numbers that belong to one cell."""
    seen = content["models"][model]["stages"][stage]
    r, _ = unpack(seen["spatial"]["relations"][person], math.prod(seen["cells"]))
    others = np.arange(len(r)) != index
    return {
        "position": index,
        "self": r[index, index],
        "row": r[index][others].max(),
        "column": r[:, index][others].max(),
        "alike": np.corrcoef(r)[~np.eye(len(r), dtype=bool)].mean(),
    }


needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")


@needs_browser
def test_an_address_opens_the_page_at_a_position(models, page, content, tmp_path):
    shown = numbers(browse(page, tmp_path, "person=1&stage=1&branch=spatial&row=13&column=6&theme=dark"))
    index, grid = 13 * 8 + 6, (24, 12)
    for model in (0, 1):
        for key, value in expected(content, model, 1, 0, index).items():
            assert shown[model][key] == pytest.approx(value, rel=1e-4, abs=1e-7), key
    truth = reference(models["RGA"], 1)[0]
    _, step = unpack(content["models"][1]["stages"][0]["spatial"]["relations"][1], 128)
    itself = pooled_relations(truth["spatial"], grid, CELLS)[index, index]
    assert abs(shown[1]["self"] - itself) <= 1.01 * step[index, 0]
    gate = pooled(truth["spatial gates"], grid, CELLS)[0, index]
    assert shown[1]["gate"] == pytest.approx(gate, abs=1e-4) and math.isnan(shown[0]["gate"])


@needs_browser
def test_an_address_opens_the_page_at_a_channel(models, page, tmp_path):
    document = browse(page, tmp_path, "person=0&stage=3&branch=channel&rank=5")
    without, shown = numbers(document)
    truth = reference(models["RGA"], 0)[2]
    order = truth["channel gates"].argsort(descending=True, stable=True)[:64]
    r = truth["channel"][order][:, order]
    assert shown["position"] == order[5]
    step = (r.amax(1) - r.amin(1)).max().item() / 510 + 1e-6
    assert abs(shown["self"] - r[5, 5].item()) <= step
    assert abs(shown["row"] - r[5, torch.arange(64) != 5].max().item()) <= step
    assert abs(shown["column"] - r[torch.arange(64) != 5, 5].max().item()) <= step
    assert not without and "Nothing attends to channels" in document


@needs_browser
def test_a_model_without_channels_leaves_its_place_to_the_other(page, tmp_path):
    document = browse(page, tmp_path, "stage=1&branch=channel")
    assert '<main class="one">' in document
    assert re.findall('<section class="([^"]*)"', document) == ["channel nothing", "channel"]
    assert '<main class="many">' in browse(page, tmp_path, "stage=1&branch=spatial")


WIDE = """
addEventListener("load", () => setTimeout(() => {
  const shown = [...document.querySelectorAll("canvas")].map((canvas) => canvas.clientWidth).filter(Boolean);
  const dark = document.documentElement.dataset.theme;
  parent.postMessage(JSON.stringify({ shown, over: document.documentElement.scrollWidth, dark }), "*");
}, 300));
"""


@needs_browser
@pytest.mark.parametrize(("branch", "least"), [("spatial", 90), ("channel", 130)])
def test_on_a_phone_maps_are_large_enough_and_nothing_runs_over(page, tmp_path, branch, least):
    """In a frame as wide as a phone, in a page that is dark: it takes that theme."""
    inner = str(page).replace("</body>", f"<script>{WIDE}</script></body>")
    (tmp_path / "inner.html").write_text(inner, encoding="utf-8")
    outer = f"""<body style="color-scheme: dark"><iframe src="inner.html#branch={branch}" style="width: 390px"></iframe>
      <script>addEventListener("message", (m) => {{ document.body.dataset.found = m.data; }});</script></body>"""
    document = browse(outer, tmp_path, "")
    found = json.loads(html.unescape(re.search('data-found="([^"]*)"', document)[1]))
    assert min(found["shown"]) >= least and found["over"] <= 390 and found["dark"] == "dark"


POINT = """
addEventListener("load", () => setTimeout(() => {
  const results = [];
  const shown = (section) => Object.fromEntries(
    [...section.querySelectorAll("dd")].map(({ dataset }) => [dataset.number, Number(dataset.value)]));
  const read = (action) => results.push([action, [...document.querySelectorAll("section")].map(shown)]);
  const canvas = (model, map) => document.querySelector(`section[data-model="${model}"] canvas[data-map="${map}"]`);
  const fire = (type, on, row, column) => {
    const box = on.getBoundingClientRect();
    on.dispatchEvent(new PointerEvent(type, { bubbles: true, pointerType: "mouse",
      clientX: box.left + (column + 0.5) / 6 * box.width, clientY: box.top + (row + 0.5) / 12 * box.height }));
  };
  const press = (key) => canvas(0, "row").parentElement.parentElement.dispatchEvent(
    new KeyboardEvent("keydown", { bubbles: true, key }));
  fire("pointermove", canvas(1, "row"), 3, 2); read("hover row");
  const at = canvas(1, "row"), pen = at.getContext("2d"), colours = [];
  for (let k = 0; k < 72; k++) {
    const x = ((k % 6) + 0.5) / 6 * at.width, y = (Math.floor(k / 6) + 0.5) / 12 * at.height;
    const rgb = [...pen.getImageData(x, y, 1, 1).data.slice(0, 3)];
    colours.push("#" + rgb.map((c) => c.toString(16).padStart(2, "0")).join(""));
  }
  fire("pointermove", canvas(0, "all"), 11, 5); read("hover all");
  fire("pointerdown", canvas(0, "column"), 4, 1); fire("pointermove", canvas(0, "column"), 0, 0); read("pinned");
  press("Enter"); press("ArrowUp"); press("ArrowRight"); read("keys");
  document.querySelector("#person input[value='1']").click(); read("person");
  const output = document.createElement("pre");
  output.id = "results";
  output.textContent = JSON.stringify({ results, colours });
  document.body.append(output);
}, 300));
"""


@needs_browser
def test_pointing_and_keys_move_one_cursor_over_both_models(page, content, tmp_path):
    document = browse(page, tmp_path, "stage=2&heat=100&arrows=0", POINT)
    done = json.loads(html.unescape(re.search(r'<pre id="results">(.*?)</pre>', document)[1]))
    cells = {
        "hover row": (0, 20),
        "hover all": (0, 71),
        "pinned": (0, 25),
        "keys": (0, 20),
        "person": (1, 20),
    }
    assert [action for action, _ in done["results"]] == list(cells)
    for action, shown in done["results"]:
        person, index = cells[action]
        for model in (0, 1):
            for key, value in expected(content, model, person, 1, index).items():
                assert shown[model][key] == pytest.approx(value, rel=1e-4, abs=1e-7), (action, key)
    row = unpack(content["models"][1]["stages"][1]["spatial"]["relations"][0], 72)[0][20]
    steps = (row - row.min()) / np.ptp(row) * len(RAMP)
    for colour, step in zip(done["colours"], steps, strict=True):
        near = {min(int(step + tiny), len(RAMP) - 1) for tiny in (-1e-3, 1e-3)}  # float32 there, float64 here
        assert RAMP.index(colour) in near
