"""How good is a ranking: distances, CMC, mAP and mINP; and whether attention lies where it should.

`evaluate_by_definition` (ranking.py) is the reference implementation to read. Everything else ranks by
`evaluate_ranking` and `evaluate_features` (fast_ranking.py), which count instead of sorting; their tests hold them
equal to the definition.
"""

from rga.metrics.attention import (
    MapScore,
    attention_share,
    coverage,
    detail_share,
    next_person,
    pointing_game,
)
from rga.metrics.bootstrap import Interval, confidence_interval, confidence_of_difference
from rga.metrics.cameras import CameraPairs, evaluate_camera_pairs
from rga.metrics.chance import chance_rank1
from rga.metrics.curves import PrecisionRecall, mean_precision_recall, precision_recall
from rga.metrics.deletion import Deletion, attended_cells, delete_cells, deletion_effect, elsewhere
from rga.metrics.distance import distance_rows, pairwise_distance
from rga.metrics.expansion import expand
from rga.metrics.fast_ranking import evaluate_features, evaluate_ranking
from rga.metrics.multi_query import multi_query_features
from rga.metrics.paired import paired_interval, t_interval
from rga.metrics.ranking import Ranking, evaluate_by_definition, rank_query
from rga.metrics.reranking import rerank
from rga.metrics.single_shot import evaluate_single_shot
from rga.metrics.verification import (
    ROC,
    Calibration,
    Pairs,
    Threshold,
    calibrate,
    roc,
    threshold_at,
    verification_pairs,
)

__all__ = [
    "ROC",
    "Calibration",
    "CameraPairs",
    "Deletion",
    "Interval",
    "MapScore",
    "Pairs",
    "PrecisionRecall",
    "Ranking",
    "Threshold",
    "attended_cells",
    "attention_share",
    "calibrate",
    "chance_rank1",
    "confidence_interval",
    "confidence_of_difference",
    "coverage",
    "delete_cells",
    "deletion_effect",
    "detail_share",
    "distance_rows",
    "elsewhere",
    "evaluate_by_definition",
    "evaluate_camera_pairs",
    "evaluate_features",
    "evaluate_ranking",
    "evaluate_single_shot",
    "expand",
    "mean_precision_recall",
    "multi_query_features",
    "next_person",
    "paired_interval",
    "pairwise_distance",
    "pointing_game",
    "precision_recall",
    "rank_query",
    "rerank",
    "roc",
    "t_interval",
    "threshold_at",
    "verification_pairs",
]
