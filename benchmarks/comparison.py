"""From times to figures: medians, ratios with their spread, agreement, and a table of them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

TOLERANCE = 1e-3
"""How far the two sides' losses may be apart, of 1 or of the loss if that is larger."""

Blocks = Sequence[Sequence[float]]
"""Seconds of the steps of each block."""


class ParityError(Exception):
    """The two sides do not compute the same thing."""


def disagreement(ours: np.ndarray, theirs: np.ndarray) -> float:
    """The largest difference of two runs' figures (steps, numbers), as ``TOLERANCE`` counts it.

    Raises ``ParityError`` where it is too large, naming the step.
    """
    if ours.shape != theirs.shape:
        raise ParityError(f"ours gave figures of shape {ours.shape}, the peer {theirs.shape}")
    gaps = np.abs(ours - theirs) / np.maximum(1, np.abs(theirs))
    worst = float(np.max(gaps))
    if not worst <= TOLERANCE:  # a NaN is too large
        step = int(np.argmax(~(gaps <= TOLERANCE).all(axis=1)))
        a, b = (" ".join(f"{x:.6g}" for x in run[step, :4]) for run in (ours, theirs))
        raise ParityError(f"step {step + 1}: ours {a}, the peer {b}, wanted within {TOLERANCE:g}")
    return worst


@dataclass(frozen=True)
class Timing:
    """What the blocks say: medians over all steps, and the spread of the blocks' ratios."""

    ratio: float
    spread: tuple[float, float]
    ours_ms: float
    peer_ms: float


def timing(ours: Blocks, theirs: Blocks) -> Timing:
    """Our median over the peer's.

    Its spread is the lower and upper quartile of the ratios of paired blocks' medians: of the
    k-th block on either side, which ran one right after the other.
    """
    medians = [statistics.median(t for block in side for t in block) for side in (ours, theirs)]
    pairs = zip(ours, theirs, strict=True)
    ratios = [statistics.median(a) / statistics.median(b) for a, b in pairs]
    low, high = (float(q) for q in np.quantile(ratios, [0.25, 0.75]))
    return Timing(medians[0] / medians[1], (low, high), 1e3 * medians[0], 1e3 * medians[1])


@dataclass(frozen=True)
class Row:
    """One workload against one peer, each in a variant of its own.

    ``precision`` is how float32 is multiplied. Memory is growth over the idle process, in
    megabytes: of a GPU if ``device`` is one.
    """

    workload: str
    batch: int
    ours: str
    peer: str
    variant: str
    device: str
    precision: str
    threads: int
    clock: str
    blocks: int
    steps: int
    ratio: float
    spread: tuple[float, float]
    ours_ms: float
    peer_ms: float
    ours_images_per_s: float
    peer_images_per_s: float
    ours_memory_mb: float | None
    peer_memory_mb: float | None
    memory_ratio: float | None
    parity: float
    machine: str
    versions: dict[str, str]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def megabytes(count: int | None) -> float | None:
    return None if count is None else count / 2**20


def quotient(ours: float | None, theirs: float | None) -> float | None:
    return ours / theirs if ours is not None and theirs else None


HEAD = (
    *("workload", "batch", "float32", "ours", "peer"),
    *("ours ms", "peer ms", "ratio", "quartiles"),
    *("ours img/s", "peer img/s", "ours MB", "peer MB", "memory", "parity"),
)


def table(rows: Sequence[Row]) -> str:
    """The rows in columns, and below them the geometric mean of each peer's ratios."""
    cells = [HEAD, *map(_cells, rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(HEAD))]
    words = {0, 2, 3, 4}
    lines = [
        "  ".join(
            cell.ljust(width) if i in words else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in cells
    ]
    for peer in dict.fromkeys(row.peer for row in rows):
        ratios = [row.ratio for row in rows if row.peer == peer]
        mean = math.exp(statistics.fmean(map(math.log, ratios)))
        lines.append(f"geometric mean of {len(ratios)} against {peer}: {mean:.3f}")
    return "\n".join(lines)


def _cells(row: Row) -> tuple[str, ...]:
    low, high = row.spread
    return (
        row.workload,
        str(row.batch),
        row.precision,
        row.ours,
        f"{row.peer} {row.variant}",
        f"{row.ours_ms:.4g}",
        f"{row.peer_ms:.4g}",
        f"{row.ratio:.3f}",
        f"{low:.3f}-{high:.3f}",
        f"{row.ours_images_per_s:.4g}",
        f"{row.peer_images_per_s:.4g}",
        _or_dash(row.ours_memory_mb, ".0f"),
        _or_dash(row.peer_memory_mb, ".0f"),
        _or_dash(row.memory_ratio, ".2f"),
        f"{row.parity:.0e}",
    )


def _or_dash(value: float | None, spec: str) -> str:
    return "-" if value is None else format(value, spec)
