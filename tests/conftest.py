"""What all tests share: their device, the folder of real data, a small registry, and hypothesis's
settings.

``pytest --device cuda`` computes on a GPU whatever is not for the CPU alone, gradient checks in
float64 included, and ``--device standin`` on the stand-in for CuPy; ``devices`` says how.
"""

from __future__ import annotations

import os
from pathlib import Path

import devices
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
        help="where tensors are by default in tests that are not for the CPU alone: the CPU, the "
        "stand-in for CuPy or a GPU; tests/gpu goes on the stand-in, briefly (cpu) or at length, "
        "or on a GPU at length",
    )


def pytest_runtest_setup(item):
    """Skip what concerns the processor alone where a device was asked for."""
    if item.config.getoption("--device") != "cpu" and (why := devices.why_cpu_only(item)):
        pytest.skip(f"for the CPU alone: {why}")


@pytest.fixture
def cupy(request, monkeypatch):
    """CuPy, or its stand-in in its place."""
    return devices.library(request.config.getoption("--device"), monkeypatch)


@pytest.fixture(autouse=True, scope="module")
def on_device(request):
    """With --device, the default one of tensors and trainers; tests/gpu names its devices."""
    if request.config.getoption("--device") == "cpu" or request.path.parent.name == "gpu":
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        devices.library(request.config.getoption("--device"), patch)
        devices.make_default(patch)
        yield


def pytest_terminal_summary(terminalreporter, config):
    if config.getoption("--device") == "cuda" and devices.trouble():
        terminalreporter.write_line(f"--device cuda: skipped, as {devices.trouble()}")


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
