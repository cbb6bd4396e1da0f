"""How long a full training step takes, minigan against its peers.

    python -m benchmarks.steps [--workload NAME …] [--vs torch,jax,…] [--json FILE]
                               [--threads N] [--blocks N] [--steps N] [--clock wall|processor]

Each side runs in a process of its own, with the same number of threads, weights and data. For each
workload and peer:

1. The peer's variants (memory layout, real and fake in one batch or two) are timed, and the
   fastest goes on.
2. Dropout off and noise given, the losses of the first ten steps must agree to 1e-3 (for sampling,
   the images). If not, the workload is an error.
3. In two fresh processes, after warm-up, blocks of steps are timed in turn, the first side
   changing from block to block. Now each side draws its own noise and dropout.

    ratio       our median step over the peer's, all blocks together: below 1 minigan is faster
    quartiles   of the ratios of the medians of paired blocks
    MB          the most memory held from warm-up to the last step, over that of the idle process
                (imports done, weights and data there)
    parity      the largest difference of losses in 2.

``--clock processor`` counts processor time, of all threads of a side: with ``--threads 1`` that is
what a machine can measure that others use.

It exits with 1 if a workload failed. Peers that are not installed, or can't run a workload, are
named and left out.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from . import peers
from .comparison import ParityError, Row, disagreement, megabytes, quotient, table, timing
from .sides import CLOCKS, SideFailed, Worker
from .workloads import WORKLOADS, Workload, named

OURS = "benchmarks.ours"
PARITY_STEPS = 10
WARM_UP = 3
FEWEST, MOST, BLOCK_SECONDS = 5, 50, 0.5
"""Steps in a block where ``--steps`` does not say: enough for that long, within these bounds."""
REST = 0.1
"""Seconds between blocks, in which threads stop spinning that wait for more work."""


@dataclass(frozen=True)
class Settings:
    """How to measure."""

    threads: int
    blocks: int
    steps: int | None
    clock: str = "wall"

    def worker(self, module: str) -> Worker:
        """A fresh process of that side."""
        return Worker(module, self.threads, self.clock)

    def block(self, *workers: Worker) -> int:
        """Steps of a block, by the fastest of some steps of each worker that has warmed up."""
        if self.steps is not None:
            return self.steps
        slowest = max(min(worker.times(2)) for worker in workers)
        return max(FEWEST, min(MOST, math.ceil(BLOCK_SECONDS / slowest)))


def compare(workload: Workload, peer: str, settings: Settings) -> Row | None:
    """Measure one workload against one peer; None if the peer can't run it."""
    module = peers.module(peer)
    variant = fastest(module, workload, settings)
    if variant is None:
        return None
    gap = parity(module, workload, variant, settings)
    say(f"{workload.name}, batch {workload.batch}: {peer} {variant}, parity {gap:.1e}")
    with ours_and(module, workload, variant, settings) as (ours, theirs):
        for worker in (ours, theirs):
            worker.times(WARM_UP)
        steps = settings.block(ours, theirs)
        measured = timing(*alternate([ours, theirs], settings.blocks, steps))
        growth = [megabytes(worker.growth()) for worker in (ours, theirs)]
        versions = ours.versions() | theirs.versions()
    return Row(
        workload=workload.name,
        batch=workload.batch,
        peer=peer,
        variant=variant,
        threads=settings.threads,
        clock=settings.clock,
        blocks=settings.blocks,
        steps=steps,
        ratio=measured.ratio,
        spread=measured.spread,
        ours_ms=measured.ours_ms,
        peer_ms=measured.peer_ms,
        ours_images_per_s=1e3 * workload.batch / measured.ours_ms,
        peer_images_per_s=1e3 * workload.batch / measured.peer_ms,
        ours_memory_mb=growth[0],
        peer_memory_mb=growth[1],
        memory_ratio=quotient(*growth),
        parity=gap,
        machine=machine(),
        versions=versions,
    )


def fastest(module: str, workload: Workload, settings: Settings) -> str | None:
    """The variant with the least median over two blocks, all variants taken in turn."""
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(settings.worker(module))
        variants = first.variants(workload)
        if len(variants) < 2:
            return next(iter(variants), None)
        others = [stack.enter_context(settings.worker(module)) for _ in variants[1:]]
        workers = [first, *others]
        for worker, variant in zip(workers, variants, strict=True):
            worker.build(workload, variant)
            worker.times(WARM_UP)
        rounds = alternate(workers, blocks=2, steps=settings.block(*workers))
    medians = [statistics.median(t for block in blocks for t in block) for blocks in rounds]
    listed = (f"{v} {1e3 * m:.3g} ms" for v, m in zip(variants, medians, strict=True))
    say(f"{workload.name}, batch {workload.batch}: {', '.join(listed)}")
    return variants[medians.index(min(medians))]


