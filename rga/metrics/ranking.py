"""The official re-identification protocol: rank the gallery for every query, leave out junk, score the order."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rga.metrics.distance import CHUNK, Metric, distance_rows

LONG = 2048  # values: from here on, counting in bins is quicker than sorting

Ids = Sequence[int] | np.ndarray | Tensor

NO_MATCH = (
    "no query has a match: a match is a gallery image of the same pid from another camera. Check that query and "
    "gallery share identities, and that camids tell the cameras apart."
)
NOT_A_NUMBER = "expected distances that are numbers, got NaN: look for NaN in the features."


@dataclass(frozen=True)
class Ranking:
    """Scores of one ranking, as fractions; per-query arrays are in the order of the queries.

    A query without any match in the gallery cannot be scored: its entries are NaN, and no mean counts it.
    """

    cmc: np.ndarray  # (G,): share of queries whose first match is among the first 1, 2, 3, … images
    average_precision: np.ndarray  # (Q,)
    inverse_negative_penalty: np.ndarray  # (Q,): matches divided by the rank of the last one
    match_ranks: tuple[np.ndarray, ...] = ()  # Q arrays: ranks of the query's matches, ascending, from 1

    @property
    def mAP(self) -> float:  # noqa: N802 - the field's name for it
        """Mean over queries of the step-wise average precision (not the trapezoid, which reads lower)."""
        return float(np.nanmean(self.average_precision))

    @property
    def mINP(self) -> float:  # noqa: N802
        """Mean inverse negative penalty (Ye et al., TPAMI 2021, equation 12): how soon the last match is found."""
        return float(np.nanmean(self.inverse_negative_penalty))

    @property
    def num_valid(self) -> int:
        """Queries that have a match in the gallery."""
        return int(np.isfinite(self.average_precision).sum())

    def rank(self, k: int) -> float:
        """Rank-k: share of queries with a match among the first k images."""
        if k < 1:
            raise ValueError(f"rank-k counts from k = 1, got {k}.")
        return float(self.cmc[min(k, len(self.cmc)) - 1])

    def per_query(self, score: str) -> np.ndarray:
        """(Q,): what each query adds to the mean. score: "mAP", "mINP", or "rank-1", "rank-5", … .

        Raises ValueError for another score, and for rank-k of single-shot rankings, which keep no order of their own.
        """
        if score in (means := {"mAP": self.average_precision, "mINP": self.inverse_negative_penalty}):
            return means[score]
        name, _, k = score.partition("-")
        if name != "rank" or not k.isdigit() or int(k) < 1:
            raise ValueError(f"unknown score {score!r}: choose 'mAP', 'mINP' or 'rank-1', 'rank-5', ….")
        if not self.match_ranks:
            raise ValueError(
                f"{score} of each query is not known in a single-shot ranking: choose 'mAP' or 'mINP'."
            )
        found = [ranks[0] <= int(k) if len(ranks) else np.nan for ranks in self.match_ranks]
        return np.array(found, dtype=float)  # not booleans, which cannot be subtracted

    def __str__(self) -> str:
        scores = {"rank-1": self.rank(1), "rank-5": self.rank(5), "rank-10": self.rank(10)}
        scores |= {"mAP": self.mAP, "mINP": self.mINP}
        return "  ".join(f"{name} {100 * value:.1f} %" for name, value in scores.items())


def evaluate_ranking(
    distances: np.ndarray | Tensor,
    q_pids: Ids,
    g_pids: Ids,
    q_camids: Ids,
    g_camids: Ids,
    chunk: int = CHUNK,
) -> Ranking:
    """CMC (first match), step-wise mAP and mINP of a distance matrix.

    distances: (Q, G), smaller = more alike; the work is done where they are, on the CPU or a CUDA device, and
    memory-mapped files are read a chunk at a time. Junk is left out of the order before scoring: gallery images of
    the query's own identity and camera, and images with pid -1. Equal distances keep the gallery's order. Infinity
    is a distance like another.

    No row is put in order: for each match, what is nearer is counted, which is many times cheaper. Beside the
    distances, memory holds a few blocks of (chunk, G) at most. Raises ValueError for shapes that do not fit,
    distances that are not numbers, or when no query has a match.
    """
    if chunk < 1:
        raise ValueError(f"expected a chunk of at least one query, got {chunk}.")
    distances = distances if isinstance(distances, Tensor) else np.asarray(distances)
    ids = fitting_ids(distances.shape, q_pids, g_pids, q_camids, g_camids)
    rows = (distances[start : start + chunk] for start in range(0, len(distances), chunk))
    return _rank(map(_as_tensor, rows), *ids)


def evaluate_features(
    q: np.ndarray | Tensor,
    g: np.ndarray | Tensor,
    q_pids: Ids,
    g_pids: Ids,
    q_camids: Ids,
    g_camids: Ids,
    metric: Metric = "cosine",
    chunk: int = CHUNK,
) -> Ranking:
    """`evaluate_ranking` of `pairwise_distance(q, g, metric)` without the matrix, which never exists as a whole.

    q, g: features (Q, F), (G, F), on the CPU or on the same CUDA device. Beside them, memory holds about four blocks
    of (chunk, G) distances: with the default chunk, for a million images of 512 features, about 1 GiB beside their 2.
    With the default chunk the distances, thus the result, are the matrix's to the last bit; with another, nearly
    equal distances may round to another order. Raises ValueError as the two functions do.
    """
    rows = distance_rows(q, g, metric, chunk)
    ids = fitting_ids((len(q), len(g)), q_pids, g_pids, q_camids, g_camids)
    return _rank(rows, *ids)


def chance_rank1(q_pids: Ids, g_pids: Ids, q_camids: Ids, g_camids: Ids, single_shot: bool = False) -> float:
    """Rank-1 to expect of a random order, under the same protocol: the share of matches in what is not junk.

    single_shot: of the gallery's people, where each has one image. Raises ValueError when no query has a match.
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


