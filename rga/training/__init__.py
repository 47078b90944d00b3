"""Training: `loop` is `rga.fit`, `step` one step of it; losses, learning rate, checkpoints and resuming beside them."""
