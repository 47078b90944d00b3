"""How good is a ranking: distances between features, and CMC, mAP and mINP of the order they give."""

from rga.metrics.distance import pairwise_distance
from rga.metrics.ranking import Ranking, chance_rank1, evaluate_ranking

__all__ = ["Ranking", "chance_rank1", "evaluate_ranking", "pairwise_distance"]
