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
first, A and B are one matrix product each, and tiles of a map that comes in so are cut out in long
rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from .. import workers
from ..backend import Array
from ..buffers import empty, zeros
from . import blas
from .blas import spaced
from .blocks import PARTS
from .convolution import blocks
from .tiling import Axis, Side, cut, is_partition, is_whole, put, shape_of

PRODUCTS_AT_A_TIME = 1 << 22  # elements of V and Z together, about 16 MB in float32
KEPT = 1 << 22  # elements of transforms of weights that are kept, where they are
MAPS_KEPT = 1 << 22  # elements of a map's transform that is kept, whether gradients come or not
IN_CACHE = 1 << 19  # elements of what a core works on, about 2 MB in float32
WORK = 8  # how many times as long as a pass over its arrays a product takes, at the least
TURN = 2  # how many times as long as that it takes to copy what lies otherwise
R_AT_LEAST = 4  # r at a time: to make a part of U all taps are read, which may be many


class Part(NamedTuple):
    """Some of the R products, and the phases that they are of: in the others U is 0 there."""

    r: slice
    phases: tuple[range, ...]


class Scheme(NamedTuple):
    """An algorithm's matrices, the axes that they are for, down and across, and R in parts.

    A is (outputs of a tile, R), B (R, inputs of a tile in one phase), G (R, taps of a phase), each
    over both axes, the one across running fastest.
    """

    A: Array
    B: Array
    G: Array
    axes: tuple[Axis, Axis]
    parts: tuple[Part, ...]

    @property
    def inputs(self) -> tuple[Side, Side]:
        """Both axes of the map that is convolved."""
        return self.axes[0].inputs, self.axes[1].inputs

    @property
    def outputs(self) -> tuple[Side, Side]:
        """Both axes of the map that it gives."""
        return self.axes[0].outputs, self.axes[1].outputs

    @property
    def tiles(self) -> int:
        """Those of one image."""
        down, across = self.outputs
        return down.tiles * across.tiles

    @property
    def phases(self) -> int:
        """Those of both axes together."""
        down, across = self.inputs
        return down.phases * across.phases


class Weights(NamedTuple):
    """U = G·taps as (R, C, O), or Uᵀ as (R, O, C).

    ``part`` makes what is wanted of it, or takes it from the ``whole`` where that is kept. What is
    made is of ``shape``. ``turned`` is "" for U. For Uᵀ it is "early" where taps lie so already and
    ``shape`` is (R, O, C), or "late" where what was made as (R, C, O) is given with its last axes
    swapped.
    """

    matrix: Array
    taps: Array
    shape: tuple[int, int, int]
    turned: str = ""
    whole: Array | None = None

    @property
    def columns(self) -> int:
        """O, or C of Uᵀ."""
        return self.shape[1 if self.turned == "late" else 2]

    def part(self, r: slice, channels: slice) -> Array:
        """The part of those r and of those of the C channels."""
        rows = slice(None) if self.turned == "early" else channels
        part = self.made(r, rows) if self.whole is None else self.whole[r, rows]
        if self.turned == "early":
            return part[..., channels]
        return part.swapaxes(1, 2) if self.turned == "late" else part

    def made(self, r: slice, rows: slice = slice(None), into: Array | None = None) -> Array:
        """The same as it is made, before it is turned: of some rows of each matrix."""
        matrix, (_, count, width) = self.matrix[r], self.shape
        start, stop, _ = rows.indices(count)
        taps = self.taps[:, start * width : stop * width]
        if into is None:
            into = spaced((len(matrix), stop - start, width), matrix.dtype)
        blas.products(matrix[None], taps[None], _rows(into)[None])
        return into


class Transform(NamedTuple):
    """V or Z of all images of a map."""

    scheme: Scheme
    array: Array


Channels = Sequence[slice]

Kept = list[Transform]
"""Where a map leaves its operand's transform for its gradients, if that is made all at once.

They take it away, so a second backward pass makes another.
"""

_weights_kept: ContextVar[dict[Any, Any] | None] = ContextVar(
    "minigan_weight_transforms", default=None
)


@contextmanager
def weights_unchanged() -> Iterator[None]:
    """Within the block no weights are written to, so their transforms are made once and kept.

    Larger ones than ``KEPT`` are not: to read them again takes as long. In a training step, which
    uses each but a few times, that is so of all.
    """
    token = _weights_kept.set({})
    try:
        yield
    finally:
        _weights_kept.reset(token)


