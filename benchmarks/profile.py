"""Where the time of a step on a GPU goes, and how far each part is from its floor.

Our step is taken one operation at a time, with the GPU's events before and after each product and
each launch of a kernel of ours, which are put together by what they do. *Rest* is what the whole
step takes on top, timed without those events: CuPy's own operations, and what the GPU waits for.
Between two events is also the launch itself, so small parts look slower than they are.

A part's floor is the larger of its multiplications at the rate of the product of two matrices of
4,096 × 4,096 in the same precision, and the bytes of its arrays at the rate of a copy of 256 MB.
"""

from __future__ import annotations

import contextlib
import math
import statistics
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any
from unittest import mock

import numpy as np

from minigan.backend import Array, library_on
from minigan.kernels import cuda, gemm

from . import ours
from .breakdown import Part, table
from .workloads import POOL, Workload

WARM_UP, STEPS = 3, 20
SIDE, COPIED, TIMES = 4096, 1 << 28, 20


class Recorder:
    """Events around products and launches; ``found`` has (name, events, bytes, multiplications)."""

    def __init__(self) -> None:
        self.found: list[tuple[str, tuple[Any, Any], int, int]] = []
        self._inside = False

    @contextlib.contextmanager
    def recording(self) -> Iterator[None]:
        """Within the block all of them are recorded."""
        launch, update, matmul = cuda._launch, cuda.update, gemm.matmul

        def launched(name: str, threads: int, *arguments: Any, **told: Any) -> None:
            arrays = [a for a in arguments if hasattr(a, "nbytes")]
            self._record(name, arrays, 0, lambda: launch(name, threads, *arguments, **told))

        def updated(name: str, parts: Any, *told: Any) -> np.ndarray:
            arrays = [array for part in parts for array in part if array is not None]
            return self._record(name, arrays, 0, lambda: update(name, parts, *told))

        def multiplied(a: Array, b: Array, out: Array, convolution: bool = False) -> Array:
            name = "product of a convolution" if convolution else "product"
            count = a.shape[0] * a.shape[1] * b.shape[1]
            ask = lambda: matmul(a, b, out, convolution)  # noqa: E731
            return self._record(name, [a, b, out], count, ask)

        places = [
            (cuda, "_launch", launched),
            (cuda, "update", updated),
            (gemm, "matmul", multiplied),
        ]
        with contextlib.ExitStack() as stack:
            for module, name, watched in places:
                stack.enter_context(mock.patch.object(module, name, watched))
            yield

    def _record(self, name: str, arrays: list[Array], count: int, ask: Callable[[], Any]) -> Any:
        if self._inside:  # a product may go on to another one
            return ask()
        self._inside, first = True, ours.event()
        try:
            result = ask()
        finally:
            self._inside = False
        touched = sum(array.nbytes for array in arrays)
        self.found.append((name, (first, ours.event()), touched, count))
        return result

    def parts(self, steps: int, seconds_of: Callable[[int, int], tuple[float, str]]) -> list[Part]:
        """Of one step, the longest first."""
        sums: dict[str, list[tuple[float, float, str]]] = {}
        for name, events, touched, count in self.found:
            floor, bound = seconds_of(touched, count)
            sums.setdefault(name, []).append((ours.seconds(*events), floor, bound))
        made = []
        for name, calls in sums.items():
            ms, floor = (1e3 * math.fsum(call[k] for call in calls) / steps for k in (0, 1))
            bound = max(calls, key=lambda call: call[1])[2]
            made.append(Part("", name, "", len(calls) // steps, ms, floor, bound))
        return sorted(made, key=lambda part: -part.ms)


def rates(xp: Any) -> tuple[float, float]:
    """Bytes and multiplications that the GPU does in a second."""
    a, b = (xp.ones((SIDE, SIDE), "float32") for _ in range(2))
    out = xp.empty((SIDE, SIDE), "float32")
    source, into = xp.ones(COPIED // 4, "float32"), xp.empty(COPIED // 4, "float32")
    copy = least(lambda: xp.copyto(into, source))
    product = least(lambda: gemm.matmul(a, b, out, convolution=True))
    return 2 * source.nbytes / copy, SIDE**3 / product


def least(work: Callable[[], Any]) -> float:
    """Seconds, by events."""
    marks = [ours.event()]
    for _ in range(TIMES):
        work()
        marks.append(ours.event())
    return min(ours.seconds(*pair) for pair in pairwise(marks))


def profile(workload: Workload, device: str, precision: str) -> tuple[list[Part], float]:
    """The parts of our step, and the milliseconds of the whole."""
    ours.set_device(device, precision)
    bandwidth, arithmetic = rates(library_on(device))

    def floor(touched: int, multiplications: int) -> tuple[float, str]:
        return max((touched / bandwidth, "memory"), (multiplications / arithmetic, "arithmetic"))

    runner = ours.build(workload, workload.weights(), ours.variants(workload)[0])
    batches = [runner.place(workload.data(k)) for k in range(POOL)]
    marks = [ours.event()]
    for k in range(WARM_UP + STEPS):
        runner.step(batches[k % POOL])
        marks.append(ours.event())
    whole = statistics.median(ours.seconds(*pair) for pair in pairwise(marks[WARM_UP:]))
    recorder = Recorder()
    with recorder.recording():
        for k in range(STEPS):
            runner.step(batches[k % POOL])
    return recorder.parts(STEPS, floor), 1e3 * whole


def report(workload: Workload, device: str, precision: str) -> str:
    """The table of a workload, and the share of the floor that its step reaches."""
    parts, whole = profile(workload, device, precision)
    by = {b: np.sum([p.floor_ms for p in parts if p.bound == b]) for b in ("memory", "arithmetic")}
    shares = ", ".join(f"{100 * ms / whole:.0f} % {bound}" for bound, ms in by.items())
    title = f"{workload.name}, batch {workload.batch}, {precision}"
    return f"{title}: of the whole step the floors are {shares}\n{table(parts, whole)}"
