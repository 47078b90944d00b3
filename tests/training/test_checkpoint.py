"""Checkpoints: atomic, and loaded only into the network they are of."""

import re

import numpy as np
import pytest
import torch

from rga.models import RGA, ReIDModel, attach, create_model
from rga.training import checkpoint


@pytest.fixture
def model():
    torch.manual_seed(0)
    return create_model("resnet18", "rga_s", num_pids=3, size=(64, 32), init_gates="identity")


def test_load_model_builds_the_same_network(model, tmp_path):
    model.config["weights"] = "ImageNet"
    checkpoint.save(tmp_path / "new" / "run.pt", model)
    loaded = checkpoint.load_model(tmp_path / "new" / "run.pt")
    x = torch.randn(2, 3, 64, 32)
    torch.testing.assert_close(loaded(x), model.eval()(x), rtol=0, atol=0)
    assert loaded.config == model.config


def test_restore_returns_what_was_saved_beside(model, tmp_path):
    checkpoint.save(tmp_path / "run.pt", model, logs=[(1, 2.5)], optimizer={"state": {}})
    other = create_model("resnet18", "rga_s", num_pids=3, size=(64, 32), init_gates="identity")
    assert checkpoint.restore(tmp_path / "run.pt", other) == {"logs": [(1, 2.5)], "optimizer": {"state": {}}}
    torch.testing.assert_close(other.state_dict(), model.state_dict())


def test_a_checkpoint_of_another_network(model, tmp_path):
    checkpoint.save(tmp_path / "run.pt", model)
    other = create_model("resnet18", "none", num_pids=3, size=(64, 32))
    before = {k: v.clone() for k, v in other.state_dict().items()}
    with pytest.raises(
        ValueError, match="another network: attention 'rga_s' there, 'none' here.*Build the network"
    ):
        checkpoint.restore(tmp_path / "run.pt", other)
    torch.testing.assert_close(other.state_dict(), before)


def test_a_crash_while_saving_keeps_the_last_checkpoint(model, tmp_path, monkeypatch):
    checkpoint.save(tmp_path / "run.pt", model, epoch=1)

    def crash(content, file):
        file.write(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(torch, "save", crash)
    with pytest.raises(OSError, match="No space left"):
        checkpoint.save(tmp_path / "run.pt", model, epoch=2)
    assert [f.name for f in tmp_path.iterdir()] == ["run.pt"]
    assert checkpoint.restore(tmp_path / "run.pt", model) == {"epoch": 1}


def test_a_file_kept_for_its_step_is_not_written_into(model, tmp_path):
    """It is the same file as PATH until PATH is replaced."""
    path = tmp_path / "run.pt"
    for step in (1, 2, 3):
        checkpoint.save(path, model, keep=2, step=step, epoch=step)
    assert [checkpoint.restore(file, model)["epoch"] for file in checkpoint.kept(path)] == [2, 3]
    assert len(list(tmp_path.iterdir())) == 3


def test_without_hard_links_the_file_is_copied(model, tmp_path, monkeypatch):
    monkeypatch.setattr("os.link", lambda *_: (_ for _ in ()).throw(OSError("not supported")))
    test_a_file_kept_for_its_step_is_not_written_into(model, tmp_path)


def test_what_a_kill_leaves_is_replaced(model, tmp_path):
    (tmp_path / ".run.pt.part").write_text("half")
    checkpoint.save(tmp_path / "run.pt", model)
    assert [file.name for file in tmp_path.iterdir()] == ["run.pt"]


def test_a_shorter_run_in_the_same_folder_keeps_its_own(model, tmp_path):
    path = tmp_path / "run.pt"
    for step in (6, 8):
        checkpoint.save(path, model, keep=2, step=step, run="before")
    for step in (2, 4):
        checkpoint.save(path, model, keep=2, step=step, run="now")
    assert [file.name for file in checkpoint.kept(path)] == ["run-0000002.pt", "run-0000004.pt"]
    assert checkpoint.restore(checkpoint.kept(path)[0], model) == {"run": "now"}


def test_files_that_are_no_checkpoints(model, tmp_path):
    with pytest.raises(FileNotFoundError, match="found none"):
        checkpoint.load_model(tmp_path / "absent.pt")
    (tmp_path / "text.pt").write_text("hello")
    with pytest.raises(ValueError, match="could not read it"):
        checkpoint.load_model(tmp_path / "text.pt")
    torch.save(model.state_dict(), tmp_path / "state.pt")
    with pytest.raises(ValueError, match="got something else"):
        checkpoint.load_model(tmp_path / "state.pt")


def test_truncated_checkpoint(model, tmp_path):
    checkpoint.save(tmp_path / "run.pt", model)
    whole = (tmp_path / "run.pt").read_bytes()
    (tmp_path / "run.pt").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="could not read it"):
        checkpoint.load_model(tmp_path / "run.pt")


