"""What happens to a mutant: the registry's cases, then tests, then a comparison of bits.

Every step runs in a fork of a process that has imported NumPy and pytest, but nothing of the
package: so a change is seen by everything that imports it, and a kill costs a fraction of a second.
"""

from __future__ import annotations

import ast
import hashlib
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import hypothesis
import numpy as np
import pytest

from .forking import Outcome, forked
from .mutators import Mutant
from .planting import plant
from .regions import Survey

INPUTS = 1000
"""On so many random inputs a mutant must give the same bits to be called equivalent."""

FIRST = 40

QUICK = 1.0
"""Seconds of draws that are checked before a module's own tests are run."""

EVERY_OPERATION = ("tests/ops/test_coverage.py", "tests/ops/test_survivors.py")
ENGINE = ("tests/test_autograd.py", "tests/test_tensor.py")
KERNELS = ("tests/kernels",)
ALL = (*ENGINE, "tests/ops", "tests/kernels")

OPTIONS = [
    *("-x", "-q", "-p", "no:cacheprovider", "--hypothesis-profile=mutation"),
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),  # hypothesis is imported already
]

KILLED, SURVIVED, EQUIVALENT, INVALID = "killed", "survived", "equivalent", "invalid"

hypothesis.settings.register_profile(
    "mutation",
    deadline=None,
    derandomize=True,
    database=None,
    phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate),  # a failure need not be small
    suppress_health_check=list(hypothesis.HealthCheck),
)


Bits = dict[tuple[str, int], str]
"""A hash of the values and gradients of each case: an entry's name and a seed."""


class Draw(NamedTuple):
    """One case of the registry: what its check costs, and the lines of each file it reaches."""

    name: str
    seed: int
    seconds: float
    lines: dict[str, frozenset[int]]


class Verdict(NamedTuple):
    """What became of a mutant, and what decided it."""

    outcome: str
    reason: str = ""


@dataclass
class Bench:
    """The package and its tests in ``root``, and what is known of them without a change."""

    root: Path
    survey: Survey
    draws: list[Draw] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)  # of each file of tests
    bits: Bits = field(default_factory=dict)  # of the cases that were compared so far

    def tree(self, mutant: Mutant) -> ast.Module:
        return self.survey.modules[mutant.path].tree

    # Before any change

    def measure_tests(self, file: str) -> tuple[str, float]:
        """How long a file of tests takes; they have to pass."""
        found = forked(partial(_run_tests, self.root, [file]), seconds=600)
        if found.error or found.value[0]:
            raise RuntimeError(f"{file} fails without a change: {found.error or found.value[0]}")
        return file, found.value[1]

    def measure_draws(self, seeds: int) -> list[Draw]:
        """Check the registry's cases, tracing what each reaches; they have to pass."""
        found = forked(partial(_trace_checks, self.root, seeds, list(self.survey.modules)), 600)
        if found.error or isinstance(found.value, str):
            raise RuntimeError(f"the registry fails without a change: {found.error or found.value}")
        return list(found.value)

    # With one

    def reaching(self, mutant: Mutant) -> list[Draw]:
        """The draws that reach the mutant's lines: a case of each entry first, cheap ones first."""
        lines = set(mutant.lines)
        found = [draw for draw in self.draws if draw.lines.get(mutant.path, set()) & lines]
        return sorted(found, key=lambda draw: (draw.seed, draw.seconds))

    def judge(self, mutant: Mutant) -> Verdict:
        """Cheap judges first: some draws, its own tests, all draws, its bits, all tests."""
        draws = self.reaching(mutant)
        few = _few(draws)
        files = own_tests(self.root, mutant.path)
        others = [file for file in all_tests(self.root) if file not in files]
        verdict = (
            self._by_checks(mutant, few)
            or self._by_tests(mutant, files)
            or self._by_checks(mutant, draws[len(few) :])
        )
        if verdict is None and self._same_bits(mutant, draws):
            verdict = Verdict(EQUIVALENT, f"the same bits on {INPUTS} random inputs")
        return verdict or self._by_tests(mutant, others) or Verdict(SURVIVED)

    def _by_checks(self, mutant: Mutant, draws: list[Draw]) -> Verdict | None:
        limit = 10 + 10 * sum(draw.seconds for draw in draws)
        tree = self.tree(mutant)
        found = forked(partial(run_checks, self.root, mutant, tree, draws), limit)
        return _verdict(found)

    def _by_tests(self, mutant: Mutant, files: list[str]) -> Verdict | None:
        limit = 20 + 5 * sum(self.seconds[file] for file in files)
        tree = self.tree(mutant)
        found = forked(partial(_run_tests, self.root, files, mutant, tree), limit)
        if found.error:
            return _verdict(found)
        return Verdict(KILLED, found.value[0]) if found.value[0] else None

    def _same_bits(self, mutant: Mutant, draws: list[Draw]) -> bool:
        cases = _inputs(draws)
        return bool(cases) and same_bits(self.root, mutant, self.tree(mutant), cases, self.bits)


