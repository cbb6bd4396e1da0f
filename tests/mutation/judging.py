"""What happens to a mutant: checks, then a comparison of bits, then all other checks.

The package is imported and the tests are collected once. Every step then runs in a fork of that
process, in which functions are given the mutant's code (see ``planting``): no mutant sees another,
and a kill costs a fraction of a second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from . import bits
from .checking import Check, Stage, Tracer, measured, on_stage, settle
from .forking import Outcome, forked
from .mutators import Mutant
from .planting import Planter, plant
from .regions import Region, Survey

QUICK = 1.0
"""Seconds of the registry's cases that are checked before bits are compared."""

HOUR = 3600.0

EVERY_OPERATION = ("tests/ops/test_coverage.py", "tests/ops/test_survivors.py")
ENGINE = ("tests/test_autograd.py", "tests/test_tensor.py")

KILLED, SURVIVED, EQUIVALENT = "killed", "survived", "equivalent"

Parallel = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]


class Verdict(NamedTuple):
    """What became of a mutant, and what decided it."""

    outcome: str
    reason: str = ""


@dataclass
class Bench:
    """The package in ``root`` and its tests, and what is known of them without a change."""

    root: Path
    survey: Survey
    planter: Planter
    stage: Stage
    checks: list[Check] = field(default_factory=list)
    hashes: dict[bits.Case, str] = field(default_factory=dict)  # of the cases compared so far
    killers: dict[Region, list[Check]] = field(default_factory=dict)  # the latest first

    # Before any change

    def measure(self, seeds: int, parallel: Parallel) -> None:
        """Run every check, and note what it costs and reaches. Raises if one fails."""
        tracer = Tracer(self.root, self.survey)  # of which each fork has its own
        self.checks = list(parallel(partial(self._measured, tracer), self.stage.checks(seeds)))

    def _measured(self, tracer: Tracer, check: Check) -> Check:
        found = forked(partial(measured, self.stage, check, tracer), HOUR)
        if found.error or found.value is None:
            raise RuntimeError(f"{check.name} fails without a change. {found.error}")
        return found.value

    # With one

    def judge(self, mutant: Mutant) -> Verdict:
        first, rest = self._order(mutant)
        verdict = self._by_checks(mutant, first)
        if verdict is None and self._same_bits(mutant):
            verdict = Verdict(EQUIVALENT, f"the same bits on {bits.INPUTS} random inputs")
        return verdict or self._by_checks(mutant, rest) or Verdict(SURVIVED)

    def reaching(self, mutant: Mutant, lines: range) -> list[Check]:
        """The checks that reach one of the lines, cheap ones first."""
        nothing: frozenset[int] = frozenset()
        found = [c for c in self.checks if c.lines.get(mutant.path, nothing) & {*lines}]
        return sorted(found, key=lambda check: check.seconds)

    def _order(self, mutant: Mutant) -> tuple[list[Check], list[Check]]:
        """The likely killers, and all others that reach the function.

        Likely are: what killed a mutant of that function, then of those that reach its lines the
        tests that are about its module, and cases of the registry for ``QUICK`` seconds.
        """
        files, seconds = own_tests(mutant.path), 0.0
        first = list(self.killers.get(mutant.region, []))
        for check in self.reaching(mutant, mutant.lines):
            if check.case is not None:
                seconds += check.seconds
            near = check.file.startswith(files) if check.case is None else seconds < QUICK
            if near and check not in first:
                first.append(check)
        known = {check.name for check in first}
        every = self.reaching(mutant, mutant.region.span)
        return first, [check for check in every if check.name not in known]

    def _by_checks(self, mutant: Mutant, checks: list[Check]) -> Verdict | None:
        found = self._changed(mutant, partial(self.stage.first_failure, checks))
        if found.error:
            return Verdict(KILLED, "timed out" if found.timed_out else found.error)
        if not found.value:
            return None
        killer = next(check for check in checks if check.name == found.value)
        known = self.killers.get(mutant.region, [])
        self.killers[mutant.region] = [killer, *(c for c in known if c is not killer)]
        return Verdict(KILLED, found.value)

    def _same_bits(self, mutant: Mutant) -> bool:
        """Whether values, gradients and second gradients of cases are what they are without it."""
        reaching = (self.reaching(mutant, lines) for lines in (mutant.lines, mutant.region.span))
        cases = next((found for checks in reaching if (found := bits.inputs(checks))), [])
        for some in (cases[: bits.FIRST], cases[bits.FIRST :]):
            if unknown := [case for case in some if case not in self.hashes]:
                original = forked(partial(bits.hashes, unknown), HOUR)
                if original.error:
                    raise RuntimeError(f"cases fail without a change: {original.error}")
                self.hashes.update(zip(unknown, original.value, strict=True))
            same = partial(bits.same, {case: self.hashes[case] for case in some})
            if not self._changed(mutant, same).value:
                return False
        return bool(cases)

    def _changed(self, mutant: Mutant, act: Callable[[], Any]) -> Outcome:
        """What ``act`` returns in a fork with the mutant."""
        changes = self.planter.new_code(mutant)

        def changed() -> Any:
            plant(changes)
            return act()

        return forked(changed, HOUR)


def with_bench(root: Path, survey: Survey, act: Callable[[Bench], Any]) -> Any:
    """Import the package, collect its tests, and return what ``act`` returns.

    Raises RuntimeError if that cannot be done, or if it runs backward code: what that gave would
    be the same for every mutant.
    """
    paths = sorted({region.path for region in survey.regions})
    planter = Planter(root, {path: survey.modules[path].tree for path in paths})

    def prepared(stage: Stage) -> Any:
        tracer.__exit__()
        if tracer.lines:
            raise RuntimeError(f"backward code ran at import: {tracer.lines}")
        planter.find_functions()
        settle()
        return act(Bench(root, survey, planter, stage))

    with Tracer(root, survey) as tracer:
        return on_stage(root, prepared)


def own_tests(path: str) -> tuple[str, ...]:
    """The tests that are about a module of the package: files or a folder."""
    if path.startswith("minigan/kernels/"):
        return ("tests/kernels",)
    if path.startswith("minigan/ops/"):
        return (f"tests/ops/test_{Path(path).stem}.py", *EVERY_OPERATION)
    return ENGINE
