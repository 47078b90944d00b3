"""Fine-tune from a checkpoint of one's own: its backbone, attentions and neck; the classifier is for other people."""

from rga.models.reid import ReIDModel, by_hand
from rga.models.weights_files import WeightsFile, differences


def load_own(model: ReIDModel, file: WeightsFile) -> str:
    """Load all but the classifier of a checkpoint into `model`, in place; returns what was loaded, in words.

    Raises ValueError, and changes nothing, for a checkpoint of another network: backbone, attention and, where there
    is one, its gates and the size of the images have to be the same.
    """
    there, here = file.config, model.config
    if there.get("attention") == "own":
        raise ValueError(by_hand(file.described))
    keys = ["backbone", "attention"]
    if here["attention"] != "none":
        keys += ["init_gates", "size", "trained_size"]
    differs = [
        f"{key} {there.get(key)!r} there, {here[key]!r} here" for key in keys if there.get(key) != here[key]
    ]
    state, own = (
        {name: tensor for name, tensor in tensors.items() if not name.startswith("classifier.")}
        for tensors in (file.content["model"], model.state_dict())
    )
    if wrong := differences(state, own):
        differs.append(wrong)
    if differs:
        raise ValueError(
            f"{file.described} is a checkpoint of another network: {'; '.join(differs)}. Choose the backbone, "
            "attention, init_gates and size of the checkpoint; create_model(size=…, trained_size=the checkpoint's) "
            "then moves the network to images of another size."
        )
    model.load_state_dict(state, strict=False)
    parts = "backbone and neck" if here["attention"] == "none" else "backbone, attention and neck"
    return f"fine-tuned from {file.described}: {len(state)} tensors of {parts}, classifier new"
