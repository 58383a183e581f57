"""A network that does not fit on a device is looked at with one block there at a time."""

import torch
from torch import nn

from melior.engine.parallel import visiting


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(4, 4), nn.Tanh())

    def forward(self, states):
        return self.inner(states)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(3, 4), nn.Linear(4, 2)
        self.blocks = nn.ModuleList(Block() for _ in range(5))

    def forward(self, rows):
        states = self.first(rows)
        for block in self.blocks:
            states = block(states)
        return self.last(states)


def test_one_block_is_there_at_a_time(monkeypatch):
    torch.manual_seed(0)
    net, rows, there, most = Net(), torch.randn(7, 3), set(), []
    weights = {id(one): one for one in net.parameters()}
    device = torch.device("cpu", 0)

    def moved(tensors, to):
        for one in tensors:
            (there.add if to == device else there.discard)(id(one))
        most.append(sum(weights[one].numel() for one in there))

    monkeypatch.setattr(visiting, "fits", lambda *given: False)
    monkeypatch.setattr(visiting, "_moved", moved)
    expected = net(rows)
    outside = sum(one.numel() for one in (*net.first.parameters(), *net.last.parameters()))
    with visiting.visiting(net, device):
        assert torch.equal(net(rows), expected)
        assert torch.equal(net(rows), expected)
    assert max(most) == outside + 20
    assert most[-1] == outside
    seen = len(most)
    net(rows)
    assert len(most) == seen  # nothing is hooked any more
    visiting.settled(net, device)
    assert there == set(weights)
