"""The GPU's kernels, called with arrays: ``cuda.cu`` has them, their NumPy twins the mathematics.

The twins (``windows``, ``normalization``, the optimisers, ``random``) ask ``has_kernels`` and leave
arrays that have some to the functions here. Each of these is a launch or a few, where NumPy's way
would be one for every operation, and takes its sums in an order that shapes alone decide: the same
GPU gives the same bits again. float16 has no kernels, and goes NumPy's way.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ..backend import Array, array_module, is_array

REALS = {"float32": "float", "float64": "double"}
"""The dtypes that the kernels are made for, and their names in C."""

THREADS, BLOCKS = 256, 1 << 16  # in a block, and in a launch at most: then a thread does several
LONG = 1 << 30  # elements, from which a 32-bit index might overflow
ROWS = 128  # of a matrix, that one thread adds up
FAN = 32  # sums, that one thread adds up then
NOTHING = np.uint64(0)  # in the place of an array's address
WIDTH = 6  # numbers that say where a parameter lies: its end, weight, gradient and three slots


def has_kernels(array: Array) -> bool:
    """Whether ``array`` is on a GPU, has elements, and is of a dtype that the kernels are for."""
    return array_module(array) is not np and array.size > 0 and array.dtype.name in REALS


# Windows: of (down, across, kh, kw, stride, dilation, padding above and left), ten numbers


def columns(x: Array, window: Sequence[int]) -> Array:
    """What each window sees of x (N, H, W, C) in zeros: (N, down, across, kh, kw, C)."""
    n, *size, c = x.shape
    result = array_module(x).empty((n, *window[:4], c), x.dtype)
    strides = [stride // x.dtype.itemsize for stride in x.strides]
    name, items = "columns", 1
    if _in_fours(x, c) and strides[3] == 1 and not any(stride % 4 for stride in strides[:3]):
        name, items, strides = "columns_of_four", 4, [*(s // 4 for s in strides[:3]), 1]
    count = result.size // items
    _launch(name, count, x, result, count, *strides, *size, c // items, *window)
    return result


def scatter(pieces: Array, window: Sequence[int], size: Sequence[int]) -> Array:
    """The adjoint of ``columns``, on maps of ``size``: (N, *size, C)."""
    xp, c = array_module(pieces), pieces.shape[-1]
    pieces, result = _flat(pieces), xp.empty((len(pieces), *size, c), pieces.dtype)
    name, items = ("scatter_of_four", 4) if _in_fours(pieces, c) else ("scatter", 1)
    count = result.size // items
    _launch(name, count, pieces, result, count, *size, c // items, *window)
    return result


def _in_fours(x: Array, channels: int) -> bool:
    """Whether x can be taken four channels at a time: as addresses of such have to be."""
    return not (channels % 4 or _address(x) % 16)


# Adding at places that repeat


def add_at(x: Array, index: Any, shape: Sequence[int]) -> Array:
    """Zeros of ``shape`` with x added at ``index``, in the order of x.

    CuPy's ``add.at`` adds atomically: in no order, and so not to the same bits each time.
    """
    xp = array_module(x)
    result = xp.zeros(shape, x.dtype)
    places = xp.arange(result.size, dtype="int64").reshape(shape)[index].reshape(-1)
    order = xp.argsort(places, kind="stable")
    _launch("add_at", places.size, _flat(x), places, order, result, places.size)
    return result


# Normalisation, of matrices x and g (n, C)


def column_moments(x: Array) -> tuple[Array, Array]:
    """Mean and variance of each column: parts of ``ROWS`` rows, then ``FAN`` parts, and so on."""
    x, (n, c), each = _flat(x), x.shape, ROWS
    means, squares = _pair(x, -(-n // each), c)
    _launch("moments", means.size, x, means, squares, n, c, each)
    while each < n:
        merged = _pair(x, -(-n // (each * FAN)), c)
        _launch("merged_moments", merged[0].size, means, squares, *merged, n, c, each, FAN)
        (means, squares), each = merged, each * FAN
    return means[0], squares[0]


def normalize(x: Array, out: Array, *norm: Any) -> None:
    """Write what the leaky ReLU makes of y; ``norm`` is γ, β, μ, v, ε and its slope."""
    _launch("normalize", x.size, _flat(x), *_norm(x, norm), out, x.size, x.shape[1])


def normalize_gradient(g: Array, x: Array, out: Array, *norm: Any) -> tuple[Array, Array]:
    """Write the gradient of x, and return those of γ and β; ``norm`` as above."""
    numbers, empty = _norm(x, norm), array_module(x).empty
    g, x, (n, c) = _flat(g), _flat(x), x.shape
    sums = empty((-(-n // ROWS), 2 * c), x.dtype)
    _launch("gradient_sums", sums.size // 2, g, x, *numbers, sums, n, c, ROWS)
    while len(sums) > 1:
        more = empty((-(-len(sums) // FAN), 2 * c), x.dtype)
        _launch("sums_of_rows", more.size, sums, more, len(sums), 2 * c, FAN)
        sums = more
    of_gamma = empty(c, x.dtype)
    _launch("normalize_gradient", x.size, g, x, *numbers, sums, out, of_gamma, x.size, c)
    return of_gamma, sums[0, :c]


def standardize(x: Array, out: Array, centre: Array, scale: Array, shift: Array) -> None:
    """Write scale·(x − centre) + shift."""
    of_channels = [_of_channels(a, x) for a in (centre, scale, shift)]
    _launch("standardize", x.size, _flat(x), *of_channels, out, x.size, x.shape[1])


def _norm(x: Array, norm: Sequence[Any]) -> list[Any]:
    *of_channels, eps, slope = norm
    return [*(_of_channels(a, x) for a in of_channels), float(eps), float(slope)]


def _of_channels(a: Array, x: Array) -> Array:
    xp = array_module(x)
    return xp.ascontiguousarray(xp.broadcast_to(a, x.shape[1:]).astype(x.dtype, copy=False))


def _pair(like: Array, *shape: int) -> tuple[Array, Array]:
    empty = array_module(like).empty
    return empty(shape, like.dtype), empty(shape, like.dtype)


# Element by element


def bend(x: Array, slope: float) -> Array:
    """x where x > 0, slope·x elsewhere."""
    return _mapped("bend", x, number=slope)


def gate(g: Array, signs: Array, slope: float) -> Array:
    """g where ``signs`` > 0, slope·g elsewhere."""
    return _mapped("gate", g, signs, number=slope)


def cross_entropy(x: Array, target: float) -> Array:
    """That of each logit."""
    return _mapped("cross_entropy", x, number=target)


def cross_entropy_slope(x: Array, target: float) -> Array:
    """Its derivative."""
    return _mapped("cross_entropy_slope", x, number=target)


def _mapped(name: str, *arrays: Array, number: float) -> Array:
    result = array_module(arrays[0]).empty(arrays[0].shape, arrays[0].dtype)
    _launch(name, result.size, *map(_flat, arrays), result, result.size, float(number))
    return result


# Optimisers


def update(
    name: str,
    parts: Sequence[Sequence[Any]],
    numbers: Array,
    go: Array | None = None,
    table: Array | None = None,
) -> np.ndarray:
    """Write a step of the optimiser ``name`` for all parameters at once.

    Each part is a weight, its gradient and its slots, None for one that it does without; all are of
    one dtype, and but for gradients each lies in one piece. ``numbers`` are the optimiser's, and
    where ``go`` (1,) is zero all stays as it is: both float64 in the GPU's memory, as a captured
    launch knows where its numbers lie and not what they are. So it must be with the addresses that
    this returns, uint64 (parts, ``WIDTH``): a captured launch finds them in ``table`` by then.
    """
    parts = [(weight, _flat(gradient), *slots) for weight, gradient, *slots in parts]
    rows = np.zeros((len(parts), WIDTH), np.uint64)
    rows[:, 0] = np.cumsum([part[0].size for part in parts])
    for row, part in zip(rows, parts, strict=True):
        row[1 : 1 + len(part)] = [0 if array is None else _address(array) for array in part]
    first = parts[0][0]
    table = array_module(first).asarray(rows) if table is None else table
    total = int(rows[-1, 0])
    _launch(name, total, table, len(rows), total, numbers, go, real=first.dtype.name)
    return rows


def follow(average: Array, weight: Array, share: Array, go: Array | None = None) -> None:
    """Move an average that share of the way to a weight; ``share`` (1,) and ``go`` as above."""
    _launch("follow", average.size, average, _flat(weight), average.size, share, go)


def keep(copy: Array, array: Array, go: Array) -> None:
    """Write an array over its copy, which lies in one piece, unless ``go`` (1,) is zero.

    Both are of one shape and dtype.
    """
    if has_kernels(array):
        _launch("keep", copy.size, copy, _flat(array), copy.size, go)
    else:
        copy[...] = array_module(array).where(go.reshape(()) != 0, array, copy)


def go_if_finite(sums: Array, go: Array) -> None:
    """Make ``go`` zero unless all the sums are finite."""
    _launch("go_if_finite", 1, sums, sums.size, go)


# Random numbers


def philox(
    xp: Any, count: int, key: Iterable[int], draw: int, step: int, later: Array | None = None
) -> Array:
    """The words of ``random.Stream.words``, made where they are used.

    ``later`` (float64, (1,)) is where in the GPU's memory the step will stand in place of ``step``.
    """
    words = xp.empty(count, "uint64")
    _launch("philox", -(-count // 4), words, count, *map(np.uint64, (*key, draw, step)), later)
    return words


# Launches


def _launch(name: str, threads: int, *arguments: Any, real: str | None = None) -> None:
    """Run a kernel over so many results, with arrays (None in the place of one) and numbers.

    ``real`` is what it computes in, by default the first array's dtype.
    """
    if not threads:
        return
    arrays = [a for a in arguments if is_array(a)]
    real, long = real or arrays[0].dtype.name, max(threads, *map(_extent, arrays)) >= LONG
    scalars: dict[type, Any] = {int: np.int64 if long else np.int32, float: np.dtype(real).type}
    converted = [NOTHING if a is None else scalars.get(type(a), _as_it_is)(a) for a in arguments]
    kernel = _kernel(array_module(arrays[0]), name, REALS.get(real, "float"), long)
    kernel((min(-(-threads // THREADS), BLOCKS),), (THREADS,), tuple(converted))


def _flat(x: Array) -> Array:
    """x in one piece, as kernels look at no strides."""
    return array_module(x).ascontiguousarray(x)


def _as_it_is(argument: Any) -> Any:
    return argument


def _address(array: Array) -> int:
    return array.ctypes.data if array_module(array) is np else array.data.ptr


def _extent(array: Array) -> int:
    """How many elements lie from an array's first one to its last."""
    steps = sum((n - 1) * abs(s) for n, s in zip(array.shape, array.strides, strict=True))
    return steps // array.dtype.itemsize + 1


@lru_cache
def _kernel(xp: Any, name: str, real: str, long: bool) -> Any:
    return _module(xp, real, long).get_function(name)


@lru_cache
def _module(xp: Any, real: str, long: bool) -> Any:
    """The kernels, compiled for a dtype and a length of arrays; CuPy keeps what it compiled."""
    options = (f"-DREAL={real}", f"-DINDEX={'long long' if long else 'int'}")
    return xp.RawModule(code=source(), options=options)


def source() -> str:
    """The kernels, in CUDA C++."""
    with open(__file__.removesuffix("py") + "cu", encoding="utf-8") as file:
        return file.read()
