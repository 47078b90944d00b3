"""The task of notebook 06: a seed decides a training, and pictures of another size are the same pictures."""

import copy

import torch

from rga.course import transfer_task
from rga.models import attach, resize


def small():
    torch.manual_seed(0)
    return transfer_task.create_network()


def test_the_network_reads_ten_digits():
    assert small()(torch.rand(2, 3, 32, 32)).shape == (2, 10)


def test_a_seed_decides_the_training():
    first, again, other = (transfer_task.train(small(), 2, seed) for seed in (0, 0, 1))
    x = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(first(x), again(x), rtol=0, atol=0)
        assert not torch.equal(first(x), other(x))
    assert not first.training


def test_gates_of_the_identity_start_move_within_a_step():
    network = attach(small(), ["layer1"], "rga_sc", transfer_task.SIZE)
    before = copy.deepcopy(network.state_dict())
    after = transfer_task.train(network, 1, seed=0).state_dict()
    assert any("layer1.1" in name and not torch.equal(after[name], before[name]) for name in after)


class ReadsTheMark(torch.nn.Module):
    """Says 3 where the mark is at the top left of its field, else 0; remembers the size of the pictures."""

    def forward(self, x):
        self.size = tuple(x.shape[2:])
        return torch.nn.functional.one_hot((x[:, 0, 0, 0] > 0.5).long() * 3, 10).float()


def test_accuracy_counts_the_right_answers_at_any_size():
    network = ReadsTheMark()
    assert 0 < transfer_task.accuracy(network, count=200) < 0.3
    transfer_task.accuracy(network, count=10, size=(48, 40))
    assert network.size == (48, 40)


def test_a_resized_network_is_measured_at_its_size():
    network = attach(small(), ["layer1"], "rga_sc", transfer_task.SIZE)
    assert 0 <= transfer_task.accuracy(resize(network, (48, 48)), size=(48, 48), count=20) <= 1
