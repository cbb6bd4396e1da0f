"""Products of matrices: by NumPy's BLAS, or on a GPU by cuBLAS in the precision that is asked for.

NVIDIA's GPUs multiply float32 in three ways, each adding up in float32: "ieee" as it is, "tf32"
with 10 bits of each factor's mantissa, many times as fast, "bf16" with 7. "auto" is tf32 in
convolutions and ieee elsewhere, as PyTorch has it. float64 is float64.

CuPy's own product knows tf32 only as an environment variable, and cannot be captured in a graph.
cuBLAS keeps matrices by columns: what it takes for Cᵀ = Bᵀ·Aᵀ is our C = A·B, by rows.
"""

from __future__ import annotations

import threading
import weakref
from contextvars import ContextVar
from ctypes import byref, c_double, c_float, c_int, c_size_t, c_void_p
from typing import Any

import numpy as np

from ..backend import Array, array_module, nvidia_library

# Numbers of cublas_api.h and library_types.h.
COMPUTE = {"ieee": 68, "tf32": 77, "bf16": 75}  # CUBLAS_COMPUTE_32F, …_FAST_TF32, …_FAST_16BF
TYPES = {"float32": 0, "float64": 1}  # CUDA_R_32F, CUDA_R_64F
COMPUTE_64F, ALGORITHM = 70, -1  # the library's own choice of algorithm

WORKSPACE = 32 << 20  # bytes, as NVIDIA advises for its newest GPUs

precision: ContextVar[str] = ContextVar("minigan_precision", default="auto")
"""How float32 is multiplied on a GPU: "auto", or one of ``COMPUTE``."""


def matmul(a: Array, b: Array, out: Array, convolution: bool = False) -> Array:
    """Write the product of two matrices to ``out``."""
    if type(a) is np.ndarray:
        return np.matmul(a, b, out=out)
    if a.dtype.name not in TYPES:
        return array_module(a).matmul(a, b, out=out)
    (m, k), n = a.shape, b.shape[1]
    if not m or not n:
        return out
    if not k:
        out.fill(0)
        return out
    width = _width(out)
    if not width:
        out[...] = matmul(a, b, array_module(out).empty(out.shape, out.dtype), convolution)
        return out
    (a, turn_a, width_a), (b, turn_b, width_b) = _readable(a), _readable(b)
    name = precision.get()
    name = ("tf32" if convolution else "ieee") if name == "auto" else name
    wide, kind = a.dtype.name == "float64", TYPES[a.dtype.name]
    number = c_double if wide else c_float
    _handle(array_module(a)).call(
        "cublasGemmEx", turn_b, turn_a, n, m, k,
        byref(number(1)), b.data.ptr, kind, width_b, a.data.ptr, kind, width_a,
        byref(number(0)), out.data.ptr, kind, width,
        COMPUTE_64F if wide else COMPUTE[name], ALGORITHM,
    )  # fmt: skip
    return out


def _readable(matrix: Array) -> tuple[Array, int, int]:
    """A matrix that cuBLAS can read, a copy if need be: whether it lies turned, and its width."""
    if width := _width(matrix):
        return matrix, 0, width
    if width := _width(matrix.T):
        return matrix, 1, width
    return array_module(matrix).ascontiguousarray(matrix), 0, matrix.shape[1]


def _width(matrix: Array) -> int:
    """How far it is from row to row, where each lies in one piece; 0 where not."""
    down, across = (stride // matrix.dtype.itemsize for stride in matrix.strides)
    rows, columns = matrix.shape
    lies = (across == 1 or columns == 1) and (down >= columns or rows == 1)
    return max(down, columns) if lies else 0


class _Handle:
    """cuBLAS on one GPU in one thread, with memory of its own to work in."""

    def __init__(self, xp: Any) -> None:
        self.xp, self.library, self.stream = xp, _cublas(), None
        self.workspace = xp.empty(WORKSPACE, "uint8")
        self.handle = c_void_p()
        self._check("cublasCreate_v2", self.library.cublasCreate_v2(byref(self.handle)))
        end = weakref.finalize(self, self.library.cublasDestroy_v2, self.handle)
        end.atexit = False  # the driver may be gone by then

    def call(self, name: str, *arguments: Any) -> None:
        """Call a function of the library on the current stream."""
        stream = self.xp.cuda.get_current_stream().ptr
        if stream != self.stream:  # which makes the library forget the workspace
            self._run("cublasSetStream_v2", stream)
            self._run("cublasSetWorkspace_v2", self.workspace.data.ptr, WORKSPACE)
            self.stream = stream
        self._run(name, *arguments)

    def _run(self, name: str, *arguments: Any) -> None:
        self._check(name, getattr(self.library, name)(self.handle, *arguments))

    def _check(self, name: str, status: int) -> None:
        if status:
            raise RuntimeError(f"{name} returned status {status} (cublasStatus_t)")


_of_thread = threading.local()


def _handle(xp: Any) -> _Handle:
    """This thread's on the current GPU."""
    handles: dict[int, _Handle] = _of_thread.__dict__.setdefault("handles", {})
    device = xp.cuda.Device().id
    if device not in handles:
        handles[device] = _Handle(xp)
    return handles[device]


def _cublas() -> Any:
    """The library, its functions told what they take."""
    library = nvidia_library("cublas")
    library.cublasCreate_v2.argtypes = [c_void_p]
    library.cublasDestroy_v2.argtypes = [c_void_p]
    library.cublasSetStream_v2.argtypes = [c_void_p, c_void_p]
    library.cublasSetWorkspace_v2.argtypes = [c_void_p, c_void_p, c_size_t]
    matrix = [c_void_p, c_int, c_int]  # address, type, width
    library.cublasGemmEx.argtypes = [
        c_void_p, *[c_int] * 5, c_void_p, *matrix, *matrix, c_void_p, *matrix, c_int, c_int,
    ]  # fmt: skip
    return library
