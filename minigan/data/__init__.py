"""Data: real digits in the package, MNIST, folders of pictures, arrays, streams and mixtures.

``Images`` is all that training needs. The readers come with libraries that take long to load, so
each of their modules is imported when one of its names is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .images import Images, check_range

if TYPE_CHECKING:
    from .folder import image_folder
    from .idx import find_mnist, mnist, read_idx
    from .loading import batches, from_arrays, load
    from .mixtures import Mixture, grid, ring
    from .optdigits import digits
    from .pictures import resized

_READERS = {
    "Mixture": "mixtures",
    "batches": "loading",
    "digits": "optdigits",
    "find_mnist": "idx",
    "from_arrays": "loading",
    "grid": "mixtures",
    "image_folder": "folder",
    "load": "loading",
    "mnist": "idx",
    "read_idx": "idx",
    "resized": "pictures",
    "ring": "mixtures",
}


def __getattr__(name: str) -> Any:
    if name not in _READERS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_READERS[name]}", __name__), name)
    globals()[name] = value  # found without this function from now on
    return value


__all__ = [
    "Images",
    "Mixture",
    "batches",
    "check_range",
    "digits",
    "find_mnist",
    "from_arrays",
    "grid",
    "image_folder",
    "load",
    "mnist",
    "read_idx",
    "resized",
    "ring",
]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
