"""The GPU's kernels run by the processor: the same source, compiled by a C++ compiler.

``RawModule`` is what CuPy's is to the engine. One thread runs the whole of a kernel's loop.
``cublas`` is NVIDIA's library as far as the engine calls it.
"""

from __future__ import annotations

import ctypes
import hashlib
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

COMPILER = shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
OPTIONS = ("-x", "c++", "-std=c++17", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC")

SCALARS = {
    "int32": ctypes.c_int32,
    "int64": ctypes.c_int64,
    "uint64": ctypes.c_uint64,
    "float32": ctypes.c_float,
    "float64": ctypes.c_double,
}


class RawModule:
    """Kernels of a source; as CuPy's it is compiled when one is first asked for."""

    def __init__(self, code: str, options: tuple[str, ...] = ()) -> None:
        self.code, self.options = code, options

    def get_function(self, name: str) -> RawKernel:
        return RawKernel(getattr(_compiled(self.code, self.options), name))


class RawKernel:
    """A kernel, called with a grid, a block, and arrays and NumPy's scalars."""

    def __init__(self, function: Any) -> None:
        self.function = function
        function.restype = None

    def __call__(self, grid: tuple[int], block: tuple[int], args: tuple[Any, ...]) -> None:
        if not (0 < grid[0] < 1 << 31 and 0 < block[0] <= 1024):
            raise ValueError(f"got grid {grid} and block {block}")
        self.function(*map(_argument, args))


def _argument(value: Any) -> Any:
    if isinstance(value, np.generic):
        return SCALARS[value.dtype.name](value)
    if not isinstance(value, np.ndarray):
        raise TypeError(f"got a {type(value).__name__}, wanted an array or one of NumPy's scalars")
    return ctypes.c_void_p(value.ctypes.data)


@cache
def cublas() -> ctypes.CDLL:
    """What stands in for NVIDIA's library of that name."""
    source = Path(__file__).with_name("fake_cublas.cpp")
    return _compiled(source.read_text(encoding="utf-8"), ())


@cache
def _compiled(code: str, options: tuple[str, ...]) -> ctypes.CDLL:
    name = hashlib.sha256(repr((code, options)).encode()).hexdigest()[:16]
    folder = Path(tempfile.mkdtemp(prefix="minigan-kernels-"))
    source, library = folder / "kernels.cu", folder / f"{name}.so"
    source.write_text(code, encoding="utf-8")
    try:
        command = [str(COMPILER), *OPTIONS, *options, "-o", str(library), str(source)]
        subprocess.run(command, check=True, capture_output=True, text=True)
        return ctypes.CDLL(str(library))
    finally:
        shutil.rmtree(folder)
