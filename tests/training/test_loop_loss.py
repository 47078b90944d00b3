"""`rga.fit` with another loss: a function, a kept library's, one with weights of its own; resumed, in two processes."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from helpers.pages import code_of
from helpers.processes import together
from helpers.small_network import network
from torch import nn

import rga
from rga.data import Splits, network_input, train_loader
from rga.device.precision import make_scaler
from rga.training import checkpoint
from rga.training.losses import identity_loss, loss_name, triplet_loss
from rga.training.step import make_optimizer, training_step

OPTIONS = {"epochs": 2, "p": 4, "k": 3, "lr": 3e-4}
SCALER = make_scaler(torch.device("cpu"), "fp32")


class Proxies(nn.Module):
    """A loss with weights and a buffer of its own: cross-entropy over cosines to a proxy of each person."""

    def __init__(self, num_pids=4, num_features=512):
        super().__init__()
        torch.manual_seed(7)
        self.proxies = nn.Parameter(torch.randn(num_pids, num_features))
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, output, labels):
        self.calls += 1
        return F.cross_entropy(8 * F.linear(F.normalize(output.feature), F.normalize(self.proxies)), labels)


def both(output, labels):
    return identity_loss(output.logits, labels) + triplet_loss(output.feature, labels)


def cross_entropy(output, labels):
    return F.cross_entropy(output.logits, labels)


def fit(samples, model=None, **options):
    model = model or network()
    return list(rga.fit(model, samples, **OPTIONS | options)), model


def told(logs):
    return [replace(log, images_per_second=0.0, waiting=0.0, held=False) for log in logs]


@pytest.mark.parametrize("accumulate", [1, 2])
def test_the_two_losses_given_as_one_train_the_same_network(samples, accumulate):
    expected, model = fit(samples, accumulate=accumulate)
    logs, same = fit(samples, accumulate=accumulate, loss=both)
    torch.testing.assert_close(same.state_dict(), model.state_dict(), rtol=0, atol=0)
    assert [log.loss for log in logs] == pytest.approx([log.loss for log in expected], rel=1e-6)
    assert {(log.identity, log.triplet) for log in logs} == {(None, None)}


def test_its_weights_are_trained_as_by_hand_to_the_last_bit(samples):
    batch = next(iter(train_loader(samples, (64, 32), p=4, k=3, seed=0)))
    pairs = [(network().to(memory_format=torch.channels_last).train(), Proxies()) for _ in range(2)]
    (model, loss), (expected, by_hand) = pairs
    optimizer = make_optimizer(model, 3e-4, loss=loss)
    other = torch.optim.Adam(
        [*expected.parameters(), *by_hand.parameters()], 3e-4, weight_decay=5e-4, fused=True
    )
    for _ in range(3):
        result = training_step(model, batch, optimizer, SCALER, loss=loss)
        value = by_hand(expected(network_input(batch)), batch.pids)
        other.zero_grad()
        value.backward()
        other.step()
        assert result.loss == value.item()
    assert not torch.equal(loss.proxies, Proxies().proxies)
    torch.testing.assert_close(loss.state_dict(), by_hand.state_dict(), rtol=0, atol=0)
    torch.testing.assert_close(model.state_dict(), expected.state_dict(), rtol=0, atol=0)


def test_it_gets_full_precision_whatever_the_networks(samples):
    seen = set()

    def loss(output, labels):
        seen.update({values.dtype for values in output} | {torch.is_autocast_enabled("cpu")})
        seen.add(torch.get_float32_matmul_precision())
        return cross_entropy(output, labels)

    fit(samples, loss=loss, precision="bf16", epochs=1)
    assert seen == {torch.float32, False, "highest"}


@pytest.mark.gpu
@pytest.mark.parametrize("options", [{}, {"graphs": True}], ids=str)
def test_on_a_gpu_its_weights_move_there_and_train_alike(samples, options):
    on_cpu, on_gpu = Proxies(), Proxies()
    cpu, _ = fit(samples, loss=on_cpu)
    gpu, _ = fit(samples, network().cuda(), loss=on_gpu, **options)
    assert on_gpu.proxies.is_cuda
    assert [log.loss for log in gpu] == pytest.approx([log.loss for log in cpu], rel=1e-3)
    torch.testing.assert_close(on_gpu.proxies.cpu(), on_cpu.proxies, rtol=1e-3, atol=1e-3)


def test_a_resumed_run_is_the_run_without_interruption_its_loss_too(samples, tmp_path):
    path, straight, cut = tmp_path / "run.pt", Proxies(), Proxies()
    expected, model = fit(samples, p=2, epochs=4, loss=straight)
    for log in rga.fit(
        network(), samples, **OPTIONS | {"p": 2, "epochs": 4}, loss=cut, path=path, save_every=1
    ):
        if log.epoch == 3:
            break
    resumed = Proxies()
    logs, same = fit(samples, network(seed=5), p=2, epochs=4, loss=resumed, path=path, resume=True)
    assert told(logs) == told(expected) and [log.held for log in logs] == [True] * 4 + [False] * 4
    torch.testing.assert_close(same.state_dict(), model.state_dict(), rtol=0, atol=0)
    torch.testing.assert_close(resumed.state_dict(), straight.state_dict(), rtol=0, atol=0)


def test_a_run_with_another_loss_is_told_apart(samples, tmp_path, caplog):
    def go_on(loss, path=tmp_path / "run.pt"):
        return fit(samples, epochs=2, loss=loss, path=path, resume=True)

    fit(samples, epochs=1, loss=cross_entropy, path=tmp_path / "run.pt")
    for loss in (Proxies(), Proxies(num_pids=3)):
        with pytest.raises(ValueError, match="loss has other weights of its own .*proxies: expected"):
            go_on(loss)
    logs, _ = go_on(None)
    assert f"loss '{__name__}.cross_entropy' there, 'identity + triplet' here" in caplog.text
    assert [log.triplet is None for log in logs] == [True, False]
    fit(samples, epochs=1, loss=Proxies(), path=tmp_path / "proxies.pt")
    with pytest.raises(ValueError, match="proxies: expected nothing, got"):
        go_on(cross_entropy, tmp_path / "proxies.pt")


def test_a_checkpoint_of_an_earlier_version_resumes(samples, tmp_path, caplog):
    fit(samples, epochs=1, path=tmp_path / "run.pt")
    content = torch.load(tmp_path / "run.pt", weights_only=True)
    for name in ("loss", "ema"):
        del content["training"]["settings"][name]
    torch.save(content, tmp_path / "run.pt")
    logs, _ = fit(samples, epochs=1, path=tmp_path / "run.pt", resume=True)
    assert all(log.held for log in logs) and "other settings" not in caplog.text


def test_the_weights_of_its_own_have_to_be_numbers_to_be_saved(samples, tmp_path):
    loss = Proxies()
    with pytest.raises(ValueError, match="became NaN or Inf after step 2"):
        for log in rga.fit(network(), samples, **OPTIONS, loss=loss, path=tmp_path / "run.pt", save_every=1):
            if log.step == 2:
                loss.calls.fill_(torch.nan)
    assert len(checkpoint.load_training(tmp_path / "run.pt")["logs"]) == 1


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        ("cross-entropy", "loss must be None or a callable .* got 'cross-entropy'"),
        (lambda output, labels: output.feature.square().mean(1), r"a scalar tensor, .* got shape \(12,\)"),
        (lambda output, labels: 0.5, "a scalar tensor, such as a mean, got float"),
        (lambda output, labels: output.logits.sum() * torch.nan, r"the loss became nan at step 1, epoch 1"),
    ],
)
def test_losses_that_cannot_be(samples, loss, message):
    with pytest.raises(ValueError, match=message):
        fit(samples, loss=loss)


def train(samples, loss, options):
    """The losses and the weights, or the error."""
    try:
        logs, model = fit(samples, loss=loss, **options)
    except ValueError as error:
        return str(error), None
    return [log.loss for log in logs], {name: value.clone() for name, value in model.state_dict().items()}


def test_two_processes_give_it_all_outputs_with_gather(samples):
    expected, weights = train(samples, both, {})
    for losses, theirs in together(train, samples, both, {"sync_norm": True, "gather": True}):
        assert losses == pytest.approx(expected, rel=2e-4)
        torch.testing.assert_close(theirs, weights, rtol=1e-3, atol=1e-4)


def test_two_processes_refuse_what_they_would_not_train_alike(samples):
    for message, _ in together(train, samples, Proxies(), {}):
        assert "Proxies has weights of its own, which several processes would not keep equal" in message
    for message, _ in together(train, samples, of_features, {}):
        assert "the loss does not depend on neck.weight, classifier.weight" in message


def of_features(output, labels):
    return triplet_loss(output.feature, labels)


def test_names():
    assert loss_name(None) == "identity + triplet" and loss_name(Proxies()) == f"{__name__}.Proxies"
    assert loss_name(both) == f"{__name__}.both"


def test_the_code_of_the_page(samples, tmp_path, monkeypatch):
    """As written, but on four people for two epochs."""
    pytest.importorskip("pytorch_metric_learning")
    monkeypatch.chdir(tmp_path)
    original = rga.fit
    monkeypatch.setattr(
        rga, "fit", lambda *values, **options: original(*values, **options | {**OPTIONS, "p": 2})
    )
    names = {"rga": rga, "model": network(), "splits": Splits("four people", tuple(samples), (), ())}
    exec(code_of("training.md", "Another loss"), names)
    saved = checkpoint.load_training("runs/arcface/checkpoint.pt")
    assert torch.equal(saved["loss"]["arcface.W"], names["arcface"].arcface.W)
    assert saved["optimizer"]["param_groups"][-1]["params"] == [len(saved["optimizer"]["state"])]
