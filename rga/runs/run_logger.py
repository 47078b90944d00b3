"""A run as files that others read: a table of its steps, its scores, and TensorBoard's events."""

import csv
from dataclasses import asdict
from pathlib import Path

from matplotlib.figure import Figure

from rga.metrics import Ranking

LOSSES = ("loss", "identity", "triplet", "lr", "images_per_second", "waiting")


class RunLogger:
    """Writes log.csv, a line a step, into `folder`; with tensorboard=True also events, into its folder tensorboard.

    Give it every log of `rga.fit`: a run that goes on tells its earlier steps again, so the table is always that of
    the whole run. Nothing is touched before the first log, so a run that is refused leaves the files of the one before.
    Raises ValueError if TensorBoard is asked for and not installed.
    """

    def __init__(self, folder: str | Path, tensorboard: bool = False):
        self.folder, self.file, self.events = Path(folder), None, None
        self.make_events = _tensorboard() if tensorboard else None
        self.table: csv.DictWriter | None = None
        self.told = any((self.folder / "tensorboard").glob("events.out.tfevents.*"))

    def step(self, log) -> None:
        """A log of `rga.fit`."""
        row = {name: value for name, value in asdict(log).items() if name != "held"}
        if self.table is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            line_by_line = {"newline": "", "encoding": "utf-8", "buffering": 1}
            self.file = (self.folder / "log.csv").open("w", **line_by_line)
            self.table = csv.DictWriter(self.file, list(row))
            self.table.writeheader()
        self.table.writerow(row)
        if log.held and self.told:  # TensorBoard has these already
            return
        if self.make_events and not self.events:
            # It then leaves out what an earlier run, or the part of this one that is lost, has written from here on.
            self.events = self.make_events(self.folder / "tensorboard", purge_step=log.step, flush_secs=10)
        if self.events:
            for name in LOSSES:
                self.events.add_scalar(f"train/{name}", row[name], log.step)

    def score(self, step: int, ranking: Ranking, figure: Figure | None = None) -> None:
        """A ranking after `step` steps, and a figure of it, for TensorBoard."""
        if self.events:
            self.events.add_scalar("test/rank-1", ranking.rank(1), step)
            self.events.add_scalar("test/mAP", ranking.mAP, step)
            if figure is not None:
                self.events.add_figure("gates", figure, step)

    def __enter__(self) -> "RunLogger":
        return self

    def __exit__(self, *error) -> None:
        if self.file:
            self.file.close()
        if self.events:
            self.events.close()


def _tensorboard() -> type:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ValueError(
            f"tensorboard=True needs the package tensorboard ({error}): pip install tensorboard, or leave it out: "
            "log.csv holds the same numbers."
        ) from error
    return SummaryWriter