def _of_weights(w: Array, outs: slice, scheme: Scheme, turned: bool = False) -> Weights:
    """U of the weights ``w[..., outs]``, those of one group, or Uᵀ.

    Products with what lies turned are fast if their sums, over O, are long; else taps are turned.
    """
    kept, key = _weights_kept.get(), (id(w), outs.start, id(scheme), turned)
    if kept is not None and key in kept:
        made, *_ = kept[key]
        return made
    c, o = _channels(w.shape[2], scheme), outs.stop - outs.start
    early = turned and o < blas.SHORT
    shape = len(scheme.G), *((o, c) if early else (c, o))
    how = ("early" if early else "late") if turned else ""
    made = Weights(scheme.G, _taps(w[..., outs], scheme, early), shape, how)
    if kept is not None and math.prod(shape) <= KEPT:
        whole = spaced(shape, w.dtype)
        _each_part(lambda r, _: made.made(r, into=whole[r]), scheme, c, shape)
        made = made._replace(whole=whole, taps=whole[:0])  # which are needed no more
        kept[key] = made, w, scheme  # alive, so that no id is used again
    return made


# The three maps


def convolve(x: Array, w: Array, scheme: Scheme, groups: int, kept: Kept | None = None) -> Array:
    """Y = A[(G·w) ⊙ (B·x)]."""
    a, b = scheme.A, scheme.B
    result = _spatial(x, len(x), scheme.outputs, w.shape[3])
    for ins, outs in blocks(x.shape[3], w.shape[3], groups):
        u = _of_weights(w, outs, scheme)
        for images in _chunks(len(x), u.shape, scheme):
            v = _transformed(b, x[images, :, :, ins], scheme.inputs)
            into = result[images, :, :, outs]  # the products have no name, and are gone after it
            _assemble(a, _multiplied(v, u, scheme), scheme.outputs, into)
            _keep(kept, scheme, v, len(x), groups)
    return result


def input_gradient(
    y: Array, w: Array, scheme: Scheme, groups: int, kept: Kept | None = None
) -> Array:
    """X' = Bᵀ[(Aᵀ·y)·(G·w)ᵀ]."""
    a, b = scheme.A, scheme.B
    result = _spatial(y, len(y), scheme.inputs, w.shape[2] * groups)
    for ins, outs in blocks(w.shape[2] * groups, w.shape[3], groups):
        u = _of_weights(w, outs, scheme, turned=True)
        for images in _chunks(len(y), u.shape, scheme):
            z = _transformed(a.T, y[images, :, :, outs], scheme.outputs)
            into = result[images, :, :, ins]
            _assemble(b.T, _multiplied(z, u, scheme, turned=True), scheme.inputs, into)
            _keep(kept, scheme, z, len(y), groups)
    return result


def weight_gradient(x: Array, y: Array, scheme: Scheme, groups: int) -> Array:
    """W' = Gᵀ[(B·x)ᵀ·(Aᵀ·y)]."""
    gradient = _WeightGradient(x, y, scheme, groups)
    for ins, outs in blocks(x.shape[3], y.shape[3], groups):
        for images in gradient.chunks():
            v = _transformed(scheme.B, x[images, :, :, ins], scheme.inputs)
            z = _transformed(scheme.A.T, y[images, :, :, outs], scheme.outputs)
            gradient.add(v, z)
        gradient.put(outs)
    return gradient.result


# A map's gradient and the weights' at once, in which the gradient that both come from is
# transformed once, the other operand not at all if its transform was kept, and what is multiplied
# last takes the place of what it is not needed for


def convolve_gradients(
    x: Array, w: Array, y: Array, scheme: Scheme, groups: int, kept: Kept | None = None
) -> tuple[Array, Array]:
    """X' and W' of ``convolve``, for a gradient y: both are products with Z' = Aᵀ·y."""
    a, b = scheme.A, scheme.B
    result = _spatial(y, len(y), scheme.inputs, x.shape[3])
    gradient = _WeightGradient(x, y, scheme, groups)
    for ins, outs in blocks(x.shape[3], w.shape[3], groups):
        u = _of_weights(w, outs, scheme, turned=True)
        for images in gradient.chunks():
            v = _taken(kept, scheme, b, x[images, :, :, ins], scheme.inputs)
            z = _transformed(a.T, y[images, :, :, outs], scheme.outputs)
            gradient.add(v, z, u, into=v)
            _assemble(b.T, v, scheme.inputs, result[images, :, :, ins])
        gradient.put(outs)
    return result, gradient.result


