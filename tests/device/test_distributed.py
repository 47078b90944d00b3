"""Collectives over processes, with their gradients, and synchronised BatchNorm."""

import torch
from helpers.processes import together
from torch import nn

from rga.device import distributed

X = torch.randn(12, 5, 4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
WEIGHT = torch.linspace(-1, 2, X.numel(), dtype=torch.float64).view(
    X.shape
)  # the loss weighs every value differently


def norms():
    torch.manual_seed(0)
    net = nn.Sequential(nn.BatchNorm2d(5), nn.Tanh(), nn.BatchNorm2d(5)).double()
    for parameter in net.parameters():
        nn.init.normal_(parameter)
    return net


def through_norms(x, weight, net):
    x = x.clone().requires_grad_()
    (net(x) * weight).sum().backward()
    return x.grad, [p.grad for p in net.parameters()], [b.clone() for b in net.buffers()]


def share_of_norms():
    r, n = distributed.rank(), 12 // distributed.world_size()
    mine = slice(r * n, (r + 1) * n)
    net = distributed.sync_batch_norm(norms())
    assert type(net[0]) is distributed.SyncBatchNorm
    x, parameters, buffers = through_norms(X[mine], WEIGHT[mine], net)
    return x, [distributed.all_reduce_mean(g) * distributed.world_size() for g in parameters], buffers


def test_batch_norm_over_all_processes_is_that_of_one():
    whole, whole_parameters, whole_buffers = through_norms(X, WEIGHT, norms())
    answers = together(share_of_norms, world=3)
    torch.testing.assert_close(torch.cat([x for x, _, _ in answers]), whole, rtol=1e-9, atol=1e-9)
    for _, parameters, buffers in answers:
        torch.testing.assert_close(parameters, whole_parameters, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(buffers, whole_buffers, rtol=1e-9, atol=1e-9)


def test_synced_norms_are_plain_ones_alone_and_in_eval_mode():
    plain, synced = norms(), distributed.sync_batch_norm(norms())
    assert synced.state_dict().keys() == plain.state_dict().keys()
    for net in (plain, synced):
        net(X)
        net.eval()
    torch.testing.assert_close(synced(X), plain(X), rtol=0, atol=0)


def collections():
    r = distributed.rank()
    x = torch.full((2, 3), r + 1.0, requires_grad=True)
    gathered = distributed.all_gather(x)
    # Every process weighs the row it gave itself with 1, the others' with 10.
    weight = torch.full((4, 3), 10.0)
    weight[2 * r : 2 * r + 2] = 1
    (gathered * weight).sum().backward()
    firsts = distributed.broadcast_object(f"said by {r}")
    return gathered.detach(), x.grad, float(distributed.all_reduce_mean(torch.tensor(float(r)))), firsts, r


def test_collections():
    for rank, (gathered, grad, mean, first, own) in enumerate(together(collections)):
        assert gathered[:, 0].tolist() == [1, 1, 2, 2]
        assert grad.unique().tolist() == [11]  # 1 from its own loss, 10 from the other process's
        assert (mean, first, own) == (0.5, "said by 0", rank)


def test_alone():
    x = torch.ones(2, requires_grad=True)
    assert distributed.all_gather(x) is x and distributed.all_reduce_mean(x) is x
    assert distributed.all_gather_objects("a") == ["a"] and distributed.broadcast_object("a") == "a"
    assert (distributed.rank(), distributed.world_size()) == (0, 1)
    with distributed.init_distributed() as device, distributed.main_process_first():
        assert device.type in ("cpu", "cuda") and not torch.distributed.is_initialized()