def as_arrays(distances, q_pids: Ids, g_pids: Ids, q_camids: Ids, g_camids: Ids) -> list[np.ndarray]:
    """What a ranking is made of, as NumPy arrays that fit each other; ValueError where they do not."""
    distances = as_numpy(distances)
    ids = fitting_ids(distances.shape, q_pids, g_pids, q_camids, g_camids)
    if np.isnan(distances).any():
        raise ValueError(NOT_A_NUMBER)
    return [distances, *ids]


def as_numpy(distances: np.ndarray | Tensor) -> np.ndarray:
    """On the CPU, in their own type, but for bfloat16, which NumPy does not have: as float32, which is exact."""
    if isinstance(distances, Tensor):
        distances = distances.detach().cpu()
        distances = distances.float() if distances.dtype == torch.bfloat16 else distances
    return np.asarray(distances)


def fitting_ids(
    shape: Sequence[int], q_pids: Ids, g_pids: Ids, q_camids: Ids, g_camids: Ids
) -> list[np.ndarray]:
    """The ids as arrays that fit distances of that shape; ValueError if they do not, or if there is nothing."""
    ids = [as_ids(x) for x in (q_pids, g_pids, q_camids, g_camids)]
    q, g, q_cams, g_cams = map(len, ids)
    if tuple(shape) != (q, g) or (q_cams, g_cams) != (q, g):
        raise ValueError(
            f"expected distances (Q, G) with one pid and one camid per row and column, got {tuple(shape)} for "
            f"{q} + {q_cams} query and {g} + {g_cams} gallery ids."
        )
    if not q or not g:
        raise ValueError(f"expected at least one query and one gallery image, got {q} and {g}.")
    return ids


def as_ids(ids: Ids) -> np.ndarray:
    """(N,) on the CPU, of whatever was given."""
    return (ids.cpu().numpy() if isinstance(ids, Tensor) else np.asarray(ids)).reshape(-1)


def _as_tensor(rows: np.ndarray | Tensor) -> Tensor:
    """Some rows as a tensor in whose type every distance is exact, infinity included."""
    if not isinstance(rows, Tensor):
        rows = torch.from_numpy(np.require(rows, requirements=["C", "W"]))
    exact = {torch.float32: torch.float32, torch.float16: torch.float32, torch.bfloat16: torch.float32}
    return rows.to(exact.get(rows.dtype, torch.float64))


def _rank(rows: Iterable[Tensor], q_pids, g_pids, q_camids, g_camids) -> Ranking:
    """rows: the distance matrix in blocks of queries, from the first to the last."""
    num_gallery, kept = len(g_pids), np.flatnonzero(g_pids != -1)
    if len(kept) < num_gallery:
        g_pids, g_camids = g_pids[kept], g_camids[kept]
        rows = (block.index_select(1, torch.from_numpy(kept).to(block.device)) for block in rows)
    by_pid = np.argsort(g_pids, kind="stable")  # an identity's images stay in the gallery's order
    first, end = (np.searchsorted(g_pids[by_pid], q_pids, side) for side in ("left", "right"))
    if not (end > first).any():
        raise ValueError(NO_MATCH)
    ranks, counts, start = [], [], 0
    for block in rows:
        queries = slice(start, start + len(block))
        places = first[queries, None] + np.arange((end - first)[queries].max())
        own = places < end[queries, None]
        columns = by_pid[np.minimum(places, len(by_pid) - 1)]
        match = own & (g_camids[columns] != q_camids[queries, None])
        found = _match_ranks(block.detach(), columns, own, match)
        ranks.append(found[found > 0])
        counts.append((found > 0).sum(axis=1))
        start += len(block)
    return _score(np.concatenate(ranks), np.concatenate(counts), num_gallery)


