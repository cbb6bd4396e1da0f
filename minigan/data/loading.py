"""One way in for every kind of image data: paths, arrays and streams of batches."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..files import FileError
from .folder import Progress, image_folder
from .idx import is_idx, is_mnist, mnist, read_idx
from .images import Images, Range, warn_if_dark
from .pictures import Fit, Size, check_options, resized

_PIXEL_NAMES = ("images", "pixels", "x", "data", "x_train", "train_images", "train_x")
_LABEL_NAMES = ("labels", "y", "label", "target", "targets", "y_train", "train_labels", "train_y")
_NUMPY_MAGIC = (b"\x93NUMPY", b"PK\x03\x04", b"PK\x05\x06")  # .npy, .npz, an empty .npz
_DAMAGE = (ValueError, OSError, EOFError, MemoryError, zipfile.BadZipFile, zlib.error)


def load(
    path: str | os.PathLike[str],
    *,
    size: Size | None = None,
    channels: int | None = None,
    fit: Fit = "resize",
    progress: Progress | None = None,
) -> Images:
    """Read images from a path, whatever it is.

    =====================================  =====================================================
    a folder of MNIST's IDX files          its training set
    any other folder                       its pictures, see :func:`image_folder`
    ``.npy``                               an array (N, H, W) or (N, H, W, C)
    ``.npz``                               such an array as ``images``, ``x``, ..., and if there
                                           are any, class ids as ``labels``, ``y``, ...
    an IDX file, gzipped or not            its array
    =====================================  =====================================================

    Args:
        path: what to read.
        size: (height, width) in pixels wanted, or one number for a square; None keeps the
            pictures' own, which must be the same for all.
        channels: 1 (grey) or 3 (colour); None keeps an array's own and reads pictures in colour.
        fit: how a picture is fitted to ``size``, see :func:`image_folder`.
        progress: wraps the list of picture files while they are read, such as ``tqdm.tqdm``.

    Raises:
        FileError: a file that can't be used, or of no known kind.
        FileNotFoundError: there is nothing at ``path``.
        ValueError, TypeError: an argument, or an array, that doesn't fit.
    """
    check_options(channels, fit)
    place = Path(path)
    if not place.exists():
        raise FileNotFoundError(f"there is no file or folder {os.fspath(path)!r}")
    if place.is_dir() and not is_mnist(place):
        return image_folder(place, size, channels=channels or 3, fit=fit, progress=progress)
    images = mnist(place) if place.is_dir() else _from_file(place)
    return resized(images, size, channels, fit)


def from_arrays(
    images: npt.ArrayLike,
    labels: npt.ArrayLike | None = None,
    *,
    source: str = "arrays",
    value_range: Range | None = None,
) -> Images:
    """Images from an array (N, H, W) or (N, H, W, C), channels last.

    uint8 and float32 are taken without a copy; other floats become float32, other integers of 0
    to 255 become uint8, and booleans 0 or 255. Integers of another ``value_range`` become float32.

    Args:
        images: the pictures.
        labels: (N,) integer class ids from 0.
        source: where they come from, in a few words.
        value_range: the (lowest, highest) value, black and white; None infers it, see
            :class:`Images`, which for integers is (0, 255).

    Raises:
        TypeError, ValueError: an array that doesn't fit, by name.
    """
    pixels = _as_pixels(np.asarray(images), value_range)
    if pixels.ndim == 3:
        pixels = pixels[..., None]
    if pixels.ndim != 4:
        raise ValueError(f"images must have shape (N, H, W) or (N, H, W, C), got {pixels.shape}")
    if pixels.shape[1] in (1, 3, 4) and pixels.shape[3] > 4:
        raise ValueError(
            f"images has shape {pixels.shape}, which looks channels first; "
            f"use np.moveaxis(images, 1, -1)"
        )
    ids = None if labels is None else _as_ids(np.asarray(labels))
    return Images(pixels, ids, None, source, value_range)


def batches(iterable: Iterable[Any], *, value_range: Range | None = None) -> Iterator[Images]:
    """Check a stream of batches, one at a time, as they are asked for.

    Args:
        iterable: gives arrays (N, H, W, C), or pairs (images, labels); N may vary.
        value_range: the (lowest, highest) value; None infers it from the first batch and holds
            the others to it.

    Yields:
        Each batch as :class:`Images`.

    Raises:
        TypeError, ValueError: a batch that doesn't fit, or not the ones before it, by number;
            or no batch at all.
    """
    first: Images | None = None
    for number, item in enumerate(iterable):
        pixels, labels = (
            item if isinstance(item, (tuple, list)) and len(item) == 2 else (item, None)
        )
        declared = value_range if first is None else first.value_range
        array = np.asarray(pixels)
        if array.ndim != 4:
            raise ValueError(
                f"batch {number}: images must have shape (N, H, W, C), got {array.shape}"
            )
        try:
            batch = from_arrays(array, labels, source=f"batch {number}", value_range=declared)
        except (TypeError, ValueError) as error:
            raise type(error)(f"batch {number}: {error}") from None
        first = first or batch
        _check_alike(number, batch, first)
        yield batch
    if first is None:
        raise ValueError("iterable gave no batches; a generator can be read only once")


def _check_alike(number: int, batch: Images, first: Images) -> None:
    for what, got, wanted in (
        ("shape (H, W, C)", batch.shape, first.shape),
        ("dtype", batch.pixels.dtype, first.pixels.dtype),
        ("labels", batch.labels is not None, first.labels is not None),
    ):
        if got != wanted:
            raise ValueError(f"batch {number}: its {what} is {got}, in the batches before {wanted}")


def _as_pixels(array: npt.NDArray[Any], declared: Range | None) -> npt.NDArray[Any]:
    kind = array.dtype.kind
    if kind == "f" or (kind in "iu" and declared not in (None, (0, 255))):
        with np.errstate(over="ignore"):  # what overflows is reported as infinite
            return array.astype(np.float32, copy=False)
    if array.dtype == np.uint8:
        if declared is None and array.size and int(array.max()) == 1:
            warn_if_dark(1.0)
        return array
    if kind == "b":
        return array.astype(np.uint8) * np.uint8(255)
    if kind not in "iu":
        raise TypeError(f"images must hold integers or floats, got dtype {array.dtype}")
    if array.size and (array.min() < 0 or array.max() > 255):
        raise ValueError(
            f"images holds integers in [{array.min()}, {array.max()}], wanted 0 to 255; "
            f"scale them, or say value_range=(lowest, highest) in Python"
        )
    if array.size and declared is None:
        warn_if_dark(float(array.max()))
    return array.astype(np.uint8)


def _as_ids(array: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise ValueError(
            f"labels must have shape (N,) and hold integer class ids, got shape {array.shape}, "
            f"dtype {array.dtype}; use labels.ravel() for (N, 1), labels.argmax(1) for one-hot"
        )
    return array.astype(np.int64, copy=False)


def _from_file(path: Path) -> Images:
    if path.suffix == ".zip":
        raise FileError(f"{str(path)!r} is a zip; unpack it and give the folder")
    if path.suffix in (".npy", ".npz"):
        pixels, labels = _read_numpy(path)
    elif is_idx(path):
        pixels, labels = read_idx(path), None
    else:
        raise FileError(
            f"{str(path)!r} is of no known kind; wanted a folder of pictures, a folder of MNIST's "
            f"IDX files, an .npy or .npz file, or an IDX file"
        )
    try:
        return from_arrays(pixels, labels, source=path.name)
    except (TypeError, ValueError) as error:
        raise FileError(f"{str(path)!r} can't be used: {error}") from error


def _read_numpy(path: Path) -> tuple[npt.NDArray[Any], npt.NDArray[Any] | None]:
    try:
        with open(path, "rb") as file:  # np.load leaves a damaged file open when it opens it itself
            magic = file.read(6)  # np.load takes what it doesn't know for a pickle
            if not magic.startswith(_NUMPY_MAGIC):
                raise FileError(
                    f"{str(path)!r} is not a NumPy file: it starts with "
                    f"{magic.hex(' ') or 'nothing'}; make it with numpy.save or numpy.savez"
                )
            file.seek(0)
            stored = np.load(file, allow_pickle=False)
            if not isinstance(stored, np.ndarray):
                return _choose(path, stored)
            if file.read(1):
                raise FileError(
                    f"{str(path)!r} goes on after its array of shape {stored.shape}; "
                    f"save one array to an .npy file, or several with numpy.savez"
                )
            return stored, None
    except FileError:
        raise
    except _DAMAGE as error:
        reason = "it holds Python objects" if "allow_pickle" in str(error) else error
        raise FileError(
            f"{str(path)!r} can't be used: it is damaged, or holds no plain arrays ({reason})"
        ) from error


def _choose(path: Path, stored: Any) -> tuple[npt.NDArray[Any], npt.NDArray[Any] | None]:
    """The images and labels among an ``.npz`` file's arrays, by name; one array alone is images."""
    names = {name.lower(): name for name in stored.files}
    pixels = next((names[n] for n in _PIXEL_NAMES if n in names), None)
    labels = next((names[n] for n in _LABEL_NAMES if n in names), None)
    if pixels is None and len(names) == 1 and labels is None:
        (pixels,) = names.values()
    if pixels is None:
        raise FileError(
            f"{str(path)!r} holds the arrays {sorted(stored.files)}, none of which is named "
            f"{', '.join(_PIXEL_NAMES)}; rename the one with the images"
        )
    return stored[pixels], None if labels is None else stored[labels]
