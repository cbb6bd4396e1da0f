"""The checks that may kill a mutant: the registry's cases and the tests, to be run one by one.

They are imported and collected once, in a session of pytest that is then forked for each mutant.
"""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import hypothesis
import pytest

from .forking import limit
from .regions import Survey

TESTS = ("tests/test_autograd.py", "tests/test_tensor.py", "tests/ops", "tests/kernels")
"""All tests of backward code, but not those of layers, games and programs."""

OPTIONS = [
    *("-qq", "-s", "--no-header", "--no-summary", "-p", "no:cacheprovider"),
    "--hypothesis-profile=mutation",
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),  # hypothesis is imported already
]

hypothesis.settings.register_profile(
    "mutation",
    deadline=None,
    derandomize=True,
    database=None,
    phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate),  # a failure need not be small
    suppress_health_check=list(hypothesis.HealthCheck),
)

ENOUGH = 5000
"""So many lines of a function are looked at in a check: of a loop, the first rounds."""

Lines = dict[str, frozenset[int]]
"""Lines of functions that ran, by file."""


class Check(NamedTuple):
    """A test, or a case of the registry (an entry's name and a seed): its cost, and its reach."""

    name: str
    case: tuple[str, int] | None
    seconds: float = 0.0
    lines: Lines = {}

    @property
    def file(self) -> str:
        """Where the test stands."""
        return self.name.partition("::")[0]


def draw(entry: str, seed: int) -> Check:
    return Check(f"registry: {entry}, seed {seed}", (entry, seed))


class Stage:
    """A plugin of pytest's that has the tests collected, but does something else than run them."""

    def __init__(self, act: Callable[[Stage], Any]) -> None:
        self.act = act
        self.items: dict[str, Any] = {}
        self.failed = ""
        self.value: Any = None
        self.error: BaseException | None = None

    def pytest_collectreport(self, report: Any) -> None:
        self._note(report)

    def pytest_runtest_logreport(self, report: Any) -> None:
        self._note(report)

    def _note(self, report: Any) -> None:
        if report.failed:
            self.failed = self.failed or report.nodeid

    def pytest_runtestloop(self, session: Any) -> bool:
        self.items = {item.nodeid: item for item in session.items}
        try:
            self.value = self.act(self)
        except BaseException as error:  # which pytest would tell, not raise
            self.error = error
        return True

    def checks(self, seeds: int) -> list[Check]:
        """All there are, with so many cases of each entry."""
        from minigan.testing.registry import ENTRIES

        draws = [draw(entry, seed) for entry in sorted(ENTRIES) for seed in range(seeds)]
        return draws + [Check(name, None) for name in self.items]

    def passes(self, check: Check) -> bool:
        """Run one check."""
        if check.case is not None:
            from minigan.testing import registry

            return registry.check(*check.case, order=2).status == "passed"
        item, self.failed = self.items[check.name], ""
        item.ihook.pytest_runtest_protocol(item=item, nextitem=None)
        return not self.failed

    def first_failure(self, checks: list[Check]) -> str:
        """Run checks until one fails, each for ten times as long as it took, or two seconds."""
        for check in checks:
            limit(2 + 10 * check.seconds)
            if not self.passes(check):
                return check.name
        return ""


def on_stage(root: Path, act: Callable[[Stage], Any]) -> Any:
    """Import the registry, collect the tests, and return what ``act`` returns.

    Raises RuntimeError if that cannot be done.
    """
    os.chdir(root)
    from minigan.testing import registry  # noqa: F401

    stage = Stage(act)
    code = pytest.main([*OPTIONS, *TESTS], plugins=[stage])
    if stage.error is not None:
        raise stage.error
    if not stage.items:
        raise RuntimeError(f"collecting the tests: {stage.failed or f'pytest ended with {code}'}")
    return stage.value


class Tracer:
    """Collects the lines of backward code that run.

    Of a function that runs often, only the first ``ENOUGH`` are looked at, and later where it
    starts.
    """

    def __init__(self, root: Path, survey: Survey) -> None:
        self.paths = {str(root / region.path): region.path for region in survey.regions}
        self.found: dict[str, set[int]] = {file: set() for file in self.paths}
        self.spans: dict[str, set[int]] = {file: set() for file in self.paths}
        for region in survey.regions:
            self.spans[str(root / region.path)].update(region.span)
        self.left: dict[tuple[str, int], int] = {}  # by file and line of a function

    def __enter__(self) -> Tracer:
        threading.settrace(self._call)
        sys.settrace(self._call)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)
        threading.settrace(None)

    @property
    def lines(self) -> Lines:
        return {self.paths[file]: frozenset(found) for file, found in self.found.items() if found}

    def _call(self, frame: Any, event: str, argument: Any) -> Any:
        code = frame.f_code
        backward = code.co_firstlineno in self.spans.get(code.co_filename, ())
        return self._line(frame, event, argument) if backward else None

    def _line(self, frame: Any, event: str, argument: Any) -> Any:
        place = frame.f_code.co_filename, frame.f_code.co_firstlineno
        self.found[place[0]].add(frame.f_lineno)
        self.left[place] = self.left.get(place, ENOUGH) - 1
        return self._line if self.left[place] > 0 else None


def measured(stage: Stage, check: Check, tracer: Tracer) -> Check | None:
    """The check with what it reaches and costs, in a process that cached nothing; None if it fails.

    It runs twice: to be traced changes its time, and what refers to what.
    """
    with tracer:
        stage.passes(check)
    start = time.process_time()
    passed = stage.passes(check)
    seconds = time.process_time() - start
    return check._replace(seconds=seconds, lines=tracer.lines) if passed else None


def settle() -> None:
    """Look for no garbage in what there is now, so that forks share it."""
    gc.collect()
    gc.freeze()
