"""What can go wrong in a training run without any error: collapse of the features, waiting for the data loader."""

import logging
import statistics
from collections.abc import Sequence

from rga.training.log import Log

logger = logging.getLogger(__name__)

LOOK_BACK = 50  # steps


def diagnose(logs: Sequence[Log], margin: float | None = 0.3) -> dict[str, str]:
    """{name: a sentence that says what is seen and what to do}; {} for a run that looks well.

    Looks at the last 50 logs; fewer tell nothing. margin: of the triplet loss, where there is one.

    collapse: a triplet loss at the margin says that all distances are equal: the features of everybody have become
    the same (Hermans et al., 2017, section 3.2). waiting: the data loader is the bottleneck for more than a fifth of
    the time.
    """
    seen: dict[str, str] = {}
    if len(logs) < LOOK_BACK:
        return seen
    recent = logs[-LOOK_BACK:]
    # Nearly every step, not the mean: a run that gets well passes the margin on its way down.
    triplets = [log.triplet for log in recent if log.triplet is not None]
    if margin and sum(abs(triplet - margin) < 0.05 * margin for triplet in triplets) >= 0.9 * LOOK_BACK:
        triplet = statistics.fmean(triplets)
        seen["collapse"] = (
            f"the triplet loss has been at the margin ({triplet:.3f}, margin {margin}) for {LOOK_BACK} steps: the "
            "features of all people have become the same. Use a smaller lr or a longer warm-up, or start from "
            "pretrained weights."
        )
    share = statistics.fmean(log.waiting for log in recent)
    if share > 0.2:
        seen["waiting"] = (
            f"{100 * share:.0f} % of the time of the last {LOOK_BACK} steps passed waiting for images: use more "
            "workers, or cache=True (in memory) or a folder (on disk)."
        )
    return seen


def warn_once(logs: Sequence[Log], margin: float | None, warned: set[str]) -> None:
    """Log what `diagnose` finds, but nothing that `warned` names already; adds to it."""
    for name, sentence in diagnose(logs, margin).items():
        if name not in warned:
            logger.warning("%s", sentence)
        warned.add(name)
