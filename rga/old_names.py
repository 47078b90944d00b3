"""Import paths that have moved: `import rga.losses` still finds the module, which is `rga.training.losses` now.

They work without a warning, and none has gone so far; CONTRIBUTING.md (Versions) says how one would.
"""

import sys

from rga import data
from rga.data import file_names, samples
from rga.device import cpu_memory
from rga.metrics import reranking
from rga.models import attaching, gradcam, hooks, resizing
from rga.runs import recipes
from rga.training import checkpoint, losses, lr_schedule

MOVED = {
    "rga.allocation": cpu_memory,
    "rga.capture": hooks,
    "rga.checkpoint": checkpoint,
    "rga.data.core": samples,
    "rga.data.names": file_names,
    "rga.gradcam": gradcam,
    "rga.losses": losses,
    "rga.metrics.rerank": reranking,
    "rga.models.attach": attaching,
    "rga.models.resize": resizing,
    "rga.recipes": recipes,
    "rga.schedule": lr_schedule,
}
sys.modules.update(MOVED)
data.core, data.names = samples, file_names
