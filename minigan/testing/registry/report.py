"""What a run over the registry found, and the sums that people read of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

from .coverage import Spread, is_demanding, spreads
from .draws import LARGE

STATUSES = ("passed", "inconclusive", "vacuous", "failed", "error")
"""What a check may end as, from the best to the worst."""


class Result(NamedTuple):
    """The outcome of one check; ``message`` is empty if it passed."""

    name: str
    seed: int
    order: int
    status: str
    message: str
    seconds: float
    settings: dict[str, Any]
    shapes: list[tuple[int, ...]]

    @property
    def elements(self) -> int:
        """How many numbers the inputs have in all."""
        return sum(map(math.prod, self.shapes))


class Row(NamedTuple):
    """The checks of one entry, summed up."""

    name: str
    cases: int
    elements: tuple[int, int]  # the least and the most
    order: int
    status: str
    milliseconds: float


@dataclass(frozen=True)
class Report:
    """All that a run found. ``kernels`` has, for each one, the entries that reach it.

    Without ``complete`` only some names were asked for, and neither ``missing`` nor ``kernels``
    says anything.
    """

    results: list[Result]
    order: int
    jobs: int
    seconds: float
    complete: bool
    missing: list[str]
    kernels: dict[str, list[str]]

    @property
    def unreached(self) -> list[str]:
        """The kernels that no entry reaches."""
        return [name for name, entries in self.kernels.items() if not entries]

    @property
    def failures(self) -> list[Result]:
        """The checks that did not pass."""
        return [r for r in self.results if r.status != "passed"]

    @property
    def passed(self) -> bool:
        """Whether there were checks, all passed, and nothing was left out."""
        return bool(self.results) and not (self.failures or self.missing or self.unreached)

    @property
    def large(self) -> float:
        """The share of the cases that have 24 elements or more."""
        return sum(r.elements >= LARGE for r in self.results) / max(1, len(self.results))

    @property
    def demanding(self) -> float:
        """The share that is large, in a batch, of several channels, with settings of its own."""
        found = sum(is_demanding(r.name, r.shapes, r.settings) for r in self.results)
        return found / max(1, len(self.results))

    def by_entry(self) -> dict[str, list[Result]]:
        """The results of each entry."""
        found: dict[str, list[Result]] = {}
        for result in self.results:
            found.setdefault(result.name, []).append(result)
        return found

    def rows(self) -> list[Row]:
        """One row an entry, with the worst status."""
        return [_row(name, results) for name, results in self.by_entry().items()]

    def counts(self) -> dict[str, int]:
        """How many checks ended as what."""
        found = [r.status for r in self.results]
        return {status: found.count(status) for status in STATUSES if status in found}

    def coverage(self) -> dict[str, dict[str, Spread]]:
        """How varied each entry's settings were."""
        return {
            name: spreads(name, [r.settings for r in results])
            for name, results in self.by_entry().items()
        }

    def as_json(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return {
            "format": "minigan.gradcheck/1",
            "passed": self.passed,
            "order": self.order,
            "jobs": self.jobs,
            "seconds": self.seconds,
            "complete": self.complete,
            "counts": self.counts(),
            "large": self.large,
            "demanding": self.demanding,
            "missing": self.missing,
            "unreached": self.unreached,
            "kernels": self.kernels,
            "entries": [row._asdict() for row in self.rows()],
            "coverage": {
                name: {key: spread._asdict() for key, spread in found.items()}
                for name, found in self.coverage().items()
            },
            "results": [{**r._asdict(), "elements": r.elements} for r in self.results],
        }


def _row(name: str, results: list[Result]) -> Row:
    sizes = [r.elements for r in results]
    return Row(
        name,
        len(results),
        (min(sizes), max(sizes)),
        results[0].order,
        max((r.status for r in results), key=STATUSES.index),
        1e3 * sum(r.seconds for r in results) / len(results),
    )
