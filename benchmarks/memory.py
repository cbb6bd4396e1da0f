"""How much memory this process holds, as Linux counts it (``/proc/self``); None elsewhere."""

from __future__ import annotations

import contextlib
import ctypes
import gc

STATUS = "/proc/self/status"
CLEAR = "/proc/self/clear_refs"
RESET_PEAK = "5"


def start_counting() -> int | None:
    """Bytes held now; the peak is counted from here on. None where the system does not count so.

    What building freed is given back to the system first, or else the steps would use it again
    and seem to need less.
    """
    gc.collect()
    with contextlib.suppress(AttributeError, OSError, TypeError):  # another C library has none
        ctypes.CDLL(None).malloc_trim(0)
    try:
        with open(CLEAR, "w") as file:
            file.write(RESET_PEAK)
        return _field("VmRSS")
    except OSError:
        return None


def peak() -> int:
    """The most bytes held since ``start_counting``."""
    return _field("VmHWM")


def _field(name: str) -> int:
    with open(STATUS) as file:
        line = next(line for line in file if line.startswith(name))
    return int(line.split()[1]) * 1024
