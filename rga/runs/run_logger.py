"""A run's log as files: log.csv, a line a step, and TensorBoard events."""

import csv
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from rga.metrics import Ranking
from rga.training.log import Log

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LOSSES = ("loss", "identity", "triplet", "lr", "images_per_second", "waiting")


class RunLogger:
    """Writes log.csv into `folder`; with tensorboard=True also events, into its subfolder tensorboard.

    Pass it every log of `rga.fit`: a resumed run replays its logs, so log.csv always holds the whole run. No file is
    touched before the first log, so a run that is refused leaves those of the run before it.
    Raises ValueError if TensorBoard is asked for and not installed.
    """

    def __init__(self, folder: str | Path, tensorboard: bool = False):
        self.folder, self.file, self.events = Path(folder), None, None
        self.make_events = _tensorboard() if tensorboard else None
        self.table: csv.DictWriter | None = None
        self.has_events = any((self.folder / "tensorboard").glob("events.out.tfevents.*"))

    def step(self, log: Log) -> None:
        """Write a log of `rga.fit`."""
        row = {name: value for name, value in asdict(log).items() if name != "held"}
        if self.table is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            line_by_line = {"newline": "", "encoding": "utf-8", "buffering": 1}
            self.file = (self.folder / "log.csv").open("w", **line_by_line)
            self.table = csv.DictWriter(self.file, list(row))
            self.table.writeheader()
        self.table.writerow(row)
        if log.held and self.has_events:  # an earlier run wrote these
            return
        if self.make_events and not self.events:
            # purge_step: TensorBoard hides what an earlier run, or the lost part of this one, wrote from here on.
            self.events = self.make_events(self.folder / "tensorboard", purge_step=log.step, flush_secs=10)
        if self.events:
            for name in (name for name in LOSSES if row[name] is not None):
                self.events.add_scalar(f"train/{name}", row[name], log.step)

    def score(self, step: int, ranking: Ranking, figure: "Figure | None" = None) -> None:
        """Write a ranking after `step` steps, and a figure of it, to TensorBoard."""
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
