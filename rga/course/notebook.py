"""Helpers of the notebooks: set-up, papermill parameters checked for misspellings, progress, checks."""

import ast
import dataclasses
import difflib
import logging
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO

import matplotlib.style
import torch
from IPython import get_ipython
from matplotlib.figure import Figure
from PIL import Image

from rga.course.errors import describe
from rga.device.cpu_threads import use_idle_cores
from rga.training.progress import progress as progress
from rga.version import __version__

STYLE = {
    "figure.dpi": 96,
    "figure.figsize": (8, 4),
    "figure.constrained_layout.use": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "image.cmap": "viridis",
}


def setup(namespace: dict, known: type | Iterable[str] = ()) -> dict:
    """Set up a notebook: logging to the cell's output, one figure style, parameters checked, a thread per idle core.

    For the third cell: `given = notebook.setup(globals(), Recipe)`. Prints a line that is the same on every
    machine. Returns, and raises, what `parameters` does.
    """
    given = parameters(namespace, known)
    if (shell := get_ipython()) is not None:
        shell.run_line_magic("matplotlib", "inline")  # a returned Figure is shown, whatever MPLBACKEND says
        shell.display_formatter.formatters["image/png"].for_type(Figure, _small_png)
    matplotlib.style.use(["tableau-colorblind10", STYLE])
    log = logging.getLogger("rga")
    log.setLevel(logging.INFO)
    log.propagate = False
    log.handlers = [logging.StreamHandler(sys.stdout)]  # stderr is never stored; one, however often called
    use_idle_cores()
    profile = namespace.get("profile")
    print(f"rga {__version__}" + (f" · profile {profile}" if profile else ""))
    return given


def _small_png(figure: Figure) -> bytes:
    """128 colours: a quarter of the bytes, so that a notebook full of images stays small."""
    drawn, small = BytesIO(), BytesIO()
    figure.savefig(drawn, format="png", bbox_inches="tight")
    colours = Image.open(drawn).convert("RGB").quantize(128, kmeans=1, dither=Image.Dither.NONE)
    colours.save(small, "png", optimize=True)
    return small.getvalue()


class UnknownParameterError(ValueError):
    """A notebook shows its message alone: a traceback would say nothing more, and hide it."""

    def _render_traceback_(self) -> list[str]:  # IPython asks for it
        return [f"ValueError: {self}"]


def parameters(namespace: dict, known: type | Iterable[str] = ()) -> dict:
    """The parameters that were given a value, {name: value}; None means "as the profile says".

    namespace: the notebook's globals(). known: names, or a dataclass whose fields are the names. papermill
    only warns about `-p epohcs 3` and continues with the default, so each name that it injected must be known
    here or be assigned in a cell above. Raises ValueError that names the nearest known parameter,
    in a notebook without a traceback.
    """
    names = [f.name for f in dataclasses.fields(known)] if dataclasses.is_dataclass(known) else list(known)
    own, injected = _assigned(namespace.get("In", ()))
    allowed = sorted(own.union(names))
    for name in injected:
        if name not in allowed:
            near = difflib.get_close_matches(name, allowed, n=1)
            guess = f"; did you mean '{near[0]}'?" if near else "."
            raise UnknownParameterError(f"unknown parameter '{name}'{guess} Known: {', '.join(allowed)}.")
    return {name: namespace[name] for name in names if namespace.get(name) is not None}


def _assigned(cells: Iterable[str]) -> tuple[set[str], list[str]]:
    """The names assigned in the cells above papermill's own, and the names that papermill assigned."""
    own: set[str] = set()
    injected: list[str] = []
    for source in cells:
        names = _targets(source)
        if source.startswith("# Parameters\n"):  # how papermill begins the cell that it writes
            injected += names
        elif not injected:
            own.update(names)
    return own, injected


def _targets(source: str) -> list[str]:
    try:
        body = ast.parse(source).body
    except SyntaxError:  # a cell that failed stays in the history
        return []
    targets = [t for node in body if isinstance(node, ast.Assign) for t in node.targets]
    targets += [node.target for node in body if isinstance(node, ast.AnnAssign)]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def check(tensor, letters: str, **sizes: int) -> None:
    """Assert a shape by its letters, `check(relations, "B N N", N=128)`, and print the sizes.

    The same letter must be the same size everywhere; a number stands for itself. Raises ValueError.
    """
    shape, names = tuple(tensor.shape), letters.split()
    wanted = [int(name) if name.isdecimal() else sizes.get(name, name) for name in names]
    found = dict(zip(names, shape, strict=False))
    fits = len(shape) == len(names) and all(
        size == (found[names[i]] if isinstance(wanted[i], str) else wanted[i]) for i, size in enumerate(shape)
    )
    if not fits:
        given = ", ".join(f"{name} = {size}" for name, size in sizes.items())
        raise ValueError(
            f"expected the shape {' × '.join(names)}{f' with {given}' if given else ''}, "
            f"got {' × '.join(map(str, shape)) or 'a single number'}."
        )
    print(f"{' × '.join(names)} = {' × '.join(map(str, shape))}")


def compare(name: str, mine, theirs, tolerance: float = 1e-6) -> None:
    """Print one line: the largest absolute difference and whether it stays within the tolerance.

    mine, theirs: tensors, arrays or numbers of one shape (else ValueError).
    """
    mine, theirs = (torch.as_tensor(x).detach().to("cpu", torch.float64) for x in (mine, theirs))
    if mine.shape != theirs.shape:
        raise ValueError(f"{name}: expected one shape, got {tuple(mine.shape)} and {tuple(theirs.shape)}.")
    difference = (mine - theirs).abs().max().item() if mine.numel() else 0.0
    verdict = "equal" if difference <= tolerance else "NOT equal"
    print(f"{name}: {verdict} within {tolerance:g} (largest difference {difference:.1g})")


@contextmanager
def expect(error: type[Exception]) -> Iterator[None]:
    """Run a body that must raise `error` and print its message; AssertionError where nothing is raised.

    Works in papermill, nbval and JupyterLab alike: papermill stops at cells tagged raises-exception.
    """
    try:
        yield
    except error as raised:
        print(describe(raised))
    else:
        raise AssertionError(f"expected {error.__name__}, but nothing was raised.")