def _few(draws: list[Draw]) -> list[Draw]:
    """The first ones, as many as take ``QUICK`` seconds, but one at least."""
    seconds = 0.0
    for count, draw in enumerate(draws):
        seconds += draw.seconds
        if seconds > QUICK:
            return draws[: count + 1]
    return draws


def _inputs(draws: list[Draw]) -> list[tuple[str, int]]:
    """Names and seeds of ``INPUTS`` cases: one of each entry, and then those that cost little."""
    seconds = {draw.name: draw.seconds for draw in draws}
    names = sorted(seconds, key=lambda name: seconds[name])
    cases = [(name, 0) for name in names]
    cheap, seed = names[: -(-len(names) // 3)], 1
    while names and len(cases) < INPUTS:
        cases += [(name, seed) for name in cheap]
        seed += 1
    return cases[:INPUTS]


def own_tests(root: Path, path: str) -> list[str]:
    """The tests that are about a module of the package."""
    if path.startswith("minigan/kernels/"):
        return _files(root, KERNELS)
    if path.startswith("minigan/ops/"):
        return _files(root, (f"tests/ops/test_{Path(path).stem}.py", *EVERY_OPERATION))
    return _files(root, ENGINE)


def all_tests(root: Path) -> list[str]:
    """All tests of backward code, but not those of layers, games and programs."""
    return _files(root, ALL)


def _files(root: Path, names: Sequence[str]) -> list[str]:
    found: list[Path] = []
    for path in (root / name for name in names):
        found += sorted(path.glob("test_*.py")) if path.is_dir() else [path] * path.is_file()
    return [path.relative_to(root).as_posix() for path in found]


def _verdict(found: Outcome) -> Verdict | None:
    if found.error:
        return Verdict(KILLED, "timed out" if found.timed_out else found.error)
    return found.value


# What the forks do


def _enter(root: Path, mutant: Mutant | None = None, tree: ast.Module | None = None) -> None:
    os.chdir(root)
    sys.path[:0] = [str(root)]
    if mutant is not None and tree is not None:
        plant(mutant, tree, root)


def run_checks(root: Path, mutant: Mutant, tree: ast.Module, draws: list[Draw]) -> Verdict | None:
    _enter(root, mutant, tree)
    try:
        __import__(mutant.path.removesuffix(".py").replace("/", "."))
    except Exception as error:
        return Verdict(INVALID, f"{type(error).__name__}: {error}")
    try:
        from minigan.testing import registry
    except Exception as error:
        return Verdict(KILLED, f"import: {type(error).__name__}: {error}")
    for draw in draws:
        result = registry.check(draw.name, draw.seed, order=2)
        if result.status != "passed":
            return Verdict(KILLED, f"registry: {draw.name}, seed {draw.seed}: {result.status}")
    return None


class _Recorder:
    """A plugin of pytest's that notes the first failure, and how long the tests took."""

    def __init__(self) -> None:
        self.failed, self.seconds = "", 0.0

    def pytest_runtest_logreport(self, report: Any) -> None:
        self.seconds += report.duration
        if report.failed:
            self.failed = self.failed or report.nodeid

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self.failed = self.failed or report.nodeid


def _run_tests(
    root: Path, files: list[str], mutant: Mutant | None = None, tree: ast.Module | None = None
) -> tuple[str, float]:
    """The first test that fails, or "", and the seconds that the tests took."""
    _enter(root, mutant, tree)
    recorder = _Recorder()
    code = pytest.main([*OPTIONS, *files], plugins=[recorder])
    return recorder.failed or ("" if code == 0 else f"pytest ended with {code}"), recorder.seconds


def _trace_checks(root: Path, seeds: int, paths: list[str]) -> list[Draw] | str:
    """Every draw with the lines it reaches, or what fails."""
    _enter(root)
    from minigan.testing import registry

    names = {str(root / path): path for path in paths}
    draws = []
    for name in sorted(registry.ENTRIES):
        for seed in range(seeds):
            start = time.process_time()
            plain = registry.check(name, seed, order=2)
            seconds = time.process_time() - start
            if plain.status != "passed":
                return f"{name}, seed {seed}: {plain.status}: {plain.message}"
            lines: dict[str, set[int]] = {}
            sys.settrace(partial(_note, names, lines))
            registry.check(name, seed, order=2)
            sys.settrace(None)
            reached = {path: frozenset(found) for path, found in lines.items()}
            draws.append(Draw(name, seed, seconds, reached))
    return draws


def _note(names: dict[str, str], lines: dict[str, set[int]], frame: Any, *_: Any) -> Any:
    """A trace function that collects the lines that run in the files of ``names``."""
    path = names.get(frame.f_code.co_filename)
    if path is None:
        return None
    found = lines.setdefault(path, set())

    def local(frame: Any, event: str, argument: Any) -> Any:
        found.add(frame.f_lineno)
        return local

    return local(frame, "call", None)


def same_bits(
    root: Path, mutant: Mutant, tree: ast.Module, cases: list[tuple[str, int]], known: Bits
) -> bool:
    """Whether values, gradients and second gradients of the cases are what they are without it.

    ``known`` is what they are without it; what is missing there is found and added.
    """
    for some in (cases[:FIRST], cases[FIRST:]):  # few show most differences
        if unknown := [case for case in some if case not in known]:
            original = forked(partial(_all_bits, root, unknown), seconds=600)
            if original.error:
                raise RuntimeError(f"cases fail without a change: {original.error}")
            known.update(zip(unknown, original.value, strict=True))
        found = forked(partial(_all_bits, root, some, mutant, tree), 600).value
        if found != [known[case] for case in some]:
            return False
    return True


def _all_bits(
    root: Path,
    cases: list[tuple[str, int]],
    mutant: Mutant | None = None,
    tree: ast.Module | None = None,
) -> list[str]:
    _enter(root, mutant, tree)
    return [_bits(name, seed) for name, seed in cases]


def _bits(name: str, seed: int) -> str:
    """A hash of a case's values, gradients and second gradients, in one of the precisions."""
    from minigan.tensor import Tensor
    from minigan.testing import registry
    from minigan.testing.registry.coverage import forced

    case, rng = registry.ENTRIES[name].draw(seed), np.random.default_rng(seed)
    dtype = (np.float64, np.float32)[seed % 2]
    xs = [Tensor(x, requires_grad=True, dtype=dtype) for x in case.inputs]
    found = hashlib.sha256()
    try:
        with forced(case.settings):
            _hash(case.function, xs, rng, found)
    except Exception as error:
        found.update(type(error).__name__.encode())
    return found.hexdigest()


def _hash(function: Any, xs: list[Any], rng: np.random.Generator, found: Any) -> None:
    """Add the values, then the gradients, then theirs."""
    from minigan import grad
    from minigan.tensor import Tensor

    result = function(*xs)
    sources, outputs = list(xs), [result] if isinstance(result, Tensor) else list(result)
    for order in range(3):
        for y in outputs:
            found.update(f"{y.dtype} {y.shape}".encode() + y.detach().numpy().tobytes())
        outputs = [y for y in outputs if y.requires_grad]
        if order == 2 or not outputs:
            return
        seeds = [Tensor(rng.normal(size=y.shape), True, y.dtype) for y in outputs]
        gradients = grad(outputs, sources, seeds, create_graph=True, allow_unused=True)
        outputs = [g for g in gradients if g is not None]
        sources += seeds