def input_gradient_gradients(
    y: Array, w: Array, x: Array, scheme: Scheme, groups: int, kept: Kept | None = None
) -> tuple[Array, Array]:
    """Y' and W' of ``input_gradient``, for a gradient x: both are products with V' = B·x."""
    a, b = scheme.A, scheme.B
    result = _spatial(x, len(x), scheme.outputs, w.shape[3])
    gradient = _WeightGradient(x, y, scheme, groups)
    for ins, outs in blocks(x.shape[3], w.shape[3], groups):
        u = _of_weights(w, outs, scheme)
        for images in gradient.chunks():
            v = _transformed(b, x[images, :, :, ins], scheme.inputs)
            z = _taken(kept, scheme, a.T, y[images, :, :, outs], scheme.outputs)
            gradient.add(v, z, u, into=z)
            _assemble(a, z, scheme.outputs, result[images, :, :, outs])
        gradient.put(outs)
    return result, gradient.result


class _WeightGradient:
    """W' = Gᵀ·U', with U'_r = V_rᵀ·Z_r, of one group after another, added up over images."""

    def __init__(self, x: Array, y: Array, scheme: Scheme, groups: int) -> None:
        down, across = scheme.axes
        self.scheme, self.images, self.c = scheme, len(x), x.shape[3] // groups
        self.shape = len(scheme.G), _channels(self.c, scheme), y.shape[3] // groups
        self.result = empty(np, (down.taps, across.taps, self.c, y.shape[3]), x.dtype)

    def chunks(self) -> Iterator[slice]:
        """Begin a group; its images, a few at a time."""
        shape = self.scheme.G.shape[1], self.shape[1] * self.shape[2]
        self.total, self.is_new = empty(np, shape, self.result.dtype), True
        return _chunks(self.images, self.shape, self.scheme)

    def add(
        self, v: Array, z: Array, weights: Weights | None = None, into: Array | None = None
    ) -> None:
        """Add what V and Z, (R, n, C) and (R, n, O), have to say.

        Where ``into`` is one of them, it becomes the product of the other one and the weights.
        """
        u = spaced(self.shape, v.dtype)

        def both(r: slice, channels: Channels) -> None:
            if not _are_all(channels, self.shape[1]):
                u[r] = 0
            for some in channels:
                blas.products(v[r, :, some].transpose(0, 2, 1), z[r], u[r, some])
            if weights is not None and into is not None:
                multiply, other = (_expand, z) if into is v else (_contract, v)
                multiply(other[r], weights, r, channels, into[r])

        _each_part(both, self.scheme, self.shape[1], u.shape, v.shape, z.shape)
        g, flat = _stack(self.scheme.G.T, 1), _rows(u)[None]
        is_new, self.is_new = self.is_new, False

        def gather(columns: slice) -> None:
            part = self.total[:, columns]
            if is_new:
                blas.products(g, flat[..., columns], part[None])
            else:
                more = empty(np, (1, *part.shape), part.dtype)
                part += blas.products(g, flat[..., columns], more)[0]

        _each_few(gather, flat.shape[2], len(u), flat.size)

    def put(self, outs: slice) -> None:
        """A group is done: write its weights' gradient."""
        _untapped(self.total, self.scheme, self.result[..., outs])


