"""Learning-rate schedules, stepped once an epoch: the paper's (warm-up, then halved), and a cosine for short runs."""

from collections.abc import Callable

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LinearLR, LRScheduler, SequentialLR

__all__ = ["learning_rates", "paper_schedule", "short_schedule"]

PAPER_EPOCHS = 600


def learning_rates(schedule: Callable[[Optimizer], LRScheduler], epochs: int, lr: float) -> list[float]:
    """What a schedule makes of a learning rate, epoch by epoch."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr)
    scheduler, rates = schedule(optimizer), []
    for _ in range(epochs):
        rates += scheduler.get_last_lr()
        optimizer.step()  # of nothing: a scheduler wants one before its own
        scheduler.step()
    return rates


def paper_schedule(optimizer: Optimizer) -> LambdaLR:
    """The released recipe, for 600 epochs from the optimizer's learning rate (8e-4).

    Linear warm-up from 1/100 of it over 20 epochs, then halved at epochs 80, 120, …, 360.
    """

    def factor(epoch: int) -> float:
        if epoch < 20:
            return 0.01 + 0.99 * epoch / 20
        return 0.5 ** sum(epoch >= milestone for milestone in range(80, 361, 40))

    return LambdaLR(optimizer, factor)


def short_schedule(optimizer: Optimizer, epochs: int) -> LRScheduler:
    """Linear warm-up over the first tenth of the epochs, then cosine annealing to 1/100 of the learning rate.

    Not the paper's: its steps are too far apart for a run of minutes.
    """
    warmup = max(1, epochs // 10)
    rise = LinearLR(optimizer, start_factor=0.1, total_iters=warmup)
    fall = CosineAnnealingLR(
        optimizer, T_max=max(1, epochs - warmup), eta_min=0.01 * optimizer.defaults["lr"]
    )
    return SequentialLR(optimizer, [rise, fall], milestones=[warmup])
