"""Exercises of the notebooks: the package's own code is the solution, a checker hints at the first mistake.

One file for each notebook, under its name: dataset (01), rga_module (02), train (03), evaluate (04), ablation (05).
A checker tries an answer stage by stage and returns "all stages passed", or what the first failing stage expected, got,
and a hint.
"""

from rga.course.exercises.ablation import check_paired, check_plan, check_share
from rga.course.exercises.dataset import check_junk, check_leak, check_sampler, junk, leak, sampler
from rga.course.exercises.evaluate import (
    average_precision,
    check_average_precision,
    check_first_match,
    check_threshold,
    first_match,
    threshold,
)
from rga.course.exercises.rga_module import (
    check_low_cost,
    check_node,
    check_row_half,
    low_cost,
    node,
    row_half,
)
from rga.course.exercises.train import check_hardest, check_schedule, check_smoothing, check_step

__all__ = [
    "average_precision",
    "check_average_precision",
    "check_first_match",
    "check_hardest",
    "check_junk",
    "check_leak",
    "check_low_cost",
    "check_node",
    "check_paired",
    "check_plan",
    "check_row_half",
    "check_sampler",
    "check_schedule",
    "check_share",
    "check_smoothing",
    "check_step",
    "check_threshold",
    "first_match",
    "junk",
    "leak",
    "low_cost",
    "node",
    "row_half",
    "sampler",
    "threshold",
]
