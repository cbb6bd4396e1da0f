"""Which library an array belongs to, and which device it is on.

This is the only module that imports CuPy, and it does so on first use. Everything above writes
``xp = array_module(x)`` and then NumPy's names, which CuPy shares.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np

from .errors import DeviceError

Array: TypeAlias = Any
"""A ``numpy.ndarray`` or a ``cupy.ndarray``."""

FLOATS = (np.dtype("float16"), np.dtype("float32"), np.dtype("float64"))
"""The dtypes a tensor may have."""


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

    Raises ``DeviceError`` where the device can't be had.
    """
    if device == "cpu":
        xp = array_module(array)
        return array if xp is np else xp.asnumpy(array)
    index, cupy = _cuda_index(device), _cupy()
    with cupy.cuda.Device(index):
        return cupy.asarray(array)


def check_device(device: str) -> None:
    """Raise ``DeviceError`` unless ``device`` can be used here."""
    if device != "cpu":
        index, count = _cuda_index(device), _cupy().cuda.runtime.getDeviceCount()
        if index >= count:
            raise DeviceError(f"device: got {device!r}, but this machine has {count} GPU(s)")


def _cuda_index(device: str) -> int:
    name, _, index = device.partition(":")
    if name != "cuda" or (index and not index.isdigit()):
        raise DeviceError(f'device: got {device!r}, wanted "cpu", "cuda" or "cuda:N"')
    return int(index or 0)


def _cupy() -> ModuleType:
    try:
        import cupy  # type: ignore[import-not-found, unused-ignore]
    except ImportError as error:
        raise DeviceError(
            'device "cuda" needs CuPy, which is not installed: pip install "minigan[gpu]"'
        ) from error
    if not cupy.cuda.is_available():
        raise DeviceError('device "cuda": CuPy is installed but finds no usable GPU or driver')
    return cupy
