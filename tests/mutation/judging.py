"""What happens to a mutant: checks, then a comparison of bits, then all other checks.

Every step runs in a fork, so no mutant sees another. A mutant of what ran at import already is
judged in a process that imports the package anew; all others share one import (see ``planting``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from . import bits
from .checking import Check, Lines, Stage, Tracer, measured, on_stage, settle
from .forking import Outcome, forked
from .mutators import Mutant
from .planting import Planter, plant
from .regions import Region, Survey

QUICK = 1.0
"""Seconds of the registry's cases that are checked before bits are compared."""

HOUR = 3600.0

EVERY_OPERATION = ("tests/ops/test_coverage.py", "tests/ops/test_survivors.py")
ENGINE = ("tests/test_autograd.py", "tests/test_tensor.py")

KILLED, SURVIVED, EQUIVALENT, INVALID = "killed", "survived", "equivalent", "invalid"

Act = Callable[[Stage], Any]
Parallel = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]


class Verdict(NamedTuple):
    """What became of a mutant, and what decided it."""

    outcome: str
    reason: str = ""


@dataclass
class Bench:
    """The package and its tests in ``root``, and what is known of them without a change."""

    root: Path
    survey: Survey
    checks: list[Check] = field(default_factory=list)
    at_import: Lines = field(default_factory=dict)
    hashes: dict[bits.Case, str] = field(default_factory=dict)  # of the cases compared so far
    killers: dict[Region, list[Check]] = field(default_factory=dict)  # the latest first
    stage: Stage | None = None  # if the package is imported
    planter: Planter | None = None

    def planted(self) -> Planter:
        paths = {region.path for region in self.survey.regions}
        return Planter(self.root, {path: self.survey.modules[path].tree for path in paths})

    # Before any change

    def measure(self, seeds: int, parallel: Parallel) -> None:
        """Run every check, and note what it costs and reaches. Raises if one fails."""
        found = forked(partial(self._measure, seeds, parallel), HOUR)
        if found.error:
            raise RuntimeError(f"without a change: {found.error}")
        self.checks, self.at_import = found.value

    def _measure(self, seeds: int, parallel: Parallel) -> tuple[list[Check], Lines]:
        self.planted()

        def act(stage: Stage) -> list[Check]:
            tracer.__exit__()
            settle()
            return list(parallel(partial(_measured, stage, self.tracer()), stage.checks(seeds)))

        with self.tracer() as tracer:
            checks = on_stage(self.root, act)
        return checks, tracer.lines

    def tracer(self) -> Tracer:
        """Of the lines of backward code."""
        spans: dict[str, set[int]] = {}
        for region in self.survey.regions:
            spans.setdefault(region.path, set()).update(region.span)
        return Tracer(self.root, spans)

    # With one

    def ran_at_import(self, mutant: Mutant) -> bool:
        return not self.at_import.get(mutant.path, frozenset()).isdisjoint(mutant.lines)

    def import_once(self, act: Callable[[], Any]) -> Any:
        """Call ``act`` where the package is imported and the tests are collected."""
        self.planter = self.planted()

        def prepared(stage: Stage) -> Any:
            self.stage = stage
            self.planter.find_functions()
            settle()
            return act()

        return on_stage(self.root, prepared)

    def judge(self, mutant: Mutant) -> Verdict:
        first, rest = self._order(mutant)
        verdict = self._by_checks(mutant, first)
        if verdict is None and self._same_bits(mutant, first + rest):
            verdict = Verdict(EQUIVALENT, f"the same bits on {bits.INPUTS} random inputs")
        return verdict or self._by_checks(mutant, rest) or Verdict(SURVIVED)

    def reaching(self, mutant: Mutant) -> list[Check]:
        """The checks that reach the mutant's lines, cheap ones first."""
        for lines in (mutant.lines, mutant.region.span):  # not every line is one that is traced
            found = [
                c for c in self.checks if not c.lines.get(mutant.path, set()).isdisjoint(lines)
            ]
            if found:
                break
        return sorted(found, key=lambda check: check.seconds)

    def _order(self, mutant: Mutant) -> tuple[list[Check], list[Check]]:
        """Likely killers: what killed a mutant of that function, own tests, some cases; the rest."""
        files, seconds = own_tests(mutant.path), 0.0
        first, rest = [], []
        killers = self.killers.get(mutant.region, [])
        for check in self.reaching(mutant):
            if check.case is not None:
                seconds += check.seconds
            near = check.file.startswith(files) if check.case is None else seconds < QUICK
            if check not in killers:
                (first if near else rest).append(check)
        return killers + first, rest

    def _by_checks(self, mutant: Mutant, checks: list[Check]) -> Verdict | None:
        found = self._changed(mutant, lambda stage: stage.first_failure(checks))
        if found.error or isinstance(found.value, Verdict):
            return found.value or Verdict(KILLED, "timed out" if found.timed_out else found.error)
        if not found.value:
            return None
        killer = next(check for check in checks if check.name == found.value)
        known = self.killers.get(mutant.region, [])
        self.killers[mutant.region] = [killer, *(c for c in known if c is not killer)]
        return Verdict(KILLED, found.value)

    def _same_bits(self, mutant: Mutant, checks: list[Check]) -> bool:
        """Whether values, gradients and second gradients of cases are what they are without it."""
        cases = bits.inputs([check for check in checks if check.case is not None])
        for some in (cases[: bits.FIRST], cases[bits.FIRST :]):
            if unknown := [case for case in some if case not in self.hashes]:
                original = self._changed(None, lambda stage: bits.hashes(unknown))
                if original.error:
                    raise RuntimeError(f"cases fail without a change: {original.error}")
                self.hashes.update(zip(unknown, original.value, strict=True))
            known = {case: self.hashes[case] for case in some}
            if not self._changed(mutant, lambda stage: bits.same(known)).value:
                return False
        return bool(cases)

    def _changed(self, mutant: Mutant | None, act: Act) -> Outcome:
        """What ``act`` returns in a fork with the mutant, or without one."""
        if self.stage is None or self.planter is None:
            return forked(partial(self._anew, mutant, act), HOUR)
        changes = [] if mutant is None else self.planter.new_code(mutant)
        return forked(partial(_acting, changes, act, self.stage), HOUR)

    def _anew(self, mutant: Mutant | None, act: Act) -> Any:
        planter = self.planted()
        if mutant is not None:
            planter.codes[mutant.path] = planter.changed(mutant)
            try:
                __import__(mutant.path.removesuffix(".py").replace("/", "."))
            except Exception as error:
                return Verdict(INVALID, f"{type(error).__name__}: {error}")
        return on_stage(self.root, act)


def _measured(stage: Stage, tracer: Tracer, check: Check) -> Check:
    found = forked(partial(measured, stage, check, tracer), HOUR)
    if found.error or found.value is None:
        raise RuntimeError(f"{check.name} fails {found.error}")
    return found.value


def _acting(changes: Any, act: Act, stage: Stage) -> Any:
    plant(changes)
    return act(stage)


def own_tests(path: str) -> tuple[str, ...]:
    """The tests that are about a module of the package: files or a folder."""
    if path.startswith("minigan/kernels/"):
        return ("tests/kernels",)
    if path.startswith("minigan/ops/"):
        return (f"tests/ops/test_{Path(path).stem}.py", *EVERY_OPERATION)
    return ENGINE
