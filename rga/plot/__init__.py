"""Figures from arrays: curves, people, ranked lists, attention and relation maps, channels; and the explorer page.

Every function but `explorer` returns a matplotlib Figure outside pyplot: a cell that ends with it shows it once, and
nothing has to be closed. Colours are Okabe and Ito's, which colour-blind readers can distinguish; what matters has a
marker or a line style of its own, too.
"""

from rga.plot.brackets import brackets
from rga.plot.channel_gates import channels, rank_channels, strongest_images
from rga.plot.charts import cmc, curves, histograms, intervals, precision_recall, roc
from rga.plot.explorer_page import explorer
from rga.plot.gains import gains
from rga.plot.grids import grids
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
from rga.plot.module_diagram import module_diagram
from rga.plot.moving_gates import moving_gates
from rga.plot.overview import overview
from rga.plot.people import ROLES, images, ranked_lists, roles, rows
from rga.plot.relation_matrix import relation_matrix
from rga.plot.same_person import same_person
from rga.plot.scatter import scatter
from rga.plot.schedules import schedules
from rga.plot.score_curves import score_curves
from rga.plot.smoothing import smoothing
from rga.plot.steps import steps
from rga.plot.toy_gates import toy_gates
from rga.plot.triplet import triplet

__all__ = [
    "ROLES",
    "attention",
    "brackets",
    "channels",
    "cmc",
    "curves",
    "difference",
    "explorer",
    "failures",
    "gains",
    "grad_cams",
    "grids",
    "histograms",
    "images",
    "intervals",
    "module_diagram",
    "moving_gates",
    "node",
    "overview",
    "position",
    "precision_recall",
    "rank_channels",
    "ranked_lists",
    "relation_maps",
    "relation_matrix",
    "relations",
    "roc",
    "roles",
    "rows",
    "same_person",
    "scatter",
    "schedules",
    "score_curves",
    "smoothing",
    "steps",
    "strongest_images",
    "targets",
    "toy_gates",
    "triplet",
]
