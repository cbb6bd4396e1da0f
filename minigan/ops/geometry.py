"""From what a user writes (``stride=2, padding="same"``) to a window on a map of known size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..kernels.windows import Pair, Window

IntOrPair = int | Sequence[int]
Padding = str | int | Sequence[Any]


def pair(name: str, value: Any, least: int = 1) -> Pair:
    """``value`` for both axes: an int, or a sequence of two."""
    values = tuple(value) if hasattr(value, "__len__") else (value, value)
    if len(values) != 2 or any(not isinstance(v, (int, np.integer)) or v < least for v in values):
        raise ValueError(f"{name}: got {value!r}, wanted an int or two, each at least {least}")
    return int(values[0]), int(values[1])


def check_window(
    name: str, taps: Any, stride: Any = 1, padding: Any = "valid", dilation: Any = 1
) -> None:
    """Raise ``ValueError`` unless these make a window; ``name`` is what its taps are called."""
    for setting, value in {name: taps, "stride": stride, "dilation": dilation}.items():
        pair(setting, value)
    _explicit(padding)


def window(
    size: Pair, taps: Pair, stride: IntOrPair, padding: Padding, dilation: IntOrPair = 1
) -> Window:
    """The window that slides over a map of ``size``, its padding worked out.

    ``padding`` is "valid" (none), "same", or explicit: p, (p_h, p_w), or
    ((top, bottom), (left, right)). "same" makes ⌈size/stride⌉ positions, as Keras does: of the
    padding that this takes, the smaller half comes before, so with stride 2 it is asymmetric.
    """
    bare = Window(taps, pair("stride", stride), pair("dilation", dilation))
    sides = _explicit(padding)
    if padding == "same":
        sides = _same(bare, size, 0), _same(bare, size, 1)
    result = bare._replace(padding=sides)
    if min(result.positions(size)) < 1:
        raise ValueError(
            f"a window of {taps} taps (dilation {bare.dilation}) does not fit a map of {size} "
            f"with padding {result.padding}: use padding='same' or a smaller window"
        )
    return result


def _explicit(padding: Padding) -> tuple[Pair, Pair]:
    """((top, bottom), (left, right)) of padding given in numbers; zeros for that given by name."""
    if isinstance(padding, str):
        if padding not in ("same", "valid"):
            raise ValueError(f'padding: got {padding!r}, wanted "same", "valid" or numbers')
        padding = 0
    both: Any = padding if hasattr(padding, "__len__") else (padding, padding)
    if len(both) != 2:
        raise ValueError(f"padding: got {padding!r}, wanted one for each of the two axes")
    return pair("padding", both[0], least=0), pair("padding", both[1], least=0)


def _same(bare: Window, size: Pair, axis: int) -> Pair:
    stride = bare.stride[axis]
    positions = -(-size[axis] // stride)
    total = max(0, (positions - 1) * stride + bare.reach(axis) - size[axis])
    return total // 2, total - total // 2


def transposed_size(
    given: Pair | None,
    small: Pair,
    taps: Pair,
    stride: IntOrPair,
    padding: Padding,
    dilation: IntOrPair,
) -> Pair:
    """The size of a transposed convolution's result for an input of size ``small``.

    It is a size whose forward convolution gives ``small``: ``given`` if that is one, else Keras's
    choice, small·stride for "same" and small·stride + max(reach − stride, 0) for "valid", and the
    smallest for explicit padding.
    """
    bare = Window(taps, pair("stride", stride), pair("dilation", dilation))
    sides = _explicit(padding)
    if given is not None:
        size = pair("output_size", given)
    else:
        extra = [_extra(bare, padding, sides, a) for a in (0, 1)]
        size = (small[0] * bare.stride[0] + extra[0], small[1] * bare.stride[1] + extra[1])
    try:
        made = window(size, taps, stride, padding, dilation).positions(size)
    except ValueError:
        made = (0, 0)
    if made != small or min(size) < 1:
        raise ValueError(
            f"output_size: {size} can't be made from a map of {small}: the convolution with "
            f"{taps} taps, stride {bare.stride}, padding {padding!r} maps it to {made}"
        )
    return size


def _extra(bare: Window, padding: Padding, sides: tuple[Pair, Pair], axis: int) -> int:
    rest = bare.reach(axis) - bare.stride[axis]
    if padding == "same":
        return 0
    if padding == "valid":
        return max(rest, 0)
    return rest - sum(sides[axis])
