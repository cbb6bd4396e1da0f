"""Are the samples good, and is what says so right? A command a module, with figures to be held to.

    python -m benchmarks.quality COMMAND [OPTIONS] [--json FILE]

It prints each figure as it comes, beside what is asked and what was published; writes all of them
with ``--json``; and exits with 1 where one falls short.

A command is a module here that ``COMMANDS`` lists, with

    its docstring             whose first line is the command's help
    add_arguments(parser)     adds its options to an ``argparse.ArgumentParser``
    run(arguments)            does the work and yields ``Figure`` after ``Figure``

A command prints nothing but what a reader should know while it works, and that by ``note``.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

COMMANDS = ("dirac", "metrics", "ring", "grid", "stacked", "mnist", "digits", "judge")
"""Each a module of this package."""


class Figure(NamedTuple):
    """One measured number, in the bounds that it is held to.

    Attributes:
        name: what was measured.
        value: what came of it.
        least, most: the bounds, both inclusive; NaN is within none.
        published: what a paper or another program reports, in its words.
        protocol: how it was got: samples, split, feature source, seeds.
        error: the standard error of ``value`` where it is a mean.
        digits: how many are shown.
    """

    name: str
    value: float
    least: float = -math.inf
    most: float = math.inf
    published: str = ""
    protocol: str = ""
    error: float | None = None
    digits: int = 4

    def _text(self, number: float) -> str:
        return f"{number:.{self.digits}g}"

    @property
    def passed(self) -> bool:
        """Whether the value lies within its bounds, if it has any."""
        unbounded = self.least == -math.inf and self.most == math.inf
        return unbounded or bool(self.least <= self.value <= self.most)

    @property
    def wanted(self) -> str:
        """The bounds in words."""
        if self.least > -math.inf and self.most < math.inf:
            return f"{self._text(self.least)} to {self._text(self.most)}"
        if self.least > -math.inf:
            return f"at least {self._text(self.least)}"
        return f"at most {self._text(self.most)}" if self.most < math.inf else ""

    def __str__(self) -> str:
        parts = [f"{self.name}: {self._text(self.value)}"]
        parts += [f"± {self.error:.2g}"] if self.error is not None else []
        notes = [f"published {self.published}"] if self.published else []
        notes += [f"wanted {self.wanted}"] if self.wanted else []
        notes += [self.protocol] if self.protocol else []
        parts += [f"[{'; '.join(notes)}]"] if notes else []
        return " ".join(parts + ([] if self.passed else ["FALLS SHORT"]))

    def as_json(self) -> dict[str, object]:
        """Ready for JSON, which has neither infinities nor NaN."""
        values = {**self._asdict(), "passed": self.passed}
        return {
            key: None if isinstance(value, float) and not math.isfinite(value) else value
            for key, value in values.items()
        }


def means(
    title: str,
    rows: Sequence[tuple[float, ...]],
    protocol: str,
    bounds: Sequence[tuple[float, float]] = (),
    published: Sequence[str] = (),
) -> Iterator[Figure]:
    """The mean of each field of some runs' rows (``NamedTuple``), with its error if of several.

    Of fields without bounds or published values none are shown.
    """
    for i, values in enumerate(zip(*rows, strict=True)):
        name = rows[0]._fields[i].replace("_", " ")  # type: ignore[attr-defined]
        error = float(np.std(values, ddof=1) / len(rows) ** 0.5) if len(rows) > 1 else None
        least, most = bounds[i] if i < len(bounds) else (-math.inf, math.inf)
        known = published[i] if i < len(published) else ""
        mean = float(np.mean(values))
        yield Figure(f"{title}: {name}", mean, least, most, known, protocol, error)


def note(text: str) -> None:
    """Tell the reader something on the way, on standard error."""
    print(text, file=sys.stderr, flush=True)