def parity(module: str, workload: Workload, variant: str, settings: Settings) -> float:
    """How far the two sides' losses are apart in the first steps, dropout off and noise given."""
    with ours_and(module, workload.for_parity(), variant, settings) as (ours, theirs):
        return disagreement(ours.figures(PARITY_STEPS), theirs.figures(PARITY_STEPS))


@contextlib.contextmanager
def ours_and(
    module: str, workload: Workload, variant: str, settings: Settings
) -> Iterator[tuple[Worker, Worker]]:
    """Two fresh workers, ours and the peer's, built."""
    with settings.worker(OURS) as ours, settings.worker(module) as theirs:
        ours.build(workload, ours.variants(workload)[0])
        theirs.build(workload, variant)
        yield ours, theirs


def alternate(workers: list[Worker], blocks: int, steps: int) -> list[list[list[float]]]:
    """Seconds of each step of each block of each worker; every other round goes backwards."""
    found: list[list[list[float]]] = [[] for _ in workers]
    order = list(range(len(workers)))
    for _ in range(blocks):
        for i in order:
            time.sleep(REST)
            found[i].append(workers[i].times(steps))
        order.reverse()
    return found


def machine() -> str:
    """The processor's name and how many cores this process may use."""
    name = platform.processor() or platform.machine()
    with contextlib.suppress(OSError, StopIteration), open("/proc/cpuinfo") as file:
        name = next(line for line in file if line.startswith("model name")).partition(": ")[2]
    return f"{name.strip()}, {cores()} cores"


def cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def available(names: list[str]) -> list[str]:
    """The peers that can be compared with; the others are named."""
    reasons = {name: peers.why_not(name) for name in names}
    for name, reason in reasons.items():
        if reason is not None:
            say(f"{name} {reason}: left out")
    return [name for name, reason in reasons.items() if reason is None]


def measure(
    workloads: list[Workload], names: list[str], settings: Settings
) -> tuple[list[Row], bool]:
    """A row for each workload and peer, and whether any failed."""
    rows: list[Row] = []
    failed = False
    for workload in workloads:
        for peer in names:
            try:
                row = compare(workload, peer, settings)
            except (ParityError, SideFailed) as error:
                say(f"error: {workload.name}, batch {workload.batch}, against {peer}: {error}")
                failed = True
                continue
            if row is None:
                say(f"{peer} does not run {workload.name}: left out")
            else:
                rows.append(row)
    return rows, failed


def parser(name: str, description: str | None) -> argparse.ArgumentParser:
    """The options that all comparisons have."""
    made = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=description)
    made.formatter_class = argparse.RawDescriptionHelpFormatter
    made.add_argument("--vs", default=",".join(peers.NAMES), metavar="PEER,…")
    made.add_argument("--json", metavar="FILE")
    made.add_argument("--threads", type=int, default=cores(), help="of each side (all cores)")
    made.add_argument("--blocks", type=int, default=10, help="of each side (10)")
    made.add_argument("--steps", type=int, help="in a block (by their duration, 5 to 50)")
    made.add_argument("--clock", choices=CLOCKS, default="wall", help="(wall)")
    return made


def run(
    workloads: list[Workload],
    arguments: argparse.Namespace,
    then: Callable[[list[Row]], None] = lambda rows: None,
) -> None:
    """Measure as the arguments say, print the table, do something with the rows, and exit."""
    for name in ("threads", "blocks", "steps"):
        value = getattr(arguments, name)
        if value is not None and value < 1:
            sys.exit(f"--{name}: got {value}, wanted at least 1")
    wanted = arguments.vs.split(",")
    for name in wanted:
        if name not in peers.NAMES:
            sys.exit(f"--vs: got {name!r}, wanted some of {','.join(peers.NAMES)}")
    names = available(wanted)
    if not names:
        sys.exit("there is no peer to compare with")
    settings = Settings(arguments.threads, arguments.blocks, arguments.steps, arguments.clock)
    rows, failed = measure(workloads, names, settings)
    if rows:
        print(table(rows))
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump([row.as_json() for row in rows], file, indent=1)
    then(rows)
    sys.exit(failed)


def main() -> None:
    options = parser("steps", __doc__)
    options.add_argument(
        "--workload", nargs="+", choices=WORKLOADS, default=list(WORKLOADS), metavar="NAME"
    )
    arguments = options.parse_args()
    run(named(arguments.workload), arguments)


if __name__ == "__main__":
    main()
