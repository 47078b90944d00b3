"""All attentions by name: RGA, the ablations of the paper's tables, and those it is compared with."""

from collections.abc import Callable
from functools import partial

from torch import nn

from rga.models.cbam import CBAM
from rga.models.fc import FC
from rga.models.non_local import NonLocal, SimplifiedNonLocal
from rga.models.rga import RGA
from rga.models.se import SE

# An attention is built from the shape of the feature map it will see: (channels, (height, width)) -> module that
# maps (B, C, H, W) to the same shape.
Attention = Callable[[int, tuple[int, int]], nn.Module]

# Each is called with (channels, (height, width), init_gates=...) of the feature map it will see.
ATTENTION: dict[str, Attention | None] = {
    "none": None,
    "rga_s": partial(RGA, channel=False),
    "rga_c": partial(RGA, spatial=False),
    "rga_sc": RGA,
    "rga_cs": partial(RGA, order="cs"),
    "rga_parallel": partial(RGA, order="parallel"),
    "rga_s_no_relation": partial(RGA, channel=False, relations=False),
    "rga_s_no_feature": partial(RGA, channel=False, feature=False),
    "rga_c_no_relation": partial(RGA, spatial=False, relations=False),
    "rga_c_no_feature": partial(RGA, spatial=False, feature=False),
    "rga_sc_symmetric": partial(RGA, embedding="symmetric"),
    "rga_sc_no_embedding": partial(RGA, embedding="none"),
    "cbam_s": partial(CBAM, channel=False),
    "cbam_c": partial(CBAM, spatial=False),
    "cbam": CBAM,
    "fc_s": partial(FC, channel=False),
    "fc_c": partial(FC, spatial=False),
    "fc_parallel": FC,
    "se": SE,
    "non_local": NonLocal,
    "snl": SimplifiedNonLocal,
}
