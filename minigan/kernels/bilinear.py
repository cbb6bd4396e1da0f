"""Fast convolution: y = A[(G·w) ⊙ (B·x)], with its two adjoints.

Convolution is bilinear, so on a small tile it can be written with three fixed matrices: B takes
the inputs that a tile of outputs looks at to R numbers, G takes the taps to R numbers, these are
multiplied, and A takes the R products to the outputs. Fewer products than outputs × taps is what
makes it fast: with C channels in and O out, each product becomes a matrix product over channels,

    V = B·x  (R, tiles, C)      U = G·w  (R, C, O)      Z_r = V_r·U_r  (tiles, O)      y = A·Z.

Every step is linear in each of its operands, so the adjoints are the same steps transposed, run
backwards from a gradient y' of the outputs, with Z' = Aᵀ·y':

    input gradient     x' = Bᵀ·V',  V'_r = Z'_r·U_rᵀ
    weight gradient    w' = Gᵀ·U',  U'_r = V_rᵀ·Z'_r

Stride s is taken apart into *phases*: output p and tap t = s·i + φ meet position s·(p + i) + φ of
the padded map, and that is position p + i of its phase φ, every s-th row from the φ-th on. So a
convolution of stride s is one of stride 1, with taps i, on a map of s·s times as many channels.

The maps that come out are (N, H, W, C) to the reader and (H, W, N, C) in memory: with positions
first, A and B are one matrix product each, and a map that comes in so need not be copied.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from itertools import product
from typing import Any, NamedTuple

from ..backend import Array, array_module
from ..buffers import empty, zeros
from .blocks import each_part
from .convolution import blocks
from .windows import Window

PRODUCTS_AT_A_TIME = 1 << 21  # elements of V and Z together, about 8 MB in float32
TRANSFORMED_AT_A_TIME = 1 << 22  # elements of parts of U, V and Z, about 16 MB in float32
PITCH = 16  # more elements to a row of U, V and Z: rows a power of two apart share cache sets


class Place(NamedTuple):
    """Where one phase of one tile lies: its positions ``inside`` are those ``on_map``."""

    tile: int
    phase: int
    inside: slice
    on_map: slice


class Side(NamedTuple):
    """One axis of a map of ``size``, in tiles of ``span`` positions in each phase."""

    size: int
    span: int
    tiles: int
    phases: int
    places: tuple[Place, ...]
    is_partition: bool  # each position of the map is in one tile, once

    @property
    def is_whole(self) -> bool:
        """Whether one tile of one phase is all of the map, and nothing else."""
        whole = slice(0, self.span, 1)
        return self.size == self.span and [p[2:] for p in self.places] == [(whole, whole)]


class Axis(NamedTuple):
    """One axis of a convolution: how inputs, outputs and taps are cut."""

    inputs: Side
    outputs: Side
    taps: int
    steps: int  # the taps of a phase


class Scheme(NamedTuple):
    """An algorithm's matrices, and the axes that they are for, down and across.

    A is (outputs of a tile, R), B (R, inputs of a tile in one phase), G (R, taps of a phase), each
    over both axes, the one across running fastest.
    """

    A: Array
    B: Array
    G: Array
    axes: tuple[Axis, Axis]

    @property
    def inputs(self) -> tuple[Side, Side]:
        """Both axes of the map that is convolved."""
        return self.axes[0].inputs, self.axes[1].inputs

    @property
    def outputs(self) -> tuple[Side, Side]:
        """Both axes of the map that it gives."""
        return self.axes[0].outputs, self.axes[1].outputs


@lru_cache(maxsize=256)
def axis_of(window: Window, axis: int, size: int, outputs: int, first: int, span: int) -> Axis:
    """An axis in tiles of so many ``outputs``.

    Tile k reads the ``span`` positions from ``first`` + k·``outputs`` on, in each phase.
    """
    taps, stride = window.taps[axis], window.stride[axis]
    positions = window.positions((size, size))[axis]
    tiles, phases = -(-positions // outputs), min(stride, taps)
    reads = []
    for tile, phase in product(range(tiles), range(phases)):
        start = stride * (first + tile * outputs) + phase - window.padding[axis][0]
        low = max(0, -(start // stride))  # the first position that is on the map, and its place
        high = max(low, min(span, -((start - size) // stride)))
        at = start + stride * low
        to = max(at, min(size, at + stride * (high - low)))
        reads.append(Place(tile, phase, slice(low, high, 1), slice(at, to, stride)))
    writes = []
    for tile in range(tiles):
        at, count = tile * outputs, min(outputs, positions - tile * outputs)
        writes.append(Place(tile, 0, slice(0, count, 1), slice(at, at + count, 1)))
    met = sorted(i for place in reads for i in range(size)[place.on_map])
    return Axis(
        Side(size, span, tiles, phases, tuple(reads), met == list(range(size))),
        Side(positions, outputs, tiles, 1, tuple(writes), True),
        taps,
        -(-taps // stride),
    )


class Weights(NamedTuple):
    """U = G·taps as (R, C, O), or (R, O, C) if it is ``turned``.

    ``part`` makes what is wanted of it, or takes it from the ``whole`` where that is kept.
    """

    matrix: Array
    taps: Array
    channels: int
    turned: bool = False
    whole: Array | None = None  # not turned

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of all of it."""
        r, c, o = len(self.matrix), self.taps.shape[1] // self.channels, self.channels
        return (r, o, c) if self.turned else (r, c, o)

    def part(self, r: slice) -> Array:
        """The part of those r."""
        if self.whole is not None:
            found = self.whole[r]
        else:
            found = _transformed(self.matrix[r], self.taps, self.channels)
        return found.transpose(0, 2, 1) if self.turned else found


