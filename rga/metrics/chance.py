"""Chance level: rank-1 of a random order, the score to beat."""

from collections import Counter

import numpy as np

from rga.metrics.inputs import NO_MATCH, Ids, as_ids


def chance_rank1(q_pids: Ids, g_pids: Ids, q_camids: Ids, g_camids: Ids, single_shot: bool = False) -> float:
    """Expected rank-1 of a random order under the same protocol: the share of matches in what is not junk.

    q_pids, q_camids: (Q,), g_pids, g_camids: (G,), identities and cameras of queries and gallery. single_shot: one in
    as many as there are people in the gallery. Raises ValueError when no query has a match.
    """
    q_pids, g_pids, q_camids, g_camids = (as_ids(x) for x in (q_pids, g_pids, q_camids, g_camids))
    kept = g_pids != -1
    images = Counter(g_pids[kept].tolist())
    junk = Counter(zip(g_pids[kept].tolist(), g_camids[kept].tolist(), strict=True))
    queries = list(zip(q_pids.tolist(), q_camids.tolist(), strict=True))
    chances = [(images[pid] - junk[pid, cam]) / max(kept.sum() - junk[pid, cam], 1) for pid, cam in queries]
    if not any(chances):
        raise ValueError(NO_MATCH)
    if single_shot:
        return 1 / len(np.unique(g_pids[kept]))
    return float(np.mean([chance for chance in chances if chance]))
