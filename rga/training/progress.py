"""Progress of a training run: a bar for a person, lines for a batch job, live curves in a notebook."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from tqdm.auto import tqdm

from rga.training.log import Log

Draw = Callable[[Sequence[Log]], object]


def progress(logs: Iterable[Log], lines: int = 10, draw: Draw | None = None) -> Iterator[Log]:
    """Pass on the logs of `rga.fit` and show how far it is.

    A person in JupyterLab or at a terminal gets tqdm's bar with the loss and its two terms, throughput (images/s), the
    share of time spent waiting for the data loader, and the time left; papermill and nbval, where nobody watches, get
    `lines` lines on stdout, at the same steps every time. draw: makes a figure of the logs so far, such as
    `rga.plot.curves`: in a notebook that somebody watches it is redrawn every ten seconds.
    """
    bar, watched, figure, seen = None, _watched(), _Figure(draw), []
    before, pace = time.monotonic(), None
    try:
        for log in logs:
            now = time.monotonic()
            if not log.held:  # replayed logs come in no time
                pace = now - before if pace is None else 0.9 * pace + 0.1 * (now - before)
            loss = f"loss {log.loss:.3f} = {log.identity:.3f} + {log.triplet:.3f}"
            state = [loss, f"{log.images_per_second:.0f} images/s", f"{100 * log.waiting:.0f} % waiting"]
            if watched:
                bar = bar or tqdm(total=log.steps, initial=log.step - 1, unit="step", desc="training")
                bar.set_description(f"epoch {log.epoch}/{log.epochs}", refresh=False)
                bar.set_postfix_str(", ".join(state), False)
                bar.update()
                if draw is not None:
                    seen.append(log)
                    figure.update(seen, now)
            elif log.step * lines // log.steps > (log.step - 1) * lines // log.steps and not log.held:
                left = tqdm.format_interval(pace * (log.steps - log.step))
                where = [f"epoch {log.epoch}/{log.epochs}", f"step {log.step}/{log.steps}"]
                print(" · ".join([*where, *state, f"{left} left"]), flush=True)
            before = time.monotonic()
            yield log
    finally:
        if bar is not None:
            bar.close()


class _Figure:
    """A figure below the cell that is replaced as it grows; nothing outside a notebook."""

    def __init__(self, draw: Draw | None, every: float = 10.0):
        self.draw, self.every, self.handle, self.drawn = draw, every, None, time.monotonic()

    def update(self, logs: Sequence[Log], now: float) -> None:
        if self.draw is None or now - self.drawn < self.every or _kernel() is None:
            return
        from IPython.display import display

        figure, self.drawn = self.draw(logs), now
        if self.handle is None:
            self.handle = display(figure, display_id=True)
        else:
            self.handle.update(figure)


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
