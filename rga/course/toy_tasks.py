"""Toy tasks of notebook 02: boards of 6 x 4 coloured cells; for each cell, should its gate open?

A task is a name of `TASKS`, or a function of the colours, (B, 24) of 0, 1, 2 -> which cells to open, (B, 24) booleans.
Cells are counted row by row; cell 0 is the corner.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

GRID = (6, 4)
CELLS = GRID[0] * GRID[1]
FEATURES = 16
PALETTE = 4 * F.normalize(torch.randn(3, FEATURES, generator=torch.Generator().manual_seed(0)), dim=1)
Task = str | Callable[[Tensor], Tensor]
TASKS: dict[str, Callable[[Tensor], Tensor]] = {
    "odd one out": lambda colour: colour != colour.mode(1, keepdim=True).values,
    "like the corner": lambda colour: colour == colour[:, :1],
    "beats the corner": lambda colour: colour == (colour[:, :1] + 1) % 3,
}


def draw(task: Task, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Boards: features with noise (B, 16, 6, 4), colours (B, 24), which cells to open (B, 24)."""
    colour = torch.randint(3, (count, CELLS), generator=generator)
    if task == "odd one out":  # all cells but one have the same colour
        odd = torch.randint(CELLS, (count, 1), generator=generator)
        colour = (colour[:, :1] + (torch.arange(CELLS) == odd)) % 3
    wanted = (TASKS[task] if isinstance(task, str) else task)(colour)
    noise = torch.randn(count, FEATURES, CELLS, generator=generator) / 2
    return (PALETTE[colour].mT + noise).unflatten(2, GRID), colour, wanted


@dataclass(frozen=True)
class Learned:
    """How well a scorer learnt a task, and its gates on one board on the way."""

    score: float  # how often a cell to open has a higher logit than one to close; 0.5 is guessing
    colour: Tensor  # (24,) of the board
    wanted: Tensor  # (24,)
    gates: dict[int, Tensor] = field(repr=False)  # {after so many steps: (24,)}
    scorer: nn.Module = field(repr=False)


def learn(scorer: nn.Module, task: Task, steps: int = 200, look: Sequence[int] = ()) -> Learned:
    """Train a scorer, (B, 16, 6, 4) -> logits (B, 1, 6, 4), on fresh boards; it ends in evaluation mode.

    look: after so many steps its gates on one board are kept; BatchNorm then takes its statistics from 256 boards.
    """
    generator = torch.Generator().manual_seed(0)
    tests, colour, wanted = draw(task, 256, torch.Generator().manual_seed(1))
    adam = torch.optim.Adam(scorer.parameters(), lr=1e-2)
    gates = {}
    for step in range(steps + 1):
        if step in look:
            with torch.no_grad():
                gates[step] = scorer.train()(tests)[0].sigmoid().flatten()
        if step < steps:
            cells, _, target = draw(task, 64, generator)
            loss = F.binary_cross_entropy_with_logits(scorer(cells).flatten(1), target.float())
            adam.zero_grad()
            loss.backward()
            adam.step()
    with torch.no_grad():
        logits = scorer.eval()(tests).flatten(1)
    score = (logits[wanted][:, None] > logits[~wanted]).float().mean().item()
    return Learned(score, colour[0], wanted[0], gates, scorer)
