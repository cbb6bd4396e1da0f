"""How long a full training step takes, minigan against its peers.

    python -m benchmarks.steps [--workload NAME …] [--vs torch,jax,…] [--json FILE]
                               [--threads N] [--blocks N] [--steps N] [--clock wall|processor]
                               [--device cpu|cuda|cuda:N] [--precision tf32,ieee,bf16]
                               [--profile]

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

``--device cuda`` is for a GPU, timed by its own events, 500 steps of a side by default. There is a
row for each precision that both sides multiply float32 in, and for each of the peer's ways to
launch a step (PyTorch's eager, in a CUDA graph and compiled), against the fastest of ours: the
last word of a variant names it. Parity is asked in "ieee", where both round alike; MB are the
GPU's. ``--profile`` prints the parts of our steps in place of rows: see ``profile``.

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
from dataclasses import dataclass, replace
from itertools import product

from minigan.backend import check_device
from minigan.errors import DeviceError

from . import peers, profile
from .comparison import ParityError, Row, disagreement, megabytes, quotient, table, timing
from .sides import CLOCKS, SideFailed, Worker
from .workloads import WORKLOADS, Workload, named

OURS = "benchmarks.ours"
PARITY_STEPS = 10
WARM_UP = 3
FEWEST, MOST, BLOCK_SECONDS = 5, 50, 0.5
"""Steps in a block where ``--steps`` does not say: enough for that long, within these bounds."""
ON_A_GPU = 50
"""The same on a GPU, where a block of short steps would be over at once."""
PRECISIONS = ("tf32", "ieee", "bf16")
"""In which a GPU can multiply float32."""
REST = 0.1
"""Seconds between blocks, in which threads stop spinning that wait for more work."""


@dataclass(frozen=True)
class Settings:
    """How to measure."""

    threads: int
    blocks: int
    steps: int | None
    clock: str = "wall"
    device: str = "cpu"
    precision: str = "ieee"

    @property
    def on_gpu(self) -> bool:
        return self.device != "cpu"

    def worker(self, module: str) -> Worker:
        """A fresh process of that side."""
        return Worker(module, self.threads, self.clock, self.device, self.precision)

    def block(self, *workers: Worker) -> int:
        """Steps of a block, by the fastest of some steps of each worker that has warmed up."""
        if self.steps is not None or self.on_gpu:
            return self.steps or ON_A_GPU
        slowest = max(min(worker.times(2)) for worker in workers)
        return max(FEWEST, min(MOST, math.ceil(BLOCK_SECONDS / slowest)))


def compare(workload: Workload, peer: str, settings: Settings) -> list[Row]:
    """Measure one workload against one peer, each way to launch it; nothing if it can't run it."""
    module = peers.module(peer)
    with settings.worker(module) as asked:
        theirs = asked.variants(workload)
    if not theirs:
        return []
    with settings.worker(OURS) as asked:
        ours = asked.variants(workload)
    mine = fastest(OURS, workload, ours, settings) if settings.on_gpu else ours[0]
    rows = []
    for variants in by_way(theirs) if settings.on_gpu else [theirs]:
        variant = fastest(module, workload, variants, settings)
        rows.append(measured(workload, mine, peer, variant, settings))
    return rows


def by_way(variants: list[str]) -> list[list[str]]:
    """Variants whose last words, which say how a step is launched, are the same."""
    ways: dict[str, list[str]] = {}
    for variant in variants:
        ways.setdefault(variant.split()[-1], []).append(variant)
    return list(ways.values())


def measured(workload: Workload, mine: str, peer: str, variant: str, settings: Settings) -> Row:
    """A row of our variant against one of the peer's."""
    module = peers.module(peer)
    gap = parity(module, workload, mine, variant, settings)
    say(f"{workload.name}, batch {workload.batch}: {peer} {variant}, parity {gap:.1e}")
    with ours_and(module, workload, mine, variant, settings) as (ours, theirs):
        for worker in (ours, theirs):
            worker.times(WARM_UP)
        steps = settings.block(ours, theirs)
        found = timing(*alternate([ours, theirs], settings.blocks, steps))
        growth = [megabytes(worker.growth()) for worker in (ours, theirs)]
        versions = ours.versions() | theirs.versions()
    return Row(
        workload=workload.name,
        batch=workload.batch,
        ours=mine,
        peer=peer,
        variant=variant,
        device=settings.device,
        precision=settings.precision,
        threads=settings.threads,
        clock="events" if settings.on_gpu else settings.clock,
        blocks=settings.blocks,
        steps=steps,
        ratio=found.ratio,
        spread=found.spread,
        ours_ms=found.ours_ms,
        peer_ms=found.peer_ms,
        ours_images_per_s=1e3 * workload.batch / found.ours_ms,
        peer_images_per_s=1e3 * workload.batch / found.peer_ms,
        ours_memory_mb=growth[0],
        peer_memory_mb=growth[1],
        memory_ratio=quotient(*growth),
        parity=gap,
        machine=versions.get("gpu") or machine(),
        versions=versions,
    )


