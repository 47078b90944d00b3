"""Progress of a training run: a bar at a terminal, lines for a batch job, a line and live curves in a notebook."""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from rga.io import bars
from rga.training.log import Log

Draw = Callable[[Sequence[Log]], object]


def progress(logs: Iterable[Log], lines: int = 10, draw: Draw | None = None) -> Iterator[Log]:
    """Pass on the logs of `rga.fit` and show how far it is.

    Each state is a line: the loss and its two terms (if it has them), throughput (images/s), the share of time spent
    waiting for the data loader, and the time left. A person at a terminal gets tqdm's bar; one in JupyterLab a line
    below the cell that is replaced as it changes; papermill and nbval, where nobody watches, get `lines` lines on
    stdout, at the same steps every time. draw: makes a figure of the logs so far, such as `rga.plot.curves`. A
    notebook shows it below the cell at the end, however that came, and draws it every ten seconds where somebody
    watches.

    In a notebook nothing of this is a widget: what is shown is still there when it is saved and opened again.
    """
    bar, notebook, watched, seen = None, bars.kernel() is not None, bars.watched(), []
    before, pace = time.monotonic(), None
    line, figure, line_at, figure_at = bars.Output(), bars.Output(), -math.inf, before
    try:
        for log in logs:
            now = time.monotonic()
            if not log.held:  # replayed logs come in no time
                pace = now - before if pace is None else 0.9 * pace + 0.1 * (now - before)
            seen.append(log)
            terms = f" = {log.identity:.3f} + {log.triplet:.3f}" if log.identity is not None else ""
            state = [
                f"loss {log.loss:.3f}{terms}",
                f"{log.images_per_second:.0f} images/s",
                f"{100 * log.waiting:.0f} % waiting",
            ]
            if watched and not notebook:
                bar = bar or bars.tqdm(total=log.steps, initial=log.step - 1, unit="step", desc="training")
                bar.set_description(f"epoch {log.epoch}/{log.epochs}", refresh=False)
                bar.set_postfix_str(", ".join(state), False)
                bar.update()
            else:
                left = bars.tqdm.format_interval((pace or 0) * (log.steps - log.step))
                where = [f"epoch {log.epoch}/{log.epochs}", f"step {log.step}/{log.steps}"]
                words = " · ".join([*where, *state, f"{left} left"])
                if watched:
                    done = 20 * log.step // log.steps
                    if now - line_at >= 0.5 or log.step == log.steps:
                        line.show(f"{'█' * done}{'░' * (20 - done)} {words}")
                        line_at = now
                    if draw is not None and now - figure_at >= 10:
                        figure.show(draw(seen))
                        figure_at = now
                elif log.step * lines // log.steps > (log.step - 1) * lines // log.steps and not log.held:
                    print(words, flush=True)
            before = time.monotonic()
            yield log
    finally:
        if bar is not None:
            bar.close()
        if notebook and draw is not None and seen:
            figure.show(draw(seen))
