"""One side of a comparison in a process of its own, told what to do over a pipe.

A *side* is a module with

    versions() -> dict[str, str]                      what is measured, by name
    set_threads(count)                                before anything else
    variants(workload) -> list[str]                   the ways it can run it; none if it can't
    build(workload, weights, variant) -> Runner       the weights: generator's, discriminator's

and a *runner* has

    place(batch) -> Any                               a batch of ``workload.data`` as it takes them
    step(placed, draws=None) -> Any                   one step; it draws by itself unless told
    figures(result) -> sequence of floats             what parity compares in a step's result

A side that can run on a GPU also has

    set_device(device, precision)                     after set_threads; "tf32", "ieee" or "bf16"
    event() -> Any                                    one that has just been recorded there
    seconds(first, second)                            between two events, waiting for the second
    memory() -> int                                   bytes of the GPU that are taken

``Worker`` is the parent's end. Requests and replies are pickles on the child's standard input and
output; a reply is ("done", value) or ("failed", traceback).
"""

from __future__ import annotations

import importlib
import os
import pickle
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from . import memory
from .workloads import POOL, Workload

ROOT = Path(__file__).resolve().parent.parent
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
PINS = ("OPENBLAS_CORETYPE", "ATEN_CPU_CAPABILITY", "DNNL_MAX_CPU_ISA", "ONEDNN_MAX_CPU_ISA")
"""What an environment may hold one side's library back with: neither side is given them, so that
each uses the instructions that it finds."""


def _environment(threads: int) -> dict[str, str]:
    """This process's, with that many threads and without ``PINS``."""
    kept = {name: value for name, value in os.environ.items() if name not in PINS}
    return {**kept, **dict.fromkeys(THREADS, str(threads))}


CLOCKS = {"wall": "perf_counter", "processor": "process_time"}
"""How steps can be timed: functions of ``time`` by name. A processor's time is that of all threads
of a side, without what others on the machine take."""


class SideFailed(Exception):
    """The other process raised; the message is its traceback."""


class Worker:
    """A process that runs the side ``module``; a context manager, which ends it.

    Its methods are those of ``Session``, run over there.
    """

    def __init__(
        self,
        module: str,
        threads: int,
        clock: str = "wall",
        device: str = "cpu",
        precision: str = "ieee",
    ) -> None:
        self.module = module
        told = [module, str(threads), clock, device, precision]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.sides", *told],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env=_environment(threads),
        )

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in (self.process.stdin, self.process.stdout):
            pipe.close()  # type: ignore[union-attr]
        self.process.wait()  # the child leaves when there is nothing left to read

    def versions(self) -> dict[str, str]:
        return self._ask("versions")

    def variants(self, workload: Workload) -> list[str]:
        return self._ask("variants", workload)

    def build(self, workload: Workload, variant: str) -> None:
        self._ask("build", workload, variant)

    def figures(self, steps: int) -> np.ndarray:
        return self._ask("figures", steps)

    def times(self, steps: int) -> list[float]:
        return self._ask("times", steps)

    def growth(self) -> int | None:
        return self._ask("growth")

    def _ask(self, name: str, *arguments: Any) -> Any:
        requests: Any = self.process.stdin
        replies: Any = self.process.stdout
        try:
            pickle.dump((name, arguments), requests)
            requests.flush()
            outcome, value = pickle.load(replies)
        except (EOFError, BrokenPipeError):
            code = self.process.wait()
            raise SideFailed(f"{self.module} ended with status {code} in {name}()") from None
        if outcome == "failed":
            raise SideFailed(f"{self.module}:\n{value}")
        return value


class Session:
    """What the child does for its parent: one workload after it is built."""

    def __init__(
        self, module: str, threads: int, clock: str, device: str = "cpu", precision: str = "ieee"
    ) -> None:
        self.side = importlib.import_module(module)
        self.side.set_threads(threads)
        self.on_gpu = device != "cpu"
        if self.on_gpu:
            self.side.set_device(device, precision)
        self.clock = getattr(time, CLOCKS[clock])
        self.workload: Workload
        self.runner: Any
        self.batches: list[Any] = []
        self.idle: int | None = None

    def versions(self) -> dict[str, str]:
        """The versions of what runs here."""
        return self.side.versions()

    def variants(self, workload: Workload) -> list[str]:
        """The ways this side can run ``workload``."""
        return self.side.variants(workload)

    def build(self, workload: Workload, variant: str) -> None:
        """Get ready to run, and take what memory is held now as idle."""
        self.workload = workload
        self.runner = self.side.build(workload, workload.weights(), variant)
        self.batches = [self.runner.place(workload.data(k)) for k in range(POOL)]
        self.idle = self.side.memory() if self.on_gpu else memory.start_counting()

    def figures(self, steps: int) -> np.ndarray:
        """What parity compares of the first ``steps`` steps, (steps, numbers), on given draws."""
        results = [
            self.runner.figures(self.runner.step(self.batches[k % POOL], self.workload.draws(k)))
            for k in range(steps)
        ]
        return np.array(results, np.float64)

    def times(self, steps: int) -> list[float]:
        """Seconds that each of ``steps`` further steps takes, on a GPU by its own events."""
        mark: Callable[[], Any] = self.side.event if self.on_gpu else self.clock
        marks = [mark()]
        for k in range(steps):
            self.runner.step(self.batches[k % POOL])
            marks.append(mark())
        between = self.side.seconds if self.on_gpu else lambda first, second: second - first
        return [between(*pair) for pair in pairwise(marks)]

    def growth(self) -> int | None:
        """The most bytes that were held since ``build``, over those held then.

        On a GPU, where both sides keep what they once had: the bytes that are held now.
        """
        if self.idle is None:
            return None
        return (self.side.memory() if self.on_gpu else memory.peak()) - self.idle


def serve(make: Callable[[], Session], requests: BinaryIO, replies: BinaryIO) -> None:
    """Answer requests until there are no more."""
    session: Session | None = None
    while True:
        try:
            name, arguments = pickle.load(requests)
        except EOFError:
            return
        try:
            session = session or make()
            reply = "done", getattr(session, name)(*arguments)
        except Exception:
            reply = "failed", traceback.format_exc()
        pickle.dump(reply, replies)
        replies.flush()


def main() -> None:
    """Serve on the standard streams; what libraries print goes to standard error."""
    module, threads, *told = sys.argv[1:]
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(lambda: Session(module, int(threads), *told), sys.stdin.buffer, replies)


if __name__ == "__main__":
    main()
