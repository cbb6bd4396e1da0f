"""What tests run on with ``--device``: CuPy on a GPU, or its stand-in in its place."""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import Any

import host_kernels
import numpy as np
import pytest
import standin

from minigan import primitives, tensor
from minigan.backend import array_module, to_device
from minigan.gan import Trainer
from minigan.kernels import gemm
from minigan.kernels.choice import ON_A_CPU
from minigan.optim import optimizer
from minigan.tensor import Tensor
from minigan.testing.registry import ENTRIES

TESTS = Path(__file__).parent


CPU_ONLY = {
    "benchmarks": "measures the CPU, or names its devices",
    "cli": "a command computes on the CPU unless --device is among its own words",
    "data": "what is read is on the CPU",
    "kernels": "hands arrays of NumPy's to kernels",
    "lanes": "asks about NumPy, threads and memory of the CPU",
    "test_backend.py": "names its devices",
    "test_buffers.py": "is about memory of the CPU",
    "test_examples.py": "an example computes where it says",
    "test_files.py": "is about files",
    "test_import.py": "starts processes that import the package",
    "test_mutation.py": "is about the planting of errors",
    "test_random.py": "numbers are drawn on the CPU unless a device is named",
    "test_readme.py": "the README computes where it says",
    "test_workers.py": "is about threads of the CPU",
}
"""Folders and modules of tests that know no other device, and why."""


def why_cpu_only(item: pytest.Item) -> str:
    """Why a test is for the CPU alone: by its mark, or its folder or module; or nothing."""
    mark = item.get_closest_marker("cpu_only")
    return mark.args[0] if mark else CPU_ONLY.get(item.path.relative_to(TESTS).parts[0], "")


def default() -> str:
    """The device of tensors that are told none."""
    return Tensor(0.0).device


def library(name: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """CuPy if it is to be "cuda", else its stand-in, which ``import cupy`` finds from now on."""
    if name == "cuda":
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
    nvidia = standin.Library(host_kernels.cublas(), ("cublasGemmEx", "cublasGemmStridedBatchedEx"))
    monkeypatch.setattr(gemm, "nvidia_library", {"cublas": nvidia}.__getitem__)
    return standin.cupy


def make_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tensors made of numbers and of NumPy's arrays are on the GPU, unless a device is named."""
    make = Tensor.__init__

    def there(value: Any) -> Any:
        is_numpys = isinstance(value, (np.ndarray, np.generic))
        return to_device(value, "cuda") if is_numpys else value

    def operand(name: str, value: Any) -> Any:
        array = constant(name, value)
        return there(array) if array.ndim else array  # a number goes with any array

    @functools.wraps(make)
    def make_there(
        self: Tensor,
        data: Any,
        requires_grad: bool = False,
        dtype: Any = None,
        device: str | None = None,
    ) -> None:
        is_placed = isinstance(data, Tensor) or array_module(data) is not np
        make(self, data, requires_grad, dtype, device or (None if is_placed else "cuda"))

    monkeypatch.setattr(Tensor, "__init__", make_there)
    # So as_tensor() makes a tensor of an array of NumPy's, and does not show the array itself.
    monkeypatch.setattr(tensor, "is_array", lambda value: array_module(value) is not np)
    # Likewise arrays of NumPy's beside tensors, and the gradients that optimisers are given.
    constant, gradient = primitives._constant, optimizer._array
    monkeypatch.setattr(primitives, "_constant", operand)
    monkeypatch.setattr(optimizer, "_array", lambda name, p, g: gradient(name, p, there(g)))
    # Convolutions are as other products, in threads too: tests know float32's rounding, not TF32's.
    how = gemm._how
    monkeypatch.setattr(gemm, "_how", lambda dtype, convolution=False: how(dtype))
    monkeypatch.setitem(Trainer.__init__.__kwdefaults__, "device", "cuda")


def entries() -> list[Any]:
    """The names of the registry's entries, as parameters of a test."""
    alone = {f"conv2d.{name}" for name in ON_A_CPU}
    mark = pytest.mark.cpu_only("an algorithm for a processor's cache")
    return [pytest.param(n, marks=mark) if n in alone else n for n in sorted(ENTRIES)]


@functools.cache
def trouble() -> str:
    """Why a GPU can't add three numbers up, which takes a driver and a compiler; or nothing."""
    try:
        import cupy

        return "" if int((cupy.arange(3) + 1).sum()) == 6 else "the GPU adds wrongly"
    except Exception as error:
        return f"there is no usable GPU ({error})".splitlines()[0]
