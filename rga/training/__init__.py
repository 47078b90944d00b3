"""The loops: train a network, turn images into features, score a ranking."""

from rga.engine.evaluation import Embeddings, Evaluation, embed, evaluate
from rga.engine.fit import Log, fit

__all__ = ["Embeddings", "Evaluation", "Log", "embed", "evaluate", "fit"]
