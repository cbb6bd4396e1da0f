"""Images in memory: pixels with their range, labels and class names, checked once."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..backend import Array, array_module
from ..random import Stream

Range = tuple[float, float]

_KNOWN_RANGES: tuple[Range, ...] = ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0))
_DARK = 64.0  # pixels that never pass this of 255 are rather on a scale of their own
_SLACK = 1e-3  # of a range's width: what rounding and resampling may overshoot


@dataclass(frozen=True, eq=False, repr=False)
class Images:
    """Pictures of one size, channels last, kept as they came; :meth:`batch` scales them.

    Attributes:
        pixels: (N, H, W, C), uint8 or float32.
        labels: (N,) int64 class ids, −1 for a picture without one, or None.
        classes: the classes' names by id, or None.
        source: where the pictures come from, in a few words.
        value_range: the (lowest, highest) value that ``pixels`` may take: black and white. None
            infers it: (0, 255) for uint8; for floats the first of [0, 1], [-1, 1] and [0, 255]
            that holds all of them, with a warning if that would make them all dark.

    Raises:
        TypeError, ValueError: an argument that doesn't fit, by name.
    """

    pixels: npt.NDArray[Any]
    labels: npt.NDArray[np.int64] | None = None
    classes: tuple[str, ...] | None = None
    source: str = ""
    value_range: Range | None = None

    def __post_init__(self) -> None:
        _check_pixels(self.pixels)
        _check_labels(self.labels, self.classes, len(self.pixels))
        object.__setattr__(self, "value_range", _settle_range(self.pixels, self.value_range))

    def __len__(self) -> int:
        return len(self.pixels)

    def __repr__(self) -> str:
        height, width, channels = self.shape
        text = f"{len(self)} images of {height}x{width}x{channels}, {self.pixels.dtype}"
        if self.classes is not None:
            text += f", {len(self.classes)} classes"
        return f"<Images: {text}, from {self.source}>" if self.source else f"<Images: {text}>"

    @property
    def shape(self) -> tuple[int, int, int]:
        """(H, W, C) of one picture."""
        height, width, channels = self.pixels.shape[1:]
        return height, width, channels

    @property
    def range(self) -> Range:
        """The (lowest, highest) value that the pixels may take."""
        if self.value_range is None:  # never, after __post_init__
            raise ValueError("value_range is not set")
        return self.value_range

    def take(self, indices: npt.ArrayLike | slice) -> Images:
        """The pictures at ``indices`` (integers, a mask or a slice), with labels, in that order."""
        chosen = _index(indices)
        labels = None if self.labels is None else self.labels[chosen]
        return Images(self.pixels[chosen], labels, self.classes, self.source, self.value_range)

    def split(self, held_out: int, seed: int) -> tuple[Images, Images]:
        """Shuffle by ``seed`` and split into ``(train, held_out)``, the latter of that many."""
        if not 0 < held_out < len(self):
            raise ValueError(
                f"held_out must leave pictures on both sides: got {held_out} of {len(self)}, "
                f"wanted 1 to {len(self) - 1}"
            )
        order = Stream(seed, "split").permutation(len(self))
        return self.take(order[held_out:]), self.take(order[:held_out])

    def batch(
        self,
        indices: npt.ArrayLike | slice,
        low: float = -1.0,
        high: float = 1.0,
        dtype: npt.DTypeLike = np.float32,
    ) -> npt.NDArray[Any]:
        """The pictures at ``indices``, scaled from :attr:`range` to [low, high], ends exactly.

        Returns:
            A new (B, H, W, C) array of ``dtype`` (a float type).
        """
        return scaled(self.pixels[_index(indices)], self.range, (low, high), dtype)


def scaled(pixels: Array, old: Range, new: Range, dtype: npt.DTypeLike = np.float32) -> Array:
    """Pixels of the ``old`` range in the ``new`` one, ends exactly, where the pixels are."""
    wanted, (low, high) = np.dtype(dtype), new
    if wanted.kind != "f":
        raise TypeError(f"dtype must be a float type, got {wanted}")
    if not low < high:
        raise ValueError(f"low must be below high, got low={low}, high={high}")
    xp = array_module(pixels)
    if pixels.dtype == np.uint8:  # only 256 answers: look them up
        return xp.asarray(np.linspace(low, high, 256).astype(wanted))[pixels]
    work = np.promote_types(wanted, np.float32).type
    share = xp.clip((pixels.astype(work) - work(old[0])) / work(old[1] - old[0]), 0, 1)
    return (work(low) * (1 - share) + work(high) * share).astype(wanted, copy=False)


def check_range(pixels: npt.ArrayLike, low: float, high: float) -> str | None:
    """Say in one line why ``pixels`` can't be compared with pictures in [low, high], or None.

    It is for raw arrays given to a trainer: a generator that ends in tanh makes [-1, 1], and a
    discriminator tells it from data in [0, 255] or [0, 1] without looking at the pictures.
    """
    array = np.asarray(pixels)
    if array.size == 0:
        return "the images are empty"
    least, most = float(array.min()), float(array.max())
    if not (np.isfinite(least) and np.isfinite(most)):
        return "the images hold NaN or infinity"
    outside = not _within(least, most, (low, high))
    one_sided = low < 0 <= least < most  # never below the middle: half of the range is unused
    if not (outside or one_sided):
        return None
    got = (
        f"the images' values are in [{least:g}, {most:g}], the generator makes [{low:g}, {high:g}]"
    )
    fits = [r for r in _KNOWN_RANGES if r != (low, high) and _within(least, most, r)]
    if not fits:
        return f"{got}; scale the images to [{low:g}, {high:g}]"
    divisor = (fits[0][1] - fits[0][0]) / (high - low)
    shift = low - fits[0][0] / divisor
    sign = "-" if shift < 0 else "+"
    return f"{got}; scale them with x / {divisor:g} {sign} {abs(shift):g}"


def warn_if_dark(most: float) -> None:
    """Warn of pixels taken to be in [0, 255] that reach no further than ``most``."""
    if 0 < most <= _DARK:
        white = math.ceil(most)
        warnings.warn(
            f"pixels reach only {most:g} of 255: pass value_range=(0, {white}) if that is white, "
            "or give booleans",
            stacklevel=2,
        )


def _within(least: float, most: float, bounds: Range) -> bool:
    slack = _SLACK * (bounds[1] - bounds[0])
    return bounds[0] - slack <= least and most <= bounds[1] + slack


def _index(indices: npt.ArrayLike | slice) -> npt.NDArray[Any] | slice:
    if isinstance(indices, slice):
        return indices
    chosen = np.asarray(indices)
    if chosen.ndim != 1 or chosen.dtype.kind not in "iub":
        raise TypeError(
            f"indices must be a slice or a rank-1 array of integers or booleans, "
            f"got shape {chosen.shape}, dtype {chosen.dtype}"
        )
    return chosen


def _check_pixels(pixels: npt.NDArray[Any]) -> None:
    if not isinstance(pixels, np.ndarray) or pixels.dtype not in (np.uint8, np.float32):
        got = getattr(pixels, "dtype", type(pixels).__name__)
        raise TypeError(
            f"pixels must be a uint8 or float32 array, got {got}; from_arrays() converts others"
        )
    if pixels.ndim != 4:
        raise ValueError(
            f"pixels must have shape (N, H, W, C), got {pixels.shape}; "
            f"grey pictures of (N, H, W) want pixels[..., None]"
        )
    if pixels.size == 0:
        raise ValueError(f"pixels is empty: shape {pixels.shape}; give at least one picture")
    if pixels.dtype == np.float32 and not np.isfinite(pixels).all():
        index = tuple(int(i) for i in np.argwhere(~np.isfinite(pixels))[0])
        raise ValueError(
            f"pixels holds {pixels[index]} at index {index}; remove or repair that picture"
        )


def _check_labels(
    labels: npt.NDArray[np.int64] | None, classes: tuple[str, ...] | None, count: int
) -> None:
    if labels is None:
        return
    if not isinstance(labels, np.ndarray) or labels.dtype != np.int64:
        got = getattr(labels, "dtype", type(labels).__name__)
        raise TypeError(f"labels must be an int64 array, got {got}; from_arrays() converts others")
    if labels.shape != (count,):
        raise ValueError(
            f"labels must have shape ({count},), one class id a picture, got {labels.shape}"
        )
    limit = np.iinfo(np.int64).max if classes is None else len(classes) - 1
    wrong = np.flatnonzero((labels < -1) | (labels > limit))
    if wrong.size:
        span = "at least 0" if classes is None else f"0 to {limit} (there are {limit + 1} classes)"
        span += ", or -1 for a picture without a label"
        raise ValueError(f"labels[{wrong[0]}] is {labels[wrong[0]]}, wanted {span}")


def _settle_range(pixels: npt.NDArray[Any], declared: Range | None) -> Range:
    if pixels.dtype == np.uint8:
        if declared not in (None, (0, 255)):
            raise ValueError(f"value_range of uint8 pixels is (0, 255), got {declared}; omit it")
        return (0.0, 255.0)
    least, most = float(pixels.min()), float(pixels.max())
    if declared is None:
        fits = [known for known in _KNOWN_RANGES if _within(least, most, known)]
        if not fits:
            raise ValueError(
                f"pixels lie in [{least:g}, {most:g}], which is none of [0, 1], [-1, 1] and "
                f"[0, 255]; rescale them, or say value_range=(lowest, highest) in Python"
            )
        if fits[0] == (0.0, 255.0):
            warn_if_dark(most)
        return fits[0]
    if not declared[0] < declared[1] or not _within(least, most, declared):
        raise ValueError(
            f"value_range is {declared}, but pixels lie in [{least:g}, {most:g}]; "
            f"give a (lowest, highest) that holds them all"
        )
    return (float(declared[0]), float(declared[1]))
