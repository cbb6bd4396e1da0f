"""From what a user writes (``stride=2, padding="same"``) to a window on a map of known size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..kernels.windows import Pair, Window

IntOrPair = int | Sequence[int]
Padding = str | int | Sequence[Any]


def pair(name: str, value: Any, least: int = 1) -> Pair:
    """``value`` for both axes: an int, or a sequence of two."""
    values = (value, value) if isinstance(value, int) else tuple(value)
    if len(values) != 2 or any(not isinstance(v, int) or v < least for v in values):
        raise ValueError(f"{name}: got {value!r}, wanted an int or two, each at least {least}")
    return values


def window(
    size: Pair, taps: Pair, stride: IntOrPair, padding: Padding, dilation: IntOrPair = 1
) -> Window:
    """The window that slides over a map of ``size``, its padding worked out.

    ``padding`` is "valid" (none), "same", or explicit: p, (p_h, p_w), or
    ((top, bottom), (left, right)). "same" makes ⌈size/stride⌉ positions, as Keras does: of the
    padding that this takes, the smaller half comes before, so with stride 2 it is asymmetric.
    """
    bare = Window(taps, pair("stride", stride), pair("dilation", dilation))
    if isinstance(padding, str):
        if padding not in ("same", "valid"):
            raise ValueError(f'padding: got {padding!r}, wanted "same", "valid" or numbers')
        sides = [_same(bare, size, a) if padding == "same" else (0, 0) for a in (0, 1)]
    else:
        both = (padding, padding) if isinstance(padding, int) else tuple(padding)
        if len(both) != 2:
            raise ValueError(f"padding: got {padding!r}, wanted one for each of the two axes")
        sides = [(p, p) if isinstance(p, int) else (int(p[0]), int(p[1])) for p in both]
    if any(n < 0 for side in sides for n in side):
        raise ValueError(f"padding: got {padding!r}, wanted numbers that are not negative")
    result = bare._replace(padding=(sides[0], sides[1]))
    if min(result.count(size)) < 1:
        raise ValueError(
            f"a window of {taps} taps (dilation {bare.dilation}) does not fit a map of {size} "
            f"with padding {result.padding}: use padding='same' or a smaller window"
        )
    return result


def _same(bare: Window, size: Pair, axis: int) -> Pair:
    stride = bare.stride[axis]
    positions = -(-size[axis] // stride)
    total = max(0, (positions - 1) * stride + bare.reach(axis) - size[axis])
    return total // 2, total - total // 2


def transposed_size(
    given: Pair | None, small: Pair, taps: Pair, stride: IntOrPair, padding: Padding, dilation: IntOrPair
) -> Pair:
    """The size of a transposed convolution's result for an input of size ``small``.

    It is a size whose forward convolution gives ``small``: ``given`` if that is one, else Keras's
    choice, small·stride for "same" and small·stride + max(reach − stride, 0) for "valid", and the
    smallest for explicit padding.
    """
    bare = Window(taps, pair("stride", stride), pair("dilation", dilation))
    if given is not None:
        size = pair("output_size", given)
    else:
        extra = [_extra(bare, padding, a) for a in (0, 1)]
        size = (small[0] * bare.stride[0] + extra[0], small[1] * bare.stride[1] + extra[1])
    try:
        made = window(size, taps, stride, padding, dilation).count(size)
    except ValueError:
        made = (0, 0)
    if made != small:
        raise ValueError(
            f"output_size: {size} can't be made from a map of {small}: the convolution with "
            f"{taps} taps, stride {bare.stride}, padding {padding!r} maps it to {made}"
        )
    return size


def _extra(bare: Window, padding: Padding, axis: int) -> int:
    rest = bare.reach(axis) - bare.stride[axis]
    if padding == "same":
        return 0
    if padding == "valid":
        return max(rest, 0)
    both: Any = (padding, padding) if isinstance(padding, int) else padding
    side = both[axis]
    return rest - (2 * side if isinstance(side, int) else sum(side))
