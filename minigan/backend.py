"""Which library an array belongs to, and which device it is on.

This is the only module that imports CuPy, and it does so on first use. Everything above writes
``xp = array_module(x)`` and then NumPy's names, which CuPy shares.

CuPy computes on one GPU at a time, the thread's *current* one: here, that which an array was last
moved to.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from contextvars import ContextVar
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np

from .arguments import instance
from .errors import DeviceError, NotCapturable, of_extra

Array: TypeAlias = Any
"""A ``numpy.ndarray`` or a ``cupy.ndarray``."""

FLOATS = (np.dtype("float16"), np.dtype("float32"), np.dtype("float64"))
"""The dtypes a tensor may have."""

OLDEST_CUPY = (14, 1, 1)

capturing: ContextVar[bool] = ContextVar("minigan_capturing", default=False)
"""Whether what the GPU is asked for is captured in a graph, and not done: it has no numbers yet."""


def array_module(array: Any) -> Any:
    """The library, ``numpy`` or ``cupy``, that made ``array``; NumPy for anything else."""
    if type(array) is np.ndarray:
        return np
    cupy = sys.modules.get("cupy")  # an array of CuPy's can't exist before CuPy was imported
    if cupy is not None and isinstance(array, cupy.ndarray):
        return cupy
    return np


def is_array(value: Any) -> bool:
    """Whether ``value`` is an array (of either library) rather than a number, list or tensor."""
    return isinstance(value, np.ndarray) or array_module(value) is not np


def device_of(array: Array) -> str:
    """``"cpu"``, or ``"cuda:N"`` for an array on the N-th GPU."""
    return "cpu" if array_module(array) is np else f"cuda:{array.device.id}"


def to_device(array: Array, device: str) -> Array:
    """``array`` on ``device`` (``"cpu"``, ``"cuda"`` or ``"cuda:N"``); itself where it is there.

    A GPU becomes the current one. Raises ``DeviceError`` where the device can't be had.
    """
    if device == "cpu":
        xp = array_module(array)
        return array if xp is np else xp.asnumpy(array)
    if capturing.get() and array_module(array) is np:
        raise NotCapturable("something is made on the CPU in each step")
    return library_on(device).asarray(array)


def library_on(device: str) -> Any:
    """The library that makes arrays on ``device``: a GPU becomes the current one."""
    if device == "cpu":
        return np
    cupy, index = _gpu(device)
    cupy.cuda.Device(index).use()
    return cupy


def nvidia_library(name: str) -> Any:
    """A library of NVIDIA's by its short name, such as "cublas", as CuPy finds it."""
    import ctypes

    from cuda.pathfinder import load_nvidia_dynamic_lib  # which CuPy brings

    return ctypes.CDLL(load_nvidia_dynamic_lib(name).abs_path)


def check_device(device: str) -> None:
    """Raise ``DeviceError`` unless ``device`` can be used here."""
    instance("device", device, str, 'a name such as "cpu" or "cuda"')
    if device != "cpu":
        _gpu(device)


def numbers(arrays: Iterable[Array]) -> list[float]:
    """Arrays of no axes, all of one library, as Python's numbers.

    Those on a GPU come in one copy, as each copy waits until the GPU has done all it was asked for.
    """
    if capturing.get():
        raise NotCapturable("the CPU has to know numbers of the GPU's in the middle of a step")
    arrays = list(arrays)
    xp = array_module(arrays[0]) if arrays else np
    return [float(a) for a in arrays] if xp is np else xp.stack(arrays).tolist()


def _gpu(device: str) -> tuple[Any, int]:
    """CuPy, and the number of a GPU that there is."""
    index, cupy = _cuda_index(device), _cupy()
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except RuntimeError as error:
        no_driver = "InsufficientDriver" in str(error)
        missing = "NVIDIA driver, or too old a one" if no_driver else "usable GPU"
        raise DeviceError(f"device: got {device!r}, but there is no {missing} ({error})") from error
    if index >= count:
        raise DeviceError(f"device: got {device!r}, but this machine has {count} GPU(s)")
    return cupy, index


def _cuda_index(device: str) -> int:
    name, _, index = device.partition(":")
    if name != "cuda" or (index and not index.isdigit()):
        raise DeviceError(f'device: got {device!r}, wanted "cpu", "cuda" or "cuda:N"')
    return int(index or 0)


def _cupy() -> ModuleType:
    try:
        import cupy  # type: ignore[import-not-found, unused-ignore]
    except ImportError as error:
        raise DeviceError(f'device "cuda" needs CuPy{of_extra("gpu")}') from error
    if tuple(map(int, re.findall(r"\d+", cupy.__version__)[:3])) < OLDEST_CUPY:
        oldest = ".".join(map(str, OLDEST_CUPY))
        raise DeviceError(f'device "cuda" needs CuPy {oldest} or newer, got {cupy.__version__}')
    return cupy