def test_never_unpickles_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "written"), "w"))

    torch.save({"format": 1, "config": Evil()}, tmp_path / "evil.pt")
    with pytest.raises(ValueError, match="could not read it"):
        checkpoint.load_model(tmp_path / "evil.pt")
    assert not (tmp_path / "written").exists()


class Tiny(torch.nn.Module):
    """A backbone of one's own."""

    def __init__(self):
        super().__init__()
        self.convolution, self.attention = torch.nn.Conv2d(3, 8, 4, 4), RGA(8, (16, 8))

    def forward(self, images):
        return self.attention(self.convolution(images)).mean((2, 3))


def by_hand():
    return ReIDModel(Tiny(), 8, 3, (64, 32))


def changed():
    model = create_model("resnet18", "none", num_pids=3, size=(64, 32))
    attach(model.backbone, ["layer2"], RGA, model.size)
    return model


def labelled():
    model = create_model("resnet18", "none", num_pids=3, size=(64, 32))
    model.config |= {"attention": "mine", "idea": 3}
    return model


@pytest.mark.parametrize(
    "build, why",
    [
        (by_hand, r"\(backbone 'Tiny', attention 'own'\)"),
        (
            changed,
            r"changed by hand \(tensors that differ: 48, first backbone.layer2.2.\S+: expected nothing",
        ),
        (labelled, r"\(idea 3, attention 'mine'\)"),
    ],
)
def test_a_network_built_by_hand_is_loaded_into_one_that_is_given(build, why, tmp_path):
    torch.manual_seed(0)
    model = build()
    checkpoint.save(tmp_path / "run.pt", model, epoch=3)
    with pytest.raises(ValueError, match=rf"built by hand.*{why}.*rga.checkpoint.load_model\(FILE, model\)"):
        checkpoint.load_model(tmp_path / "run.pt")
    other = build()
    assert checkpoint.load_model(tmp_path / "run.pt", other.train()) is other and not other.training
    assert checkpoint.restore(tmp_path / "run.pt", other) == {"epoch": 3}
    torch.testing.assert_close(other.state_dict(), model.state_dict(), rtol=0, atol=0)


def test_a_refused_restore_changes_nothing(tmp_path):
    """Also where the configurations agree and the tensors do not."""
    checkpoint.save(tmp_path / "run.pt", changed())
    model = create_model("resnet18", "none", num_pids=3, size=(64, 32))
    before = {k: v.clone() for k, v in model.state_dict().items()}
    with pytest.raises(ValueError, match="another network: tensors that differ: 48, first backbone.layer2.2"):
        checkpoint.restore(tmp_path / "run.pt", model)
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)


def test_another_projects_checkpoint_is_not_called_cut_short(model, tmp_path):
    torch.save({"state_dict": model.state_dict(), "rank1": np.float64(0.5)}, tmp_path / "other.pt")
    with pytest.raises(ValueError, match=r"got something else.*create_model\(weights=…\)"):
        checkpoint.load_model(tmp_path / "other.pt")


def test_a_mobilenet_of_an_earlier_version_loads(tmp_path):
    """Until 0.1.0 a block and the attention behind it were 0 and 1 of an nn.Sequential."""
    model = create_model("mobilenet_v2", "rga_s", num_pids=3, size=(64, 32))
    checkpoint.save(tmp_path / "now.pt", model)
    content = torch.load(tmp_path / "now.pt", weights_only=True)

    def earlier(name):
        found = re.match(r"(backbone\.features\.(?:3|6|13|17)\.)(attached\.)?(.*)", name)
        return f"{found[1]}{1 if found[2] else 0}.{found[3]}" if found else name

    names = [earlier(name) for name in content["model"]]
    assert "backbone.features.3.1.spatial.score.embed.weight" in names
    content["model"] = dict(zip(names, content["model"].values(), strict=True))
    torch.save(content, tmp_path / "then.pt")
    loaded = checkpoint.load_model(tmp_path / "then.pt").state_dict()
    torch.testing.assert_close(loaded, model.state_dict(), rtol=0, atol=0)
