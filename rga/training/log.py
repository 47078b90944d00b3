"""The log of one training step: what `rga.fit` yields and checkpoints keep; curves, tables and warnings read it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Log:
    """What happened in step `step` of `steps` (from 1), which lies in epoch `epoch` of `epochs` (from 1).

    With several processes the losses are the mean over all of them, and images_per_second counts all images. The two
    terms are None where `rga.fit` was given another loss.
    """

    step: int
    steps: int
    epoch: int
    epochs: int
    loss: float  # identity + triplet, or what the loss given to `rga.fit` returned
    identity: float | None
    triplet: float | None
    lr: float
    images_per_second: float
    waiting: float  # the share of the step's time spent waiting for the data loader
    held: bool = False  # replayed from a checkpoint: a resumed run yields its earlier logs again

    @property
    def ends_epoch(self) -> bool:
        """Whether this step is the last of its epoch."""
        return self.step * self.epochs == self.epoch * self.steps
