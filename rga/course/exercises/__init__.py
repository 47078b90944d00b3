"""Exercises of the notebooks start empty; a checker hints at the first mistake, and solutions are folded away there.

One file for each notebook, under its name: dataset (01), rga_module (02), train (03), evaluate (04), ablation (05),
transfer (06).
A checker tries an answer stage by stage and returns "all stages passed", "not written yet" and what is asked, or what
the first failing stage expected, got, and a hint.
"""

from rga.course.exercises.ablation import check_paired, check_plan, check_share
from rga.course.exercises.dataset import check_junk, check_leak, check_sampler
from rga.course.exercises.evaluate import (
    check_average_precision,
    check_bootstrap,
    check_match_ranks,
    check_threshold,
)
from rga.course.exercises.rga_module import (
    Layers,
    check_logits,
    check_low_cost,
    check_node,
    check_row_half,
)
from rga.course.exercises.train import check_hardest, check_schedule, check_smoothing, check_step
from rga.course.exercises.transfer import check_gate, check_insert, check_on_map

__all__ = [
    "Layers",
    "check_average_precision",
    "check_bootstrap",
    "check_gate",
    "check_hardest",
    "check_insert",
    "check_junk",
    "check_leak",
    "check_logits",
    "check_low_cost",
    "check_match_ranks",
    "check_node",
    "check_on_map",
    "check_paired",
    "check_plan",
    "check_row_half",
    "check_sampler",
    "check_schedule",
    "check_share",
    "check_smoothing",
    "check_step",
    "check_threshold",
]
