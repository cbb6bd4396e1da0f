"""What all tests share: the folder of real data, a small registry, and hypothesis's settings."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")


def pytest_addoption(parser):
    parser.addoption(
        "--device",
        choices=("cpu", "standin", "cuda"),
        default="cpu",
        help="what tests/gpu runs on: the stand-in for CuPy, briefly (cpu) or at length (standin), "
        "or a GPU at length (cuda)",
    )


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder that MINIGAN_DATA names."""
    root = os.environ.get("MINIGAN_DATA")
    if not root:
        pytest.skip("set MINIGAN_DATA to the folder that has mnist/ to run on real data")
    return Path(root)


@pytest.fixture
def small(monkeypatch):
    """A registry of two entries that is complete, and a way to plant a third in it."""
    from minigan.testing.registry import ENTRIES, Case, Entry, coverage, running

    for name in list(ENTRIES):
        if name not in ("conv2d", "tanh"):
            monkeypatch.delitem(ENTRIES, name)
    every = coverage.kernels
    plain = ("convolution.", "windows.")  # the kernels that conv2d reaches, forced to nothing

    def kernels():
        return {name: code for name, code in every().items() if name.startswith(plain)}

    monkeypatch.setattr(coverage, "expected", lambda: ["conv2d", "tanh"])
    for module in (coverage, running):
        monkeypatch.setattr(module, "kernels", kernels)

    def plant(function, name="planted"):
        settings = {"planted": True, "axis": None}
        case = Case(function, [np.array([[0.5, 1.5], [0.7, -1.1]])], settings)
        monkeypatch.setitem(ENTRIES, name, Entry(name, lambda rng: case))

    return plant
