"""Import paths that have moved: `import rga.losses` still finds the module, which is `rga.training.losses` now.

They work without a warning, and none has gone so far; CONTRIBUTING.md (Versions) says how one would.
"""

import sys
from importlib import import_module
from types import ModuleType

MOVED = {
    "rga.allocation": "rga.device.cpu_memory",
    "rga.capture": "rga.models.hooks",
    "rga.checkpoint": "rga.training.checkpoint",
    "rga.data.core": "rga.data.samples",
    "rga.data.names": "rga.data.file_names",
    "rga.gradcam": "rga.models.gradcam",
    "rga.losses": "rga.training.losses",
    "rga.metrics.rerank": "rga.metrics.reranking",
    "rga.models.attach": "rga.models.attaching",
    "rga.models.resize": "rga.models.resizing",
    "rga.recipes": "rga.runs.recipes",
    "rga.schedule": "rga.training.lr_schedule",
}


class OldName(ModuleType):
    """Stands in sys.modules for a module that has moved, and imports it when a name in it is first asked for.

    A finder in sys.meta_path would do so, too, but what it finds becomes an attribute of the package: after
    `import rga.capture` the function `rga.capture` would be a module.
    """

    def __getattr__(self, name: str):
        if name.startswith("__") and name != "__all__":  # inspect asks every module for its __file__
            raise AttributeError(name)
        sys.modules[self.__name__] = module = import_module(MOVED[self.__name__])
        return getattr(module, name)


sys.modules.update({old: OldName(old) for old in MOVED})
