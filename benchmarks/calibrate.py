"""Measures what the convolution algorithms cost: ``kernels.choice.PRICES``.

    OPENBLAS_NUM_THREADS=1 python -m benchmarks.calibrate [--minutes 5]           print them
    OPENBLAS_NUM_THREADS=1 python -m benchmarks.layers --calibrate [--minutes 5]  write them

Every map, window and size is timed with all algorithms in turn, in one process, so that they share
what else the machine does; each gets its maps in the order in memory in which it leaves them. The
prices are then those that, times the counts, come nearest to the
measured times: the least squares of the relative errors, with no price negative.
"""

from __future__ import annotations

import argparse
import pprint
import time
from collections import defaultdict
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np

from minigan.buffers import Buffers
from minigan.kernels import choice
from minigan.kernels.choice import ALGORITHMS, FAST, FORWARD, INPUT, PRICED, WEIGHT
from minigan.kernels.windows import Window
from minigan.ops.geometry import window

WINDOWS = ((3, 1), (5, 1), (3, 2), (4, 2), (5, 2))
SIZES = (7, 8, 14, 16, 28, 56)
CHANNELS = ((8, 8), (16, 16), (32, 32), (64, 64), (32, 128), (128, 32), (128, 128), (256, 256))
IMAGES = (8, 64)
LIGHT, HEAVY = choice.SMALL, 1.2e9  # multiplications of the definition
TIMES = 5


class Problem(NamedTuple):
    """One convolution, "same"."""

    taps: int
    stride: int
    size: int
    channels: tuple[int, int]
    images: int

    @property
    def window(self) -> Window:
        return window((self.size,) * 2, (self.taps,) * 2, self.stride, "same")

    @property
    def multiplications(self) -> int:
        positions = self.window.positions((self.size,) * 2)[0]
        return self.images * positions**2 * self.taps**2 * self.channels[0] * self.channels[1]

    def calls(self, dtype: np.dtype, spatial: bool) -> dict[str, tuple[object, ...]]:
        """The operands of each map; maps are (H, W, N, C) in memory if ``spatial``."""
        rng, where, size = np.random.default_rng(0), self.window, (self.size,) * 2
        c, o = self.channels

        def values(size: tuple[int, int], channels: int) -> np.ndarray:
            if spatial:
                found = rng.standard_normal((*size, self.images, channels))
                return found.astype(dtype).transpose(2, 0, 1, 3)
            return rng.standard_normal((self.images, *size, channels)).astype(dtype)

        x, y = values(size, c), values(where.positions(size), o)
        w = rng.standard_normal((self.taps, self.taps, c, o)).astype(dtype)
        return {
            FORWARD: (x, w, where, 1),
            INPUT: (y, w, where, 1, size),
            WEIGHT: (x, y, where, 1),
        }


def problems() -> list[Problem]:
    """All that are neither too light to time nor too heavy to wait for, in a random order."""
    every = (
        Problem(taps, stride, size, channels, images)
        for (taps, stride), size, channels, images in product(WINDOWS, SIZES, CHANNELS, IMAGES)
    )
    found = [p for p in every if LIGHT < p.multiplications < HEAVY]
    return [found[i] for i in np.random.default_rng(0).permutation(len(found))]


def measured(problem: Problem, dtype: np.dtype) -> Iterator[tuple[str, str, float, choice.Counts]]:
    """For each map and algorithm the median time in picoseconds, and the counts."""
    names = [n for n in PRICED if n not in FAST or FAST[n].applies(problem.window)]
    size = (problem.size,) * 2
    buffers = Buffers()
    plain, spatial = problem.calls(dtype, spatial=False), problem.calls(dtype, spatial=True)
    for which in plain:
        times: dict[str, list[float]] = defaultdict(list)
        for _ in range(1 + TIMES):
            for name in names:
                operands = (spatial if name in FAST else plain)[which]
                with buffers.in_use():  # as in training
                    start = time.process_time_ns()
                    getattr(ALGORITHMS[name], which)(*operands)
                    times[name].append(1e3 * (time.process_time_ns() - start))
        for name in names:
            counts = choice.counts(
                name, problem.images, size, problem.window, problem.channels, 1, dtype
            )
            yield which, name, float(np.median(times[name][1:])), counts


def fitted(times: list[float], counts: list[choice.Counts]) -> tuple[float, ...]:
    """The prices, by multiplicative updates, which keep them from becoming negative."""
    parts = np.array(counts, dtype=float) / np.array(times)[:, None]  # of 1, were the price 1
    scale = np.maximum(parts.max(axis=0), 1e-30)
    parts, prices = parts / scale, np.full(parts.shape[1], 0.1)
    for _ in range(5000):
        prices *= parts.sum(axis=0) / np.maximum(parts.T @ (parts @ prices), 1e-30)
    return tuple(float(f"{price:.3g}") for price in prices / scale * scale.astype(bool))


def written(source: str, table: object) -> str:
    """The source of ``kernels.choice`` with another table of prices in it."""
    head, start, rest = source.partition("PRICES: dict[str, dict[str, dict[str, Prices]]] = ")
    _, end, tail = rest.partition('\n"""By dtype')
    if not start or not end:
        raise ValueError("the source holds no table of prices where one was expected")
    return head + start + pprint.pformat(table, sort_dicts=False, width=90) + end + tail


def main(write: bool = False) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=5, help="for each dtype")
    minutes = parser.parse_args().minutes
    table: dict[str, dict[str, dict[str, tuple[float, ...]]]] = {}
    for dtype in (np.dtype("float32"), np.dtype("float64")):
        found: dict[tuple[str, str], tuple[list[float], list[choice.Counts]]]
        found = defaultdict(lambda: ([], []))
        end = time.monotonic() + 60 * minutes
        for problem in problems():
            if time.monotonic() > end:
                break
            for which, name, duration, counts in measured(problem, dtype):
                found[which, name][0].append(duration)
                found[which, name][1].append(counts)
        table[dtype.name] = {which: {} for which in (FORWARD, INPUT, WEIGHT)}
        for (which, name), (times, counted) in found.items():
            table[dtype.name][which][name] = fitted(times, counted)
    pprint.pprint(table, sort_dicts=False, width=90)
    if write:
        path = Path(choice.__file__)
        path.write_text(written(path.read_text(encoding="utf-8"), table), encoding="utf-8")


if __name__ == "__main__":
    main()
