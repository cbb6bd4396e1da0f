"""Products of matrices: on the CPU as ``blas`` says, on a GPU by cuBLAS in the precision asked for.

NVIDIA's GPUs multiply float32 in three ways, each adding up in float32: "ieee" as it is, "tf32"
with 10 bits of each factor's mantissa, many times as fast, "bf16" with 7. "auto" is tf32 in
convolutions and ieee elsewhere, as PyTorch has it. float64 is float64.

CuPy's own product knows tf32 only as an environment variable, and cannot be captured in a graph.
cuBLAS keeps matrices by columns: what it takes for Cᵀ = Bᵀ·Aᵀ is our C = A·B, by rows.
"""

from __future__ import annotations

import math
import threading
import weakref
from contextvars import ContextVar
from ctypes import byref, c_double, c_float, c_int, c_longlong, c_size_t, c_void_p
from typing import Any

import numpy as np

from .. import workers
from ..backend import Array, array_module, nvidia_library
from . import blas

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
        return blas.matmul(a, b, out)
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
    kind, number, compute = _how(a.dtype, convolution)
    _handle(array_module(a)).call(
        "cublasGemmEx", turn_b, turn_a, n, m, k,
        byref(number(1)), b.data.ptr, kind, width_b, a.data.ptr, kind, width_a,
        byref(number(0)), out.data.ptr, kind, width, compute, ALGORITHM,
    )  # fmt: skip
    return out


def stacked(a: Array, b: Array) -> Array:
    """The products of stacks of matrices (…, m, k) and (…, k, n), broadcast."""
    if type(a) is np.ndarray and type(b) is np.ndarray and not blas.is_shared():
        return _stacked_in_tiles(a, b)
    if type(a) is np.ndarray or a.dtype != b.dtype or a.dtype.name not in TYPES:
        return a @ b
    xp, stack = array_module(a), np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    (m, k), n = a.shape[-2:], b.shape[-1]
    out = xp.zeros((*stack, m, n), a.dtype)
    if not out.size or not k:
        return out
    (a, turn_a, width_a), (b, turn_b, width_b) = (
        _readable(_one(a, stack)),
        _readable(_one(b, stack)),
    )
    kind, number, compute = _how(a.dtype)
    _handle(xp).call(
        "cublasGemmStridedBatchedEx", turn_b, turn_a, n, m, k,
        byref(number(1)), b.data.ptr, kind, width_b, b.strides[0] // b.dtype.itemsize,
        a.data.ptr, kind, width_a, a.strides[0] // a.dtype.itemsize,
        byref(number(0)), out.data.ptr, kind, n, m * n, len(a), compute, ALGORITHM,
    )  # fmt: skip
    return out


def _stacked_in_tiles(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The same on the CPU, where BLAS is to share none: several threads at several matrices."""
    stack = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    (m, k), n = a.shape[-2:], b.shape[-1]
    if m * n * k <= blas.TILE or not stack or a.dtype != b.dtype:  # BLAS shares no single one
        return a @ b
    out = np.empty((*stack, m, n), a.dtype)
    each = zip(_one(a, stack), _one(b, stack), out.reshape(-1, m, n), strict=True)
    workers.each(blas.tiled, each, m * n * k * math.prod(stack) // blas.PER_ELEMENT)
    return out


def _one(x: Array, stack: tuple[int, ...]) -> Array:
    """The matrices of a stack of that shape along one axis."""
    if x.shape[:-2] == stack and len(stack) == 1:
        return x
    matrices = array_module(x).broadcast_to(x, (*stack, *x.shape[-2:]))
    return matrices.reshape(math.prod(stack), *x.shape[-2:])


def _how(dtype: np.dtype, convolution: bool = False) -> tuple[int, Any, int]:
    """How the library multiplies: the type, that of numbers, and the precision."""
    if dtype == np.float64:
        return TYPES["float64"], c_double, COMPUTE_64F
    name = precision.get()
    name = ("tf32" if convolution else "ieee") if name == "auto" else name
    return TYPES["float32"], c_float, COMPUTE[name]


def _readable(x: Array) -> tuple[Array, int, int]:
    """Matrices that cuBLAS can read, a copy if need be: whether they lie turned, and the width."""
    if width := _width(x):
        return x, 0, width
    if width := _width(x.swapaxes(-2, -1)):
        return x, 1, width
    return array_module(x).ascontiguousarray(x), 0, x.shape[-1]


def _width(x: Array) -> int:
    """How far it is from row to row, where each lies in one piece; 0 where not."""
    down, across = (stride // x.dtype.itemsize for stride in x.strides[-2:])
    rows, columns = x.shape[-2:]
    lies = (across == 1 or columns == 1) and (down >= columns or rows == 1)
    return max(down, columns) if lies and min(x.strides[:-2], default=0) >= 0 else 0


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
    stack = [*matrix, c_longlong]  # and how far it is from one matrix to the next
    library.cublasGemmStridedBatchedEx.argtypes = [
        c_void_p, *[c_int] * 5, c_void_p, *stack, *stack, c_void_p, *stack, *[c_int] * 3,
    ]  # fmt: skip
    return library
