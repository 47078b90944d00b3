"""Figures from arrays: curves, people, ranked lists, attention and relation maps, channels; and the explorer page.

Every function but `explorer` returns a matplotlib Figure outside pyplot: a cell that ends with it shows it once, and
nothing has to be closed. Colours are Okabe and Ito's, which colour-blind readers can distinguish; what matters has a
marker or a line style of its own, too.
"""

from rga.plot.channel_gates import channels, rank_channels, strongest_images
from rga.plot.charts import cmc, curves, histograms, intervals, precision_recall, roc
from rga.plot.explorer_page import explorer
from rga.plot.gains import gains
from rga.plot.maps import (
    attention,
    difference,
    failures,
    grad_cams,
    node,
    position,
    relation_maps,
    relations,
    targets,
)
from rga.plot.moving_gates import moving_gates
from rga.plot.overview import overview
from rga.plot.people import ROLES, images, ranked_lists, roles, rows
from rga.plot.same_person import same_person
from rga.plot.scatter import scatter

__all__ = [
    "ROLES",
    "attention",
    "channels",
    "cmc",
    "curves",
    "difference",
    "explorer",
    "failures",
    "gains",
    "grad_cams",
    "histograms",
    "images",
    "intervals",
    "moving_gates",
    "node",
    "overview",
    "position",
    "precision_recall",
    "rank_channels",
    "ranked_lists",
    "relation_maps",
    "relations",
    "roc",
    "roles",
    "rows",
    "same_person",
    "scatter",
    "strongest_images",
    "targets",
]
