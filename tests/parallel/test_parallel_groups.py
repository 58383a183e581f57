"""Groups of ranks along the axes: all wait as long as the settings say."""

import json
import sys
from types import SimpleNamespace

import torch
from started import ended, start

from melior.engine.parallel.mesh import Mesh

WAITS = """
import json, sys, torch
import torch.distributed as dist
from melior.engine.parallel.mesh import AXES, Mesh
from melior.engine.parallel.ranks import joined
from melior.layout import Layout

def seconds(group):
    return group._get_backend(torch.device("cpu")).options._timeout.total_seconds()

with joined(47) as ranks:
    mesh = Mesh.of(Layout(data=2, tensor=2), torch.device("cpu"))
    print(json.dumps({**{axis: seconds(mesh.along(axis)) for axis in AXES}, "aside": seconds(mesh.aside().group)}))
"""


def test_every_group_waits_as_long_as_the_timeout_says():
    codes, said, errors = ended(start(4, [sys.executable, "-c", WAITS]), 240)
    assert codes == [0] * 4, errors
    for one in said:
        assert json.loads(one) == {"pipeline": 47, "data": 47, "tensor": 47, "aside": 47}


def test_beside_the_training_ranks_talk_of_what_lies_on_the_cpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    axes = SimpleNamespace(device_type="cuda")
    assert Mesh(axes=axes).device == torch.device("cuda", 1)
    assert Mesh(axes=axes, group="of gloo").device == torch.device("cpu")
