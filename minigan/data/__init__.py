"""Image data: real digits in the package, MNIST, folders of pictures, arrays and streams."""

from __future__ import annotations

from minigan.data.digits import digits
from minigan.data.folder import image_folder
from minigan.data.idx import find_mnist, mnist, read_idx
from minigan.data.images import Images, check_range
from minigan.data.load import batches, from_arrays, load
from minigan.data.pictures import resized

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