_kept: ContextVar[dict[Any, Any] | None] = ContextVar("minigan_weight_transforms", default=None)


@contextmanager
def weights_unchanged() -> Iterator[None]:
    """Within the block no weights are written to, so their transforms are made once and kept.

    Larger ones than ``TRANSFORMED_AT_A_TIME`` are not: to read them again takes as long.
    """
    token = _kept.set({})
    try:
        yield
    finally:
        _kept.reset(token)


def _of_weights(w: Array, outs: slice, g: Array, scheme: Scheme, turned: bool = False) -> Weights:
    """U of the weights of one group, a view of w."""
    kept, key = _kept.get(), (id(w), outs.start, id(scheme))
    if kept is not None and key in kept:
        made, *_ = kept[key]
        return made._replace(turned=turned)
    made = Weights(g, _taps(w[..., outs], scheme), outs.stop - outs.start)
    if kept is not None and math.prod(made.shape) <= TRANSFORMED_AT_A_TIME:
        made = made._replace(whole=made.part(slice(None)))
        kept[key] = made, w, scheme  # alive, so that no id is used again
    return made._replace(turned=turned)


# The three maps


def convolve(x: Array, w: Array, scheme: Scheme, groups: int) -> Array:
    """Y = A[(G·w) ⊙ (B·x)]."""
    a, b, g = _matrices(array_module(x), scheme)
    result = _spatial(x, len(x), scheme.outputs, w.shape[3])
    for ins, outs in blocks(x.shape[3], w.shape[3], groups):
        u = _of_weights(w, outs, g, scheme)
        for images in _chunks(len(x), u.shape, scheme):
            pieces = _pieces(x[images, :, :, ins], scheme.inputs)
            z = _multiplied(_transformed(b, pieces, u.shape[1]), u)
            _assemble(a, z, scheme.outputs, result[images, :, :, outs])
    return result


def input_gradient(y: Array, w: Array, scheme: Scheme, groups: int) -> Array:
    """X' = Bᵀ[(Aᵀ·y)·(G·w)ᵀ]."""
    a, b, g = _matrices(array_module(y), scheme)
    result = _spatial(y, len(y), scheme.inputs, w.shape[2] * groups)
    for ins, outs in blocks(w.shape[2] * groups, w.shape[3], groups):
        u = _of_weights(w, outs, g, scheme, turned=True)
        for images in _chunks(len(y), u.shape, scheme):
            pieces = _pieces(y[images, :, :, outs], scheme.outputs)
            v = _multiplied(_transformed(a.T, pieces, u.channels), u)
            _assemble(b.T, v, scheme.inputs, result[images, :, :, ins])
    return result