def _match_ranks(rows: Tensor, columns: np.ndarray, own: np.ndarray, match: np.ndarray) -> np.ndarray:
    """Ranks, from 1, of the matches in rows (q, G), ascending; 0 in other places.

    columns: (q, P) gallery images of the query's identity; own: where there is one (the rest fills the array up);
    match: where it is a match (the rest of own is junk).
    """
    columns, own, match = (torch.from_numpy(x).to(rows.device) for x in (columns, own, match))
    near, order = rows.gather(1, columns).masked_fill(~own, torch.inf).sort(dim=1, stable=True)
    columns, match, junk = (x.gather(1, order) for x in (columns, match, own & ~match))
    before, as_near = _nearer(rows, near)
    tied = match & (as_near - before > 1)
    for query in tied.any(dim=1).nonzero()[:, 0].tolist():
        where = tied[query]
        before[query, where] += _earlier_equals(rows[query], columns[query, where])
    ranks = 1 + before - junk.cumsum(dim=1)
    return torch.where(match, ranks, 0).cpu().numpy()


def _earlier_equals(row: Tensor, columns: Tensor) -> Tensor:
    """row (G,), columns (T,) -> for each of them, how many equal values stand before it in the row: (T,)."""
    # Equal numbers have equal last bits. A table of these leaves few of a long row to be put in order.
    last_bits = row.view({4: torch.int32, 8: torch.int64}[row.element_size()]) & 0x7FFF
    table = torch.zeros(0x8000, dtype=torch.bool, device=row.device)
    table[last_bits[columns]] = True
    likely = table[last_bits].nonzero()[:, 0]  # ascending, the columns among them
    values, order = row[likely].sort(stable=True)
    place = torch.empty_like(order).scatter_(0, order, torch.arange(len(order), device=row.device))
    return place[torch.searchsorted(likely, columns)] - torch.searchsorted(values, row[columns])


def _nearer(rows: Tensor, near: Tensor) -> tuple[Tensor, Tensor]:
    """rows (q, G), near (q, P) -> how many of each row are below each of near, and how many not above: (q, P) both."""
    if rows.device.type != "cpu":
        values = rows.sort(dim=1).values
        if values[:, -1].isnan().any():  # a sort puts NaN last
            raise ValueError(NOT_A_NUMBER)
        return torch.searchsorted(values, near), torch.searchsorted(values, near, right=True)
    counts = np.empty((2, *near.shape), dtype=np.int64)
    for below, up_to, row, sought in zip(*counts, rows.numpy(), near.numpy(), strict=True):
        below[:], up_to[:] = _nearer_in_row(row, sought)
    return tuple(torch.from_numpy(counts))


def _nearer_in_row(row: np.ndarray, near: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same for one row (G,) and near (P,), which are values of the row or above all of them.

    The values of a long row are only counted in narrow bins; those in the same bin as one of `near` are sorted. That
    takes a quarter of the time of sorting all (np.sort with AVX-512 on an AMD EPYC; as long as with AVX2).
    """
    low, high = row.min(), row.max()
    if np.isnan(high):
        raise ValueError(NOT_A_NUMBER)
    spread, others = float(high) - float(low), 0
    if len(row) >= LONG and 1e-30 < spread < 1e30:  # otherwise bins are not worth it, or cannot be told apart
        num_bins = max(1024, len(row) // 16)
        scale = row.dtype.type(num_bins / spread)
        # Rounding keeps the order: a value in a lower bin is lower.
        bins, own = (((x - low) * scale).astype(np.intp) for x in (row, np.minimum(near, high)))
        count = np.bincount(bins, minlength=num_bins)
        wanted = np.zeros(len(count), dtype=bool)
        wanted[own] = True
        row, count[own] = row[wanted[bins]], 0
        others = count.cumsum()[own]
    values = np.sort(row)
    return values.searchsorted(near) + others, values.searchsorted(near, "right") + others


def _score(ranks: np.ndarray, counts: np.ndarray, num_gallery: int) -> Ranking:
    """ranks: of all matches, query after query, ascending in each; counts: (Q,) matches of each query."""
    valid = counts > 0
    if not valid.any():
        raise ValueError(NO_MATCH)
    ends = np.cumsum(counts)
    starts, lasts = (ends - counts)[valid], ends[valid] - 1
    precision_at = (np.arange(len(ranks)) - np.repeat(ends - counts, counts) + 1) / ranks
    precision, penalty = np.full(len(counts), np.nan), np.full(len(counts), np.nan)
    precision[valid] = np.add.reduceat(precision_at, starts) / counts[valid]
    penalty[valid] = counts[valid] / ranks[lasts]
    first_match = np.bincount(ranks[starts] - 1, minlength=num_gallery)
    cmc = np.cumsum(first_match) / valid.sum()
    return Ranking(cmc, precision, penalty, tuple(np.split(ranks, ends[:-1])))
