"""What the tests of the GPU's path run on: the stand-in for CuPy, or with --device cuda a GPU."""

from __future__ import annotations

import functools
import sys

import host_kernels
import numpy as np
import pytest
import standin

from minigan.kernels import gemm


@pytest.fixture
def cupy(request, monkeypatch):
    """CuPy, or its stand-in in its place."""
    if request.config.getoption("--device") == "cuda":
        if trouble():
            pytest.skip(trouble())
        return pytest.importorskip("cupy")
    if np.lib.NumpyVersion(np.__version__) < "2.0.0":
        pytest.skip("CuPy needs NumPy 2, of which the stand-in has the rules for dtypes")
    if host_kernels.COMPILER is None:
        pytest.skip("there is no C++ compiler for the kernels")
    monkeypatch.setitem(sys.modules, "cupy", standin.cupy)
    monkeypatch.setattr(standin.Device, "current", 0)
    monkeypatch.setattr(standin.Stream, "busy", set())
    library = standin.Library(host_kernels.cublas(), ("cublasGemmEx", "cublasGemmStridedBatchedEx"))
    monkeypatch.setattr(gemm, "nvidia_library", {"cublas": library}.__getitem__)
    return standin.cupy


@pytest.fixture
def at_length(request) -> bool:
    """Whether a device was asked for: then there is time for more cases."""
    return request.config.getoption("--device") != "cpu"


@functools.cache
def trouble() -> str:
    """Why a GPU can't add three numbers up, which takes a driver and a compiler; or nothing."""
    try:
        import cupy

        return "" if int((cupy.arange(3) + 1).sum()) == 6 else "the GPU adds wrongly"
    except Exception as error:
        return f"there is no usable GPU ({error})".splitlines()[0]


def pytest_terminal_summary(terminalreporter, config):
    if config.getoption("--device") == "cuda" and trouble():
        terminalreporter.write_line(f"--device cuda: skipped, as {trouble()}")
