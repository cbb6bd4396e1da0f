"""Maps in tiles, as fast convolutions take them: cut, transformed apart, and put together again.

A tile of m outputs looks at a span of inputs, and where m is less than that, tiles overlap. Of a
convolution of stride s a tile has s phases (``bilinear``). Tiles in succession that lie wholly on
the map are cut out at once, by a view with strides of its own; at the borders others are in part
off the map, where they are zero.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import groupby, product
from typing import Any, NamedTuple

from numpy.lib.stride_tricks import as_strided

from ..backend import Array
from .blas import spaced
from .windows import Window


class Run(NamedTuple):
    """Where one phase of some tiles in succession lies: the positions ``inside`` of each.

    The first is at ``start`` on the map, those of a tile ``stride`` apart, those of tiles
    ``pitch``. No two are at one place: what lies on the next tile's outputs is a run of its own.
    """

    tiles: slice
    phase: int
    inside: slice
    start: int
    stride: int
    pitch: int

    @property
    def positions(self) -> int:
        """How many of all its tiles."""
        return (self.inside.stop - self.inside.start) * (self.tiles.stop - self.tiles.start)


class Side(NamedTuple):
    """One axis of a map of ``size``, in tiles of ``span`` positions in each phase."""

    size: int
    span: int
    tiles: int
    phases: int
    runs: tuple[Run, ...]
    reach: int  # to how many of the next tiles' outputs a tile looks: 0 where none overlap
    is_partition: bool  # each position of the map is in one tile, once

    @property
    def is_full(self) -> bool:
        """Whether all of each tile is on the map."""
        return sum(run.positions for run in self.runs) == self.span * self.tiles * self.phases

    @property
    def is_whole(self) -> bool:
        """Whether one tile of one phase is all of the map, and nothing else."""
        found = [(run.inside, run.start) for run in self.runs]
        one = self.tiles == self.phases == 1 and self.size == self.span
        return one and found == [(slice(0, self.size), 0)]


class Axis(NamedTuple):
    """One axis of a convolution: how inputs, outputs and taps are cut."""

    inputs: Side
    outputs: Side
    taps: int
    steps: int  # the taps of a phase


def steps_of(window: Window, axis: int) -> int:
    """The taps of a phase, or of the one that has most."""
    return -(-window.taps[axis] // window.stride[axis])


@lru_cache(maxsize=256)
def axis_of(window: Window, axis: int, size: int, outputs: int, first: int, span: int) -> Axis:
    """An axis in tiles of so many ``outputs``.

    Tile k reads the ``span`` positions from ``first`` + k·``outputs`` on, in each phase.
    """
    taps, stride = window.taps[axis], window.stride[axis]
    positions = window.positions((size, size))[axis]
    tiles, phases = -(-positions // outputs), min(stride, taps)
    reads = []
    for phase, tile in product(range(phases), range(tiles)):
        start = stride * (first + tile * outputs) + phase - window.padding[axis][0]
        low = max(0, -(start // stride))  # the first position that is on the map
        high = max(low, min(span, -((start - size) // stride)))
        reads.append((tile, phase, low, high, start))
    writes = [
        (tile, 0, 0, min(outputs, positions - tile * outputs), tile * outputs)
        for tile in range(tiles)
    ]
    met = sorted(start + stride * i for _, _, low, high, start in reads for i in range(low, high))
    apart, reach = (outputs, (span - 1) // outputs) if tiles > 1 else (span, 0)
    inputs = _runs(reads, apart, stride, stride * outputs)
    is_partition = met == list(range(size))
    return Axis(
        Side(size, span, tiles, phases, inputs, reach, is_partition),
        Side(positions, outputs, tiles, 1, _runs(writes, outputs, 1, outputs), 0, True),
        taps,
        steps_of(window, axis),
    )


_Place = tuple[int, int, int, int, int]  # tile, phase, low, high, start: from low to before high


def _runs(places: list[_Place], apart: int, stride: int, pitch: int) -> tuple[Run, ...]:
    """What places in succession have in common, none of more than ``apart`` positions."""
    found = []
    for (phase, low, high), alike in groupby(places, key=lambda place: place[1:4]):
        (tile, *_, start), *more = alike
        here = slice(tile, tile + 1 + len(more))
        for at in range(low - low % apart, high, apart) if low < high else ():
            inside = slice(max(low, at), min(high, at + apart))
            found.append(Run(here, phase, inside, start + stride * inside.start, stride, pitch))
    return tuple(found)


def is_partition(sides: tuple[Side, Side]) -> bool:
    """Whether each position of a map is in one tile, so that tiles need not be added up."""
    return sides[0].is_partition and sides[1].is_partition


def is_whole(sides: tuple[Side, Side]) -> bool:
    """Whether one tile of one phase is all of a map, so that products may be written there."""
    return sides[0].is_whole and sides[1].is_whole


def cut(x: Array, sides: tuple[Side, Side], rows: slice) -> Array:
    """Rows of tiles of x (N, H, W, C), as ``shape_of`` says, zero off the map."""
    down, across = sides
    shape = shape_of(sides, rows, len(x), x.shape[3])
    pieces = spaced(shape, x.dtype, 2)
    if not (down.is_full and across.is_full):
        pieces.fill(0)
    for inside, on_map in _places(x, sides, rows):
        pieces[inside] = on_map
    return pieces


def put(
    pieces: Array, sides: tuple[Side, Side], rows: slice, into: Array, late: bool = False
) -> None:
    """Write tiles to their places on the maps, or add them: ``cut`` transposed.

    ``late`` are those that reach beyond the rows, which are left out otherwise.
    """
    for inside, on_map in _places(into, sides, rows, late):
        if is_partition(sides):
            on_map[...] = pieces[inside]
        else:
            on_map += pieces[inside]


def shape_of(sides: tuple[Side, Side], rows: slice, n: int, c: int) -> tuple[int, ...]:
    """(down, across) inside of a tile, (down, across) of tiles, N, phases down and across, C."""
    down, across = sides
    tiles, phases = (rows.stop - rows.start, across.tiles), (down.phases, across.phases)
    return (down.span, across.span, *tiles, n, *phases, c)


def _places(
    x: Array, sides: tuple[Side, Side], rows: slice, late: bool | None = None
) -> Iterator[tuple[Any, Array]]:
    """Where parts of x are in the pieces of some rows of tiles, and these parts, views of x.

    With ``late`` only what does, or does not, lie on the rows' own part of the map, unless they
    are the last ones.
    """
    n, _, _, c = x.shape
    of_image, of_row, of_column, of_channel = x.strides
    for a, b in product(sides[0].runs, sides[1].runs):
        start, stop = max(a.tiles.start, rows.start), min(a.tiles.stop, rows.stop)
        if late is not None and rows.stop < sides[0].tiles:
            own = rows.stop - a.inside.start * a.stride // a.pitch
            start, stop = (max(start, own), stop) if late else (start, min(stop, own))
        if start >= stop:
            continue
        tiles = slice(start - rows.start, stop - rows.start)
        first = a.start + (start - a.tiles.start) * a.pitch
        shape = (
            a.inside.stop - a.inside.start, b.inside.stop - b.inside.start,
            stop - start, b.tiles.stop - b.tiles.start, n, c,
        )  # fmt: skip
        strides = (
            of_row * a.stride, of_column * b.stride,
            of_row * a.pitch, of_column * b.pitch, of_image, of_channel,
        )  # fmt: skip
        every = slice(None)
        inside = (a.inside, b.inside, tiles, b.tiles, every, a.phase, b.phase)
        yield inside, as_strided(x[:, first:, b.start :], shape, strides)
