"""Progress of a training run: a bar at a terminal, lines for a batch job, a line and live curves in a notebook."""

import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from tqdm import tqdm

from rga.training.log import Log

Draw = Callable[[Sequence[Log]], object]


def progress(logs: Iterable[Log], lines: int = 10, draw: Draw | None = None) -> Iterator[Log]:
    """Pass on the logs of `rga.fit` and show how far it is.

    Each state is a line: the loss and its two terms, throughput (images/s), the share of time spent waiting for the
    data loader, and the time left. A person at a terminal gets tqdm's bar; one in JupyterLab a line below the cell that
    is replaced as it changes; papermill and nbval, where nobody watches, get `lines` lines on stdout, at the same steps
    every time. draw: makes a figure of the logs so far, such as `rga.plot.curves`. A notebook shows it below the cell
    at the end, however that came, and draws it every ten seconds where somebody watches.

    In a notebook nothing of this is a widget: what is shown is still there when it is saved and opened again.
    """
    bar, notebook, watched, seen = None, _kernel() is not None, _watched(), []
    before, pace = time.monotonic(), None
    line, figure = _Output(every=0.5, shown=-math.inf), _Output(every=10, shown=before)
    try:
        for log in logs:
            now = time.monotonic()
            if not log.held:  # replayed logs come in no time
                pace = now - before if pace is None else 0.9 * pace + 0.1 * (now - before)
            seen.append(log)
            loss = f"loss {log.loss:.3f} = {log.identity:.3f} + {log.triplet:.3f}"
            state = [loss, f"{log.images_per_second:.0f} images/s", f"{100 * log.waiting:.0f} % waiting"]
            if watched and not notebook:
                bar = bar or tqdm(total=log.steps, initial=log.step - 1, unit="step", desc="training")
                bar.set_description(f"epoch {log.epoch}/{log.epochs}", refresh=False)
                bar.set_postfix_str(", ".join(state), False)
                bar.update()
            else:
                left = tqdm.format_interval((pace or 0) * (log.steps - log.step))
                where = [f"epoch {log.epoch}/{log.epochs}", f"step {log.step}/{log.steps}"]
                words = " · ".join([*where, *state, f"{left} left"])
                if watched:
                    done = 20 * log.step // log.steps
                    words = _Text(f"{'█' * done}{'░' * (20 - done)} {words}")
                    if line.due(now) or log.step == log.steps:
                        line.show(words, now)
                    if draw is not None and figure.due(now):
                        figure.show(draw(seen), now)
                elif log.step * lines // log.steps > (log.step - 1) * lines // log.steps and not log.held:
                    print(words, flush=True)
            before = time.monotonic()
            yield log
    finally:
        if bar is not None:
            bar.close()
        if notebook and draw is not None and seen:
            figure.show(draw(seen), before)


class _Text(str):
    """A line as a notebook shows it, without quotation marks."""

    __repr__ = str.__str__


class _Output:
    """Something below the cell that is replaced as it changes, every so many seconds."""

    def __init__(self, every: float, shown: float):
        self.every, self.shown, self.handle = every, shown, None

    def due(self, now: float) -> bool:
        return now - self.shown >= self.every

    def show(self, content: object, now: float) -> None:
        from IPython.display import display  # nobody needs it outside a notebook

        self.shown = now
        if self.handle is None:
            self.handle = display(content, display_id=True)
        else:
            self.handle.update(content)


def _kernel():
    """The kernel of the notebook that this runs in, or None; IPython is asked only where it runs already."""
    ipython = sys.modules.get("IPython")
    return getattr(ipython.get_ipython() if ipython else None, "kernel", None)


def _watched() -> bool:
    """Whether a person looks on: the front end of this cell takes keyboard input, or stderr is a terminal."""
    kernel = _kernel()
    if kernel is None:
        return sys.stderr.isatty()
    return bool(kernel.get_parent().get("content", {}).get("allow_stdin", False))
