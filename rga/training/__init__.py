"""Training: `loop` is `rga.fit`, `step` one step of it; losses, learning rate, checkpoints and resuming beside them."""

from rga.training import checkpoint, losses, lr_schedule

__all__ = ["checkpoint", "losses", "lr_schedule"]
