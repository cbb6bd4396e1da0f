"""What metrics ask of their arguments, and the record of those that are means over parts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ..data import Images

Array = np.ndarray[Any, Any]
_LARGEST = 1e50  # of features: a kernel's powers of their products are still finite
_UNIT = 1.001  # with what rounding overshoots
_BYTES = 16.0  # beyond it, values beside others in [−1, 1] are on the scale of bytes


class Estimate(NamedTuple):
    """A mean over ``parts`` and their standard deviation, which is NaN of a single part."""

    value: float
    std: float
    parts: int

    @property
    def error(self) -> float:
        """The standard error of the mean, NaN of a single part."""
        return self.std / math.sqrt(self.parts)


def mean_of(parts: Any) -> Estimate:
    """The estimate that ``parts``, a sequence of numbers, make."""
    values = np.asarray(parts, np.float64)
    std = float(values.std(ddof=1)) if len(values) > 1 else math.nan
    return Estimate(float(values.mean()), std, len(values))


def matrix(name: str, array: Any, least: int = 1) -> Array:
    """``array`` as float64 (N, D), finite, of at least that many rows."""
    found = np.asarray(array, np.float64)
    if found.ndim != 2 or found.shape[1] < 1:
        raise ValueError(
            f"{name}: got shape {found.shape}, wanted (N, D) with N of at least {least}; "
            "flatten images with x.reshape(len(x), -1)"
        )
    if len(found) < least:
        raise ValueError(f"{name}: got {len(found)} samples, wanted at least {least} of them")
    if not np.isfinite(found).all():
        row = int(np.argwhere(~np.isfinite(found))[0, 0])
        raise ValueError(f"{name}: row {row} has NaN or infinity, wanted finite numbers")
    largest = float(max(found.max(initial=0), -found.min(initial=0)))
    if largest > _LARGEST:
        raise ValueError(f"{name}: got numbers up to {largest:.3g}, wanted at most {_LARGEST:g}")
    return found


def pair(real: Any, fake: Any, least: int = 1) -> tuple[Array, Array]:
    """Both as float64 (N, D) and (M, D), of the same D."""
    first, second = matrix("real", real, least), matrix("fake", fake, least)
    if first.shape[1] != second.shape[1]:
        raise ValueError(
            f"fake: got {second.shape[1]} features, wanted {first.shape[1]}, as many as real has"
        )
    return first, second


def pictures(name: str, images: Any) -> Array:
    """``images`` as float64 (N, H, W, C), finite."""
    found = np.asarray(images, np.float64)
    if found.ndim != 4 or not found.size:
        raise ValueError(f"{name}: got shape {found.shape}, wanted images (N, H, W, C)")
    if not np.isfinite(found).all():
        raise ValueError(f"{name}: holds NaN or infinity, wanted finite numbers")
    return found


def comparable(name: str, images: Any) -> Array:
    """``Images`` in [−1, 1], or an array of floats as it is."""
    if isinstance(images, Images):
        return images.batch(slice(None))
    found = np.asarray(images)
    if found.dtype.kind != "f":
        raise TypeError(
            f"{name}: got an array of {found.dtype}, wanted floats in [-1, 1]; pass Images such as "
            "mg.data.from_arrays(x), which are scaled, or scale it: x / 127.5 - 1"
        )
    return found


def check_scales(sets: Mapping[str, Array]) -> None:
    """Raise if one of the sets is on another scale than the first: 0 to 1, say, or 0 to 255."""
    (first, own), *rest = ((name, (float(x.min()), float(x.max()))) for name, x in sets.items())
    for name, found in rest:
        if _differ(own, found) or _differ(found, own):
            raise ValueError(
                f"{name}: got values in [{found[0]:.3g}, {found[1]:.3g}] where {first} has "
                f"[{own[0]:.3g}, {own[1]:.3g}], which can't be compared: scale both to [-1, 1], "
                "as x / 127.5 - 1 does from [0, 255] and 2 * x - 1 from [0, 1]"
            )


def _differ(one: tuple[float, float], other: tuple[float, float]) -> bool:
    """Whether the one looks like [−1, 1], and the other like [0, 255] or [0, 1]."""
    if max(map(abs, one)) > _UNIT:
        return False
    low, high = other
    return high > _BYTES or one[0] < -0.5 and 0 <= low < 0.1 and 0.5 < high <= _UNIT


def labels_of(name: str, images: Images) -> Array:
    """The labels of ``images``, of which each must have one."""
    if images.labels is None:
        raise ValueError(f"{name}: got images without labels, wanted class ids")
    if images.labels.min() < 0:  # -1, which as an index would be the last class
        raise ValueError(
            f"{name}: image {images.labels.argmin()} has no label (-1), wanted one for each; "
            "leave such images out with images.take(images.labels >= 0)"
        )
    return images.labels