def fastest(module: str, workload: Workload, variants: list[str], settings: Settings) -> str:
    """The variant with the least median over two blocks, all variants taken in turn."""
    if len(variants) == 1:
        return variants[0]
    with contextlib.ExitStack() as stack:
        workers = [stack.enter_context(settings.worker(module)) for _ in variants]
        for worker, variant in zip(workers, variants, strict=True):
            worker.build(workload, variant)
            worker.times(WARM_UP)
        rounds = alternate(workers, blocks=2, steps=settings.block(*workers))
    medians = [statistics.median(t for block in blocks for t in block) for blocks in rounds]
    listed = (f"{v} {1e3 * m:.3g} ms" for v, m in zip(variants, medians, strict=True))
    say(f"{workload.name}, batch {workload.batch}: {', '.join(listed)}")
    return variants[medians.index(min(medians))]


def parity(module: str, workload: Workload, mine: str, variant: str, settings: Settings) -> float:
    """How far the two sides' losses are apart in the first steps, dropout off and noise given."""
    alike, still = replace(settings, precision="ieee"), workload.for_parity()
    with ours_and(module, still, mine, variant, alike) as (ours, theirs):
        return disagreement(ours.figures(PARITY_STEPS), theirs.figures(PARITY_STEPS))


@contextlib.contextmanager
def ours_and(
    module: str, workload: Workload, mine: str, variant: str, settings: Settings
) -> Iterator[tuple[Worker, Worker]]:
    """Two fresh workers, ours and the peer's, built."""
    with settings.worker(OURS) as ours, settings.worker(module) as theirs:
        ours.build(workload, mine)
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


def available(names: list[str], device: str) -> list[str]:
    """The peers that can be compared with; the others are named."""
    reasons = {name: peers.why_not(name, device) for name in names}
    for name, reason in reasons.items():
        if reason is not None:
            say(f"{name} {reason}: left out")
    return [name for name, reason in reasons.items() if reason is None]


def measure(
    workloads: list[Workload], names: list[str], every: list[Settings]
) -> tuple[list[Row], bool]:
    """The rows of each workload, peer and way to measure, and whether any failed."""
    rows: list[Row] = []
    failed = False
    for workload, peer, settings in product(workloads, names, every):
        try:
            found = compare(workload, peer, settings)
        except (ParityError, SideFailed) as error:
            say(f"error: {workload.name}, batch {workload.batch}, against {peer}: {error}")
            failed = True
            continue
        if not found:
            say(f"{peer} does not run {workload.name}: left out")
        rows += found
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
    made.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N (cpu)")
    every = ",".join(PRECISIONS)
    made.add_argument("--precision", default=every, metavar="NAME,…", help=f"on a GPU ({every})")
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
    asked = precisions(arguments)
    names = available(wanted, arguments.device)
    if not names:
        sys.exit("there is no peer to compare with")
    told = arguments.threads, arguments.blocks, arguments.steps, arguments.clock, arguments.device
    every = [Settings(*told, precision) for precision in asked]
    rows, failed = measure(workloads, names, every)
    if rows:
        print(table(rows))
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump([row.as_json() for row in rows], file, indent=1)
    then(rows)
    sys.exit(failed)


def profiled(workloads: list[Workload], arguments: argparse.Namespace) -> None:
    """Print the parts of our steps."""
    if arguments.device == "cpu":
        sys.exit("--profile: got no GPU, wanted --device cuda; benchmarks.breakdown is for a CPU")
    for workload, precision in product(workloads, precisions(arguments)):
        print(profile.report(workload, arguments.device, precision), end="\n\n")


def precisions(arguments: argparse.Namespace) -> list[str]:
    """Those asked for, on a device that there is; otherwise a line, and the end."""
    asked = arguments.precision.split(",") if arguments.device != "cpu" else ["ieee"]
    for name in asked:
        if name not in PRECISIONS:
            sys.exit(f"--precision: got {name!r}, wanted some of {','.join(PRECISIONS)}")
    try:
        check_device(arguments.device)
    except DeviceError as error:
        sys.exit(f"--device: {error}")
    return asked


def main() -> None:
    options = parser("steps", __doc__)
    options.add_argument(
        "--workload", nargs="+", choices=WORKLOADS, default=list(WORKLOADS), metavar="NAME"
    )
    options.add_argument("--profile", action="store_true", help="the parts of our steps on a GPU")
    arguments = options.parse_args()
    if arguments.profile:
        profiled(named(arguments.workload), arguments)
        return
    run(named(arguments.workload), arguments)


if __name__ == "__main__":
    main()
