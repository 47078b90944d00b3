"""What the truth about drawn people says of maps: masks, doubles, and queries with a part deleted."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from rga import metrics
from rga.data import Sample, synthetic


def parts(samples: Sequence[Sample]) -> list[np.ndarray]:
    """The part map (H, W) of each drawn person; 0 is the background."""
    return [synthetic.read_parts(s.path.parents[1], s.path.stem) for s in samples]


@dataclass(frozen=True)
class Doubles:
    """People who have a double, and the detail that tells the two apart; a place for each image."""

    samples: list[Sample]
    parts: list[np.ndarray]
    details: list[int]  # the value of the detail in the part map
    families: list[int]


def doubles(samples: Sequence[Sample]) -> Doubles:
    """Those of the samples whose person has a lookalike."""
    people = synthetic.read_people(samples[0].path.parents[1])
    truth = {(person["pair"], person["person"]): person for person in people}
    known = [(s, truth[tuple(map(int, s.path.stem.split("_")[:2]))]) for s in samples]
    known = [(sample, person) for sample, person in known if person["lookalikes"]]
    found = [sample for sample, _ in known]
    details = [synthetic.DETAILS[person["detail"]] for _, person in known]
    return Doubles(found, parts(found), details, [person["family"] for _, person in known])


def own_lift(
    maps: Tensor, masks: Sequence[np.ndarray], pids: Sequence[int]
) -> tuple[float, metrics.Interval]:
    """The lift of maps (B, 1, h, w) on the masks of their own images, and by how much it is above that on others'.

    The mask of another person is that of the next image of somebody else. The interval is over people.
    """
    others = [masks[i] for i in metrics.next_person(pids)]
    own, other = (metrics.attention_share(maps, of) for of in (masks, others))
    gained = (own.scores - other.scores) / own.area
    by_person = [np.mean(gained[np.array(pids) == pid]) for pid in dict.fromkeys(pids)]
    return own.lift, metrics.t_interval(by_person)


@torch.no_grad()
def deletion(
    network: nn.Module,
    queries: Tensor,
    gallery: Tensor,
    ids: Sequence[Tensor],
    cells: np.ndarray,
    draws: int = 2,
) -> metrics.Deletion:
    """What deleting cells (B, h, w) of the queries (B, 3, H, W) costs, beside cells of the same shape elsewhere.

    gallery: embeddings (G, D). ids: pids of queries and gallery, cameras of queries and gallery.
    """

    def rank(images: Tensor) -> metrics.Ranking:
        found = torch.cat([network(some).embedding.cpu() for some in images.split(64)])
        return metrics.evaluate_ranking(metrics.pairwise_distance(found, gallery), *ids)

    areas = cells, *(metrics.elsewhere(cells, seed) for seed in range(draws))
    attended, *control = (rank(metrics.delete_cells(queries, area)) for area in areas)
    return metrics.deletion_effect(rank(queries), attended, control)
