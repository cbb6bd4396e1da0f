"""What the tests of the GPU's path run on: the stand-in for CuPy, or with --device cuda a GPU."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import standin


@pytest.fixture
def cupy(request, monkeypatch):
    """CuPy, or its stand-in in its place."""
    if request.config.getoption("--device") == "cuda":
        return pytest.importorskip("cupy") if _works() else pytest.skip("there is no usable GPU")
    if np.lib.NumpyVersion(np.__version__) < "2.0.0":
        pytest.skip("CuPy needs NumPy 2, of which the stand-in has the rules for dtypes")
    monkeypatch.setitem(sys.modules, "cupy", standin.cupy)
    monkeypatch.setattr(standin.Device, "current", 0)
    return standin.cupy


@pytest.fixture
def at_length(request) -> bool:
    """Whether a device was asked for: then there is time for more cases."""
    return request.config.getoption("--device") != "cpu"


def _works() -> bool:
    """Whether a GPU adds three numbers up: this takes a driver, and a compiler for the kernel."""
    try:
        import cupy

        return int((cupy.arange(3) + 1).sum()) == 6
    except Exception:
        return False