def weight_gradient(x: Array, y: Array, scheme: Scheme, groups: int) -> Array:
    """W' = Gᵀ[(B·x)ᵀ·(Aᵀ·y)]."""
    a, b, _ = _matrices(array_module(x), scheme)
    gradient = WeightGradient(x, x.shape[3] // groups, y.shape[3], scheme)
    o = y.shape[3] // groups
    for ins, outs in blocks(x.shape[3], y.shape[3], groups):
        total = gradient.zeros(o)
        for images in _chunks(len(x), gradient.products(total), scheme):
            v = _transformed(b, _pieces(x[images, :, :, ins], scheme.inputs), gradient.channels)
            z = _transformed(a.T, _pieces(y[images, :, :, outs], scheme.outputs), o)
            for part in _parts(v, o):
                gradient.add(total, part, v[part], z[part])
        gradient.put(total, outs)
    return gradient.result


# A map's gradient and the weights' at once, in which the gradient that both come from is
# transformed once


def convolve_gradients(
    x: Array, w: Array, y: Array, scheme: Scheme, groups: int
) -> tuple[Array, Array]:
    """X' and W' of ``convolve``, for a gradient y: both are products with Z' = Aᵀ·y."""
    a, b, g = _matrices(array_module(x), scheme)
    result = _spatial(y, len(y), scheme.inputs, x.shape[3])
    gradient = WeightGradient(x, w.shape[2], w.shape[3], scheme)
    for ins, outs in blocks(x.shape[3], w.shape[3], groups):
        u = _of_weights(w, outs, g, scheme, turned=True)
        total = gradient.zeros(u.channels)
        for images in _chunks(len(x), u.shape, scheme):
            z = _transformed(a.T, _pieces(y[images, :, :, outs], scheme.outputs), u.channels)
            v = _transformed(b, _pieces(x[images, :, :, ins], scheme.inputs), gradient.channels)
            products = _buffer(v.shape, b)
            for part in _parts(z, v.shape[2], weights=2):
                array_module(x).matmul(z[part], u.part(part), out=products[part])
                gradient.add(total, part, v[part], z[part])
            _assemble(b.T, products, scheme.inputs, result[images, :, :, ins])
        gradient.put(total, outs)
    return result, gradient.result


def input_gradient_gradients(
    y: Array, w: Array, x: Array, scheme: Scheme, groups: int
) -> tuple[Array, Array]:
    """Y' and W' of ``input_gradient``, for a gradient x: both are products with V' = B·x."""
    a, b, g = _matrices(array_module(x), scheme)
    result = _spatial(x, len(x), scheme.outputs, w.shape[3])
    gradient = WeightGradient(x, w.shape[2], w.shape[3], scheme)
    for ins, outs in blocks(x.shape[3], w.shape[3], groups):
        u = _of_weights(w, outs, g, scheme)
        total = gradient.zeros(u.channels)
        for images in _chunks(len(x), u.shape, scheme):
            v = _transformed(b, _pieces(x[images, :, :, ins], scheme.inputs), gradient.channels)
            z = _transformed(a.T, _pieces(y[images, :, :, outs], scheme.outputs), u.channels)
            products = _buffer(z.shape, b)
            for part in _parts(v, z.shape[2], weights=2):
                array_module(x).matmul(v[part], u.part(part), out=products[part])
                gradient.add(total, part, v[part], z[part])
            _assemble(a, products, scheme.outputs, result[images, :, :, outs])
        gradient.put(total, outs)
    return result, gradient.result


class WeightGradient:
    """W' = Gᵀ·U', with U'_r = V_rᵀ·Z_r added up over parts and images."""

    def __init__(self, like: Array, c: int, outputs: int, scheme: Scheme) -> None:
        down, across = scheme.axes
        self.scheme, self.like, self.c = scheme, like, c
        self.g = array_module(like).asarray(scheme.G)
        self.channels = down.inputs.phases * across.inputs.phases * c
        shape = (down.taps, across.taps, c, outputs)
        self.result = empty(array_module(like), shape, like.dtype)

    def zeros(self, o: int) -> Array:
        """Gᵀ·U' of no images, for one group: (taps of a phase, phases·C·O)."""
        xp = array_module(self.like)
        return zeros(xp, (self.g.shape[1], self.channels * o), self.like.dtype)

    def products(self, total: Array) -> tuple[int, int, int]:
        """The shape of U'."""
        return len(self.g), self.channels, total.shape[1] // self.channels

    def add(self, total: Array, part: slice, v: Array, z: Array) -> None:
        """Add what parts of V and Z, (r, n, C) and (r, n, O), have to say."""
        xp = array_module(total)
        products = _buffer((len(v), v.shape[2], z.shape[2]), total)
        xp.matmul(v.transpose(0, 2, 1), z, out=products)
        more = empty(xp, total.shape, total.dtype)
        total += xp.matmul(self.g[part].T, _rows(products), out=more)

    def put(self, total: Array, outs: slice) -> None:
        """A group is done: write its weights' gradient."""
        self.result[..., outs] = _untapped(total, self.scheme, self.c)


def _matrices(xp: Any, scheme: Scheme) -> tuple[Array, Array, Array]:
    """A, B and G as arrays of the library."""
    return xp.asarray(scheme.A), xp.asarray(scheme.B), xp.asarray(scheme.G)


def _chunks(n: int, weights: tuple[int, int, int], scheme: Scheme) -> Iterator[slice]:
    """A few images at a time, to bound what is made of them; more where the weights are more.

    ``weights`` are (R, C, O), the shape of U.
    """
    r, c, o = weights
    tiles = scheme.outputs[0].tiles * scheme.outputs[1].tiles
    most = max(1, max(PRODUCTS_AT_A_TIME, 2 * r * c * o) // (r * tiles * (c + o)))
    step = -(-n // -(-n // most)) if n else 1  # all but the last alike
    return (slice(start, start + step) for start in range(0, max(n, 1), step))


def _transformed(matrix: Array, pieces: Array, channels: int) -> Array:
    """matrix·pieces as (R, n, channels)."""
    result = _buffer((len(matrix), pieces.shape[1] // channels, channels), matrix)
    array_module(matrix).matmul(matrix, pieces, out=_rows(result))
    return result


def _multiplied(left: Array, u: Weights) -> Array:
    """left_r·u_r for each r."""
    result = _buffer((*left.shape[:2], u.shape[2]), left)
    for part in _parts(left, u.shape[2]):
        array_module(result).matmul(left[part], u.part(part), out=result[part])
    return result


def _parts(left: Array, m: int, weights: int = 1) -> Iterator[slice]:
    """A few r at a time, so that left_r (n, k), u_r (k, m) and their product stay in the cache.

    ``weights`` says how many there are of u's size: there may be its gradient as well.
    """
    r, n, k = left.shape
    step = -(-r // max(1, round(r * (n * k + weights * k * m + n * m) / TRANSFORMED_AT_A_TIME)))
    return (slice(start, start + step) for start in range(0, r, step))


def _buffer(shape: tuple[int, int, int], like: Array) -> Array:
    """An empty array whose rows along the first axis lie ``PITCH`` elements further apart."""
    count, width = shape[0], shape[1] * shape[2]
    rows = empty(array_module(like), (count, width + PITCH), like.dtype)
    return rows[:, :width].reshape(shape)  # a view


def _rows(a: Array) -> Array:
    """(R, n, c) as (R, n·c), a view of a ``_buffer``."""
    return a.reshape(len(a), a.shape[1] * a.shape[2])


# Maps in tiles


def _spatial(like: Array, images: int, sides: tuple[Side, Side], channels: int) -> Array:
    """Room for (N, H, W, C) that is (H, W, N, C) in memory: zeros, unless all is written."""
    make = empty if is_partition(sides) else zeros
    shape = (images, sides[0].size, sides[1].size, channels)
    return make(array_module(like), shape, like.dtype, order=(1, 2, 0, 3))


def is_partition(sides: tuple[Side, Side]) -> bool:
    """Whether each position of a map is in one tile, so that tiles need not be added up."""
    return sides[0].is_partition and sides[1].is_partition


def is_whole(sides: tuple[Side, Side]) -> bool:
    """Whether one tile of one phase is all of a map, so that it need not be taken apart."""
    return sides[0].is_whole and sides[1].is_whole


def _pieces(x: Array, sides: tuple[Side, Side]) -> Array:
    """The tiles of x (N, H, W, C): (positions of a tile, tiles·N·phases·C), zero off the map."""
    down, across = sides
    if is_whole(sides):
        return x.transpose(1, 2, 0, 3).reshape(down.span * across.span, len(x) * x.shape[3])
    pieces = empty(array_module(x), _shape(sides, len(x), x.shape[3]), x.dtype)

    def gather(pieces: Array, x: Array) -> None:
        for inside, on_map in _places(sides):
            part = x[on_map]
            if part.shape[1:3] != pieces.shape[1:3]:  # this one reaches over the edge
                pieces[(slice(None),) * 3 + inside[3:]] = 0
            pieces[inside] = part

    each_part(gather, _by_image(pieces), x)
    return pieces.reshape(down.span * across.span, pieces[0, 0].size)


def _assemble(matrix: Array, products: Array, sides: tuple[Side, Side], into: Array) -> None:
    """Put matrix·products, which are tiles, where they belong: ``_pieces`` transposed.

    Where tiles overlap they are added to zeros, in a fixed order.
    """
    turned = into.transpose(1, 2, 0, 3)
    h, w, n, c = turned.shape
    if is_whole(sides) and turned.strides[2] == c * turned.itemsize:  # not one of several groups
        out = turned.reshape(h * w, n * c)  # a view
        array_module(into).matmul(matrix, _rows(products), out=out)
        return
    for images, columns in _few(n, len(matrix), products, sides):
        part = _rows(products[:, columns])
        out = empty(array_module(into), (len(matrix), part.shape[1]), part.dtype)
        _put(array_module(into).matmul(matrix, part, out=out), sides, into[images])


def _put(flat: Array, sides: tuple[Side, Side], into: Array) -> None:
    apart = is_partition(sides)

    def scatter(pieces: Array, into: Array) -> None:
        for inside, on_map in _places(sides):
            if apart:
                into[on_map] = pieces[inside]
            else:
                into[on_map] += pieces[inside]

    each_part(scatter, _by_image(flat.reshape(_shape(sides, len(into), into.shape[3]))), into)


def _by_image(pieces: Array) -> Array:
    """What ``_shape`` is of, images first."""
    return pieces.transpose(4, 0, 1, 2, 3, 5, 6, 7)


def _few(
    n: int, rows: int, products: Array, sides: tuple[Side, Side]
) -> Iterator[tuple[slice, slice]]:
    """A few images at a time, and where they are in ``products``; all if there are many tiles."""
    if sides[0].tiles * sides[1].tiles > 1:
        return iter([(slice(0, n), slice(None))])
    step = max(1, TRANSFORMED_AT_A_TIME // (rows * products.shape[2]))
    return ((slice(i, i + step), slice(i, i + step)) for i in range(0, n, step))


def _shape(sides: tuple[Side, Side], n: int, c: int) -> tuple[int, ...]:
    down, across = sides
    tiles, phases = (down.tiles, across.tiles), (down.phases, across.phases)
    return (down.span, across.span, *tiles, n, *phases, c)


def _places(sides: tuple[Side, Side]) -> Iterator[tuple[Any, Any]]:
    """Where the parts of maps are in pieces and on the maps, images first."""
    every = slice(None)
    for a, b in product(sides[0].places, sides[1].places):
        inside = (every, a.inside, b.inside, a.tile, b.tile, a.phase, b.phase)
        yield inside, (every, a.on_map, b.on_map)


# Weights in phases


def _taps(w: Array, scheme: Scheme) -> Array:
    """w (kh, kw, C, O) as (taps of a phase, phases·C·O): missing taps are zero."""
    shape = _phased(scheme, w.shape[2])
    rows, cols = shape[0] * shape[1], shape[2] * shape[3]
    if w.shape[:2] != (rows, cols):
        whole = zeros(array_module(w), (rows, cols, *w.shape[2:]), w.dtype)
        whole[: w.shape[0], : w.shape[1]] = w
        w = whole
    phased = w.reshape(*shape, w.shape[3]).transpose(0, 2, 1, 3, 4, 5)
    return phased.reshape(shape[0] * shape[2], phased[0, 0].size)


def _untapped(flat: Array, scheme: Scheme, channels: int) -> Array:
    """The adjoint of ``_taps``."""
    s, p, t, q, c = _phased(scheme, channels)
    o = flat.shape[1] // (p * q * c)
    whole = flat.reshape(s, t, p, q, c, o).transpose(0, 2, 1, 3, 4, 5).reshape(s * p, t * q, c, o)
    down, across = scheme.axes
    return whole[: down.taps, : across.taps]


def _phased(scheme: Scheme, channels: int) -> tuple[int, int, int, int, int]:
    down, across = scheme.axes
    return down.steps, down.inputs.phases, across.steps, across.inputs.phases, channels
