"""``pytest --device``: tests that name no device compute on it."""

from __future__ import annotations

import subprocess
import sys

import devices
import games
import numpy as np

import minigan as mg
from minigan import nn, optim
from minigan.testing import check_gradients

VALUES = np.array([[1.5, -2.0, 0.25], [3.0, 0.5, -1.0]])


def test_a_gpu_can_be_the_default(cupy, monkeypatch):
    devices.make_default(monkeypatch)
    assert {t.device for t in map(mg.Tensor, (VALUES, [1.0], 2.0))} == {"cuda:0"}
    assert mg.exp(VALUES).device == mg.as_tensor(VALUES).device == devices.default() == "cuda:0"
    here = mg.Tensor(VALUES, device="cpu")
    assert here.device == mg.Tensor(here).device == "cpu"
    layer = nn.Dense(2, dtype="float64")
    assert layer(VALUES).device == layer.weight.device == "cuda:0"
    optim.SGD(0.1).bind([layer.weight]).step([np.ones((3, 2))])
    assert games.trainer().device == "cuda"
    seen = set()
    check_gradients(lambda x: seen.add(x.device) or (x * VALUES) ** 2, [VALUES], order=2)
    assert seen == {"cuda:0"}


def test_the_default_ends_with_the_test():
    assert devices.default() == "cpu" and games.trainer().device == "cpu"
    assert mg.exp(VALUES).device == mg.as_tensor(VALUES).device == "cpu"


def test_what_is_for_the_cpu_alone_is_skipped(cupy):
    tests = [
        "tests/ops/test_operators.py::test_unary_operators_and_matmul",
        "tests/ops/test_elementwise.py::test_values_outside_the_domain_warn_as_in_numpy",
        "tests/test_workers.py",
    ]
    command = [sys.executable, "-m", "pytest", "-rs", "--device", "standin", *tests]
    done = subprocess.run(command, capture_output=True, text=True, cwd=devices.TESTS.parent)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("for the CPU alone: a GPU warns of nothing") == 1
    assert "for the CPU alone: is about threads of the CPU" in done.stdout
    assert done.stdout.splitlines()[0].startswith(".s")
