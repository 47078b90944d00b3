"""Entry points of torch.hub: torch.hub.load(FOLDER, "rga_resnet50", source="local", num_pids=767)."""

# torch.hub offers every callable in this file.
from rga.models import RGA, create_model
from rga.training.checkpoint import load_model

dependencies = ["torch", "torchvision", "numpy", "PIL", "tqdm"]
__all__ = ["RGA", "create_model", "load_model", "rga_resnet50"]


def rga_resnet50(num_pids: int = 767, **options):
    """The paper's network, ResNet-50 + RGA-SC, for the 767 people to train on of CUHK03 and images of 256 x 128.

    options: size, weights, … of `create_model`, which is an entry point, too (other backbones, also timm/NAME), like
    `load_model` for a checkpoint and `RGA` for the module alone.
    """
    return create_model("resnet50", "rga_sc", num_pids=num_pids, **options)
