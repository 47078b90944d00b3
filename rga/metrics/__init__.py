"""How good is a ranking: distances, CMC, mAP and mINP; and whether attention lies where it should."""

from rga.metrics.attention import (
    Deletion,
    MapScore,
    attended_cells,
    attention_share,
    coverage,
    delete_cells,
    deletion_effect,
    detail_share,
    elsewhere,
    pointing_game,
)
from rga.metrics.distance import pairwise_distance
from rga.metrics.ranking import Ranking, chance_rank1, evaluate_ranking
from rga.metrics.single_shot import evaluate_single_shot

__all__ = [
    "Deletion",
    "MapScore",
    "Ranking",
    "attended_cells",
    "attention_share",
    "chance_rank1",
    "coverage",
    "delete_cells",
    "deletion_effect",
    "detail_share",
    "elsewhere",
    "evaluate_ranking",
    "evaluate_single_shot",
    "pairwise_distance",
    "pointing_game",
]
