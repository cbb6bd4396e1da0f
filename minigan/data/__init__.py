"""Image data: real digits in the package, MNIST, folders of pictures, arrays and streams."""

from __future__ import annotations

from .digits import digits
from .folder import image_folder
from .idx import find_mnist, mnist, read_idx
from .images import Images, check_range
from .load import batches, from_arrays, load
from .pictures import resized

__all__ = [
    "Images",
    "batches",
    "check_range",
    "digits",
    "find_mnist",
    "from_arrays",
    "image_folder",
    "load",
    "mnist",
    "read_idx",
    "resized",
]
