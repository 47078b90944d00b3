"""What the package promises is there, by the old import paths too, and explained; examples run; importing is quiet."""

import dataclasses
import doctest
import enum
import importlib
import inspect
import pkgutil
import re
import shutil
import subprocess
import sys
from contextlib import chdir

import pytest
from store_public_names import FOLDER, TABLE, breaks, promised, public_modules, today, with_tables

import rga

MODULES = public_modules()
PAGES = sorted(FOLDER.glob("*.md"))
STORE = "python tests/store_public_names.py"

# Every public name of version 0.1, by the path that it was imported from before modules moved into rooms.
PROMISED = {
    "rga": """
        Embeddings Evaluation Log __version__ allocation capture checkpoint data embed evaluate export
        fit gradcam losses metrics models plot recipes runs schedule search
    """,
    "rga.losses": "batch_hard check_pairs hardest identity_loss pairwise_euclidean triplet_loss",
    "rga.schedule": "paper_schedule short_schedule",
    "rga.recipes": "Recipe cpu_has_bfloat16 fast named paper quick",
    "rga.metrics": """
        Calibration CameraPairs Deletion Interval MapScore Pairs PrecisionRecall ROC Ranking Threshold
        attended_cells attention_share calibrate chance_rank1 confidence_interval
        confidence_of_difference coverage delete_cells deletion_effect detail_share distance_rows
        elsewhere evaluate_camera_pairs evaluate_features evaluate_ranking evaluate_single_shot expand
        mean_precision_recall multi_query_features pairwise_distance pointing_game precision_recall
        rerank roc threshold_at verification_pairs
    """,
    "rga.models": """
        ATTENTION CBAM ChannelRGA FC NonLocal Output RGA ReIDModel RelationScore SE STAGES
        SimplifiedNonLocal SpatialRGA attach create_model load_released released_state_dict resize
    """,
    "rga.data": """
        Batch DATASETS ReIDDataset Sample Splits denormalise load network_input normalise read_image
        stack_images test_loader train_loader
    """,
    "rga.plot": """
        ROLES attention channels cmc curves difference explorer failures grad_cams histograms images
        intervals node position precision_recall rank_channels ranked_lists relation_maps relations roc
        roles rows strongest_images targets
    """,
    "rga.export": "Embedder Exported to_onnx to_torch",
    "rga.search": "Found Index build_index fingerprint load_index",
    "rga.runs": "report scored test train",
    "rga.checkpoint": "kept load_model restore save",
    "rga.gradcam": "grad_cam to_embedding to_identity",
    "rga.capture": "capture evaluating",
    "rga.allocation": "keep_memory",
    "rga.data.synthetic": "DETAILS Part draw_release load read_parts read_people",
    "rga.data.transforms": "Draw crop denormalise draw enlarged erase flip normalise resize",
    "rga.data.sampler": "PKSampler",
    "rga.data.core": "Sample Splits",
    "rga.data.doctor": "check examine",
}


@pytest.fixture(scope="module")
def present():
    return today()


def flat(promises):
    return {f"{where}: {name}": what for where, names in promises.items() for name, what in names.items()}


def test_no_promise_is_broken(present):
    now = flat(present)
    broken = [
        f"{name}\n  was {was}\n  is {now.get(name)}\n"
        for name, was in flat(promised()).items()
        if breaks(was, now.get(name))
    ]
    assert not broken, (
        "this breaks a promise: it needs a new version and a line in CHANGELOG.md (CONTRIBUTING.md, Versions). Keep "
        f"the old name working; or, if the break is meant, write the new promise: {STORE}\n{''.join(broken)}"
    )


def test_every_promise_is_written_down(present):
    written = flat(promised())
    new = [f"{name}\n  {what}\n" for name, what in flat(present).items() if written.get(name) != what]
    assert not new, f"write it down: {STORE}, then look at the difference\n{''.join(new)}"


@pytest.mark.parametrize(
    "now",
    [
        None,
        "property",
        "(a, c, b=1, *, d=2)",  # another order
        "(a, b=1, c, *, d=2)",
        "(a, b=2, *, d=2)",  # another default
        "(a, *, b=1, d=2)",  # by name only
        "(a, b=1, *)",
        "(a, b=1, *, d=2, e)",  # a new one that must be given
        "(a, b=1, e, *, d=2)",
    ],
)
def test_what_breaks_a_promise(now):
    assert breaks("(a, b=1, *, d=2)", now)


@pytest.mark.parametrize(
    ("was", "now"),
    [("{a, b}", "{a}"), ("[a, b]", "[a, b, c]"), ("module x", "module y"), ("property", "(self)")],
)
def test_what_else_breaks_a_promise(was, now):
    assert breaks(was, now)


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ("(a, b=1, *, d=2)", "(a, b=1, c=(0,1), *, e=3, d=2)"),
        ("(a)", "(a, *, e=3)"),
        ("()", "(a=1)"),
        ("(a)", "(a, **options)"),
        ("{a, b}", "{c, b, a}"),
        ("[a, b]", "[a, b]"),
    ],
)
def test_what_keeps_a_promise(was, now):
    assert not breaks(was, now)


@pytest.mark.parametrize("name", MODULES)
def test_all_names_this_packages_own(name):
    module = importlib.import_module(name)
    assert len(set(module.__all__)) == len(module.__all__)
    for value in (getattr(module, each) for each in module.__all__):
        assert not callable(value) or value.__module__.startswith("rga.")