def _chunks(n: int, weights: tuple[int, int, int], scheme: Scheme) -> Iterator[slice]:
    """A few images at a time, to bound what is made of them; more where the weights are more.

    ``weights`` are (R, C, O), the shape of U.
    """
    r, c, o = weights
    most = max(1, max(PRODUCTS_AT_A_TIME, 2 * r * c * o) // (r * scheme.tiles * (c + o)))
    step = -(-n // -(-n // most)) if n else 1  # all but the last alike
    return (slice(start, start + step) for start in range(0, max(n, 1), step))


def _keep(kept: Kept | None, scheme: Scheme, made: Array, images: int, groups: int) -> None:
    """Leave a transform there if it is of all images and channels."""
    whole = groups == 1 and made.shape[1] == scheme.tiles * images
    if kept is not None and whole and made.size <= MAPS_KEPT:
        kept.append(Transform(scheme, made))


def _taken(
    kept: Kept | None, scheme: Scheme, matrix: Array, x: Array, sides: tuple[Side, Side]
) -> Array:
    """The transform of x: the one that was kept, which is written over, or another."""
    with suppress(IndexError):  # none was kept, or it is taken
        one = (kept or []).pop()
        if one.scheme is scheme and one.array.shape[1] == scheme.tiles * len(x):
            return one.array
    return _transformed(matrix, x, sides)


def _multiplied(left: Array, u: Weights, scheme: Scheme, turned: bool = False) -> Array:
    """V_r·U_r for each r, or where U is ``turned`` Z_r·U_rᵀ."""
    result = spaced((*left.shape[:2], u.columns), left.dtype)
    multiply, inputs = (_expand, result) if turned else (_contract, left)
    _each_part(
        lambda r, channels: multiply(left[r], u, r, channels, result[r]),
        scheme, inputs.shape[2], left.shape, u.shape, result.shape,
    )  # fmt: skip
    return result


def _contract(v: Array, u: Weights, r: slice, channels: Channels, into: Array) -> None:
    """Write V_r·U_r, sums over the channels in which U is not 0."""
    first, *others = channels
    blas.products(v[..., first], u.part(r, first), into)
    for some in others:
        more = empty(np, into.shape, into.dtype)
        into += blas.products(v[..., some], u.part(r, some), more)


def _expand(z: Array, turned: Weights, r: slice, channels: Channels, into: Array) -> None:
    """Write Z_r·U_rᵀ, which is 0 in the channels in which U is."""
    if not _are_all(channels, into.shape[2]):
        into.fill(0)
    for some in channels:
        blas.products(z, turned.part(r, some), into[..., some])


def _are_all(channels: Channels, count: int) -> bool:
    return sum(some.stop - some.start for some in channels) == count


def _each_part(
    function: Callable[[slice, Channels], object],
    scheme: Scheme,
    inputs: int,
    *shapes: tuple[int, ...],
) -> None:
    """``function`` of a few r at a time of arrays (R, …) of these shapes, on several cores.

    It is told the channels, of so many of all phases' ``inputs``, in which U is not 0.
    """
    total, each = shapes[0][0], sum(math.prod(shape[1:]) for shape in shapes)
    c, items = inputs // scheme.phases, []
    for part in scheme.parts:
        channels = [slice(some.start * c, some.stop * c) for some in part.phases]
        first = part.r.start
        for few in _few(part.r.stop - first, each, R_AT_LEAST):
            items.append((slice(first + few.start, first + few.stop), channels))
    workers.each(function, items, WORK * total * each)


def _each_few(
    function: Callable[[slice], object], n: int, each: int, work: int, least: int = 1
) -> None:
    """``function`` of ``_few`` of n, on several cores."""
    workers.each(function, zip(_few(n, each, least), strict=True), work)


def _few(n: int, each: int, least: int = 1) -> Iterator[slice]:
    """Parts of n, of which each is so many elements: they fit the cache, and several cores."""
    step = max(1, least, min(IN_CACHE // max(1, each), -(-n // PARTS)))
    return (slice(start, min(start + step, n)) for start in range(0, n, step))


def _rows(a: Array) -> Array:
    """(R, n, c) as (R, n·c), a view of a ``spaced`` one."""
    return a.reshape(len(a), a.shape[1] * a.shape[2])


# Maps in tiles, some rows of tiles at a time, or where there is only one some images


def _transformed(matrix: Array, x: Array, sides: tuple[Side, Side]) -> Array:
    """The matrix times the tiles of x (N, H, W, C): (R, tiles·N, phases·C)."""
    down, across = sides
    channels = down.phases * across.phases * x.shape[3]
    result = spaced((len(matrix), down.tiles * across.tiles * len(x), channels), matrix.dtype)

    def transform(rows: slice, images: slice) -> None:
        into = _columns(result, rows, images, len(x), sides)
        tiles, _, columns = into.shape
        pieces = cut(x[images], sides, rows).reshape(matrix.shape[1], tiles, columns)
        blas.products(_stack(matrix, tiles), pieces.transpose(1, 0, 2), into)

    _each_job(transform, len(x), sides, matrix, channels)
    return result


def _assemble(matrix: Array, products: Array, sides: tuple[Side, Side], into: Array) -> None:
    """Put matrix·products, which are tiles, where they belong: ``_transformed`` transposed.

    Where tiles overlap they are added to zeros, in a fixed order: what reaches into the rows of
    another job is added when all are done.
    """
    turned, (n, h, w, c) = into.transpose(1, 2, 0, 3), into.shape
    in_place = is_whole(sides) and turned.strides[2] == c * turned.itemsize  # all of its channels
    late: dict[int, Array] = {}

    def assemble(rows: slice, images: slice) -> None:
        part = _columns(products, rows, images, n, sides)
        left = _stack(matrix, len(part))
        if in_place:
            blas.products(left, part, turned[:, :, images].reshape(1, h * w, part.shape[2]))
            return
        pieces = spaced((len(matrix), len(part), part.shape[2]), part.dtype)
        blas.products(left, part, pieces.transpose(1, 0, 2))
        pieces = pieces.reshape(shape_of(sides, rows, len(into[images]), c))
        put(pieces, sides, rows, into[images])
        if sides[0].reach and rows.stop < sides[0].tiles:
            late[rows.stop] = pieces[:, :, -sides[0].reach :].copy()

    _each_job(assemble, n, sides, matrix, products.shape[2])
    for stop in sorted(late):
        put(late[stop], sides, slice(stop - late[stop].shape[2], stop), into, late=True)


def _each_job(
    function: Callable[[slice, slice], object],
    n: int,
    sides: tuple[Side, Side],
    matrix: Array,
    channels: int,
) -> None:
    """``function`` of some rows of tiles and some images, on several cores."""
    down, across = sides
    columns, most = across.tiles * channels, max(matrix.shape)
    work = WORK * down.tiles * n * columns * matrix.shape[1]
    if down.tiles > 1:
        rows = _few(down.tiles, most * n * columns, down.reach)
        workers.each(function, ((part, slice(0, n)) for part in rows), work)
    else:
        images = _few(n, most * columns)
        workers.each(function, ((slice(0, 1), part) for part in images), work)


def _stack(matrix: Array, tiles: int) -> Array:
    """As a stack; BLAS multiplies faster with what is not turned."""
    matrix = np.ascontiguousarray(matrix)
    return np.broadcast_to(matrix, (tiles, *matrix.shape))


def _columns(flat: Array, rows: slice, images: slice, n: int, sides: tuple[Side, Side]) -> Array:
    """The part of (R, tiles·N, C) that is of some rows of tiles and some images, a view.

    It is (1, R, columns) if it is of all images, else (tiles, R, columns).
    """
    down, across = sides
    r, _, c = flat.shape
    part = flat.reshape(r, down.tiles, across.tiles, n, c)[:, rows, :, images]
    if part.shape[3] == n:
        return part.reshape(1, r, math.prod(part.shape[1:]))
    return part.reshape(r, part.shape[1] * across.tiles, part.shape[3] * c).transpose(1, 0, 2)


def _spatial(like: Array, images: int, sides: tuple[Side, Side], channels: int) -> Array:
    """Room for (N, H, W, C) that is (H, W, N, C) in memory: zeros, unless all is written."""
    make = empty if is_partition(sides) else zeros
    shape = (images, sides[0].size, sides[1].size, channels)
    return make(np, shape, like.dtype, order=(1, 2, 0, 3))


# Weights in phases


def _channels(c: int, scheme: Scheme) -> int:
    """Those of all phases together."""
    return c * scheme.phases


def _taps(w: Array, scheme: Scheme, turned: bool = False) -> Array:
    """w (kh, kw, C, O) as (taps of a phase, phases·C·O), or O·phases·C: missing taps are zero."""
    down, p, across, q, c = _phased(scheme, w.shape[2])
    o = w.shape[3]
    taps = spaced((down, across, *((o, p, q, c) if turned else (p, q, c, o))), w.dtype, 2)
    into = taps.transpose(0, 1, 3, 4, 5, 2) if turned else taps

    def write(i: int, j: int) -> None:
        part, here = w[i, j::q] if i < len(w) else w[0, :0], into[i // p, :, i % p, j]
        here[: len(part)] = part
        here[len(part) :] = 0

    workers.each(write, product(range(down * p), range(q)), TURN * taps.size)
    return taps.reshape(down * across, p * q * c * o)


def _untapped(flat: Array, scheme: Scheme, into: Array) -> None:
    """Write the adjoint of ``_taps``."""
    down, p, across, q, c = _phased(scheme, into.shape[2])
    taps = flat.reshape(down, across, p, q, c, into.shape[3])

    def write(i: int, j: int) -> None:
        part = into[i, j::q]
        part[...] = taps[i // p, : len(part), i % p, j]

    workers.each(write, product(range(len(into)), range(q)), TURN * flat.size)


def _phased(scheme: Scheme, channels: int) -> tuple[int, int, int, int, int]:
    down, across = scheme.axes
    return down.steps, down.inputs.phases, across.steps, across.inputs.phases, channels