@pytest.mark.parametrize(
    "name", [name for name in MODULES if hasattr(importlib.import_module(name), "__path__")]
)
def test_what_a_public_package_defines_itself_is_in_its_all(name):
    module = importlib.import_module(name)
    own = {each for each, value in vars(module).items() if getattr(value, "__module__", None) == name}
    assert {each for each in own if not each.startswith("_")} <= set(module.__all__)


CALLABLES = {
    f"{name}.{each}": getattr(importlib.import_module(name), each)
    for name in MODULES
    for each in importlib.import_module(name).__all__
    if callable(getattr(importlib.import_module(name), each))
}


# The fields of these are explained beside themselves.
FIELDS = {
    name for name, value in CALLABLES.items() if dataclasses.is_dataclass(value) or hasattr(value, "_fields")
}
FUNCTIONS = sorted(
    {name for name, value in CALLABLES.items() if not isinstance(value, enum.EnumType)} - FIELDS
)


@pytest.mark.parametrize("name", CALLABLES)
def test_a_public_name_is_explained_in_words_of_its_own(name):
    """Not in those that dataclass and NamedTuple write; methods, too, but for forward: its shapes are the class's."""
    value = CALLABLES[name]
    inside = {member: what for member, what in vars(value).items() if inspect.isfunction(what)}
    inside |= {member: what for member, what in vars(value).items() if isinstance(what, property)}
    silent = [member for member, what in inside.items() if member[0] != "_" and not what.__doc__]
    assert value.__doc__ and not value.__doc__.startswith(f"{value.__name__}(")
    assert set(silent) <= {"forward"}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_more_than_three_arguments_are_explained_one_by_one(name):
    arguments = inspect.signature(CALLABLES[name]).parameters
    silent = [each for each in arguments if not re.search(rf"\b{each}\b", CALLABLES[name].__doc__)]
    assert len(arguments) <= 3 or not silent


@pytest.mark.parametrize("name", FUNCTIONS)
def test_tensors_are_explained_by_their_shape(name):
    """Such as (B, C, H, W) or (…, 3, height, width)."""
    kinds = map(str, inspect.get_annotations(CALLABLES[name]).values())
    if any(re.match(r"<class 'torch.Tensor'|.*(ndarray|Array)\b", kind) for kind in kinds):
        assert re.search(r"\([^()]*\b([A-Z]|height)\b[^()]*\)", CALLABLES[name].__doc__)


def test_every_package_is_promised_or_says_that_it_is_not():
    for found in pkgutil.iter_modules(rga.__path__, "rga."):
        if found.ispkg and found.name not in MODULES:
            assert "The project's own" in importlib.import_module(found.name).__doc__, found.name


def test_every_public_module_is_on_one_page():
    on_pages = [found[2] for page in PAGES for found in TABLE.finditer(page.read_text(encoding="utf-8"))]
    assert sorted(on_pages) == sorted(MODULES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_tables_of_names_are_as_the_code(page):
    text = page.read_text(encoding="utf-8")
    assert text == with_tables(text), f"write them: {STORE}"


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """Those whom the examples load, drawn once."""
    folder = tmp_path_factory.mktemp("drawn") / "people"
    rga.data.load("synthetic", folder, identities=(4, 3), images_per_camera=2, workers=1)
    return folder


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_examples_run(page, people, tmp_path):
    """In an empty folder, one after the other, each with what it prints (... stands for anything)."""
    shutil.copytree(people, tmp_path / "people")
    code = "\n".join(
        re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    )
    example = doctest.DocTestParser().get_doctest(code, {}, page.name, str(page), 0)
    with chdir(tmp_path):
        done = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example)
    assert done.attempted > 5 and not done.failed


def test_every_promised_name_can_be_imported_as_before():
    """In a fresh interpreter, where no other import has prepared anything."""
    lines = [f"import {module}; {module}" for module in PROMISED]
    lines += [f"from {module} import {', '.join(names.split())}" for module, names in PROMISED.items()]
    subprocess.run([sys.executable, "-W", "error", "-c", "\n".join(lines)], check=True)


def test_functions_are_not_hidden_by_modules_of_their_name():
    import rga.capture
    import rga.metrics.rerank
    import rga.models.attach
    import rga.models.resize

    for function in (rga.capture, rga.models.attach, rga.models.resize, rga.metrics.rerank, rga.plot.curves):
        assert callable(function)


def test_every_file_says_its_scope_in_one_sentence():
    for found in pkgutil.walk_packages(rga.__path__, "rga."):
        first = importlib.import_module(found.name).__doc__.splitlines()[0]
        assert first.endswith((".", "?")), f"{found.name}: {first}"


def test_old_paths_as_the_first_imports_of_all():
    """One of them is the path of a module and the name of a function, which it must not replace."""
    code = (
        "import rga.data.core; assert rga.data.core.Sample; import rga.capture; assert callable(rga.capture)"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        rga.nothing  # noqa: B018
    assert {*rga.__all__} <= {*dir(rga)}


def test_importing_alone_does_without_pytorch():
    """Nor does the module that draws people, of which each process has its own."""
    code = (
        "import sys, rga; assert not {'torch', 'numpy'} & {*sys.modules}; import rga.drawn_people.release; "
    )
    subprocess.run([sys.executable, "-c", code + "assert 'torch' not in sys.modules"], check=True)


def test_importing_is_quiet_and_does_without_jupyter():
    code = "import sys, rga; [getattr(rga, name) for name in rga.__all__]; "
    code += "print([m for m in ('IPython', 'papermill', 'matplotlib') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")
