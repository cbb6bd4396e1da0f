"""Running checks: one, or all entries at many seeds on several processes."""

from __future__ import annotations

import contextlib
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ...errors import nearest
from ..errors import (
    GradientMismatch,
    InconclusiveCheck,
    UncheckableFunctionError,
    VacuousCheck,
)
from ..gradients import check_gradients
from .coverage import forced, kernels, missing, reached
from .draws import Shape
from .entries import ENTRIES, Entry
from .report import Report, Result
from .users import user_entry

Task = tuple[str, int, int, tuple[Shape, ...]]
Progress = Callable[[Iterable[Result], int], Iterable[Result]]

_OURS = str(Path(__file__).parents[2]), contextlib.__file__  # of which our decorators are made
_LOOKED_AT = 5  # seeds of each entry that are profiled for the kernels they reach


def find(name: str, shapes: Sequence[Shape] = ()) -> Entry:
    """The entry of that public name, or one for the user's object ``package.module:object``."""
    if ":" in name:
        return user_entry(name, shapes)
    if name not in ENTRIES:
        raise ValueError(
            f"unknown entry {name!r}{nearest(name, ENTRIES)}; wanted package.module:object or one "
            f"of {', '.join(sorted(ENTRIES))}"
        )
    return ENTRIES[name]


def check(name: str, seed: int = 0, order: int = 1, shapes: Sequence[Shape] = ()) -> Result:
    """Draw the entry's case of that seed and check its gradients up to ``order``.

    What the check finds is the result's status, never an exception: "passed", "failed" (a wrong
    gradient), "vacuous", "inconclusive" or "error" (anything else that was raised).
    """
    entry = find(name, shapes)
    settings: dict[str, Any] = {}
    drawn: list[Shape] = []
    status, message, start = "passed", "", time.perf_counter()
    try:
        case = entry.draw(seed)
        settings, drawn = case.settings, [tuple(x.shape) for x in case.inputs]
        with forced(case.settings):
            check_gradients(case.function, case.inputs, order=order, seed=seed)
    except GradientMismatch as error:
        status, message = "failed", str(error)
    except VacuousCheck as error:
        status, message = "vacuous", str(error)
    except InconclusiveCheck as error:
        status, message = "inconclusive", str(error)
    except UncheckableFunctionError as error:
        status, message = "error", f"{type(error).__name__}: {error}"
    except (Exception, SystemExit) as error:  # which would end the run as if all were well
        status, message = "error", _told(error)
    seconds = time.perf_counter() - start
    return Result(name, seed, order, status, message, seconds, settings, drawn)


def _told(error: BaseException) -> str:
    """The traceback, without minigan's own frames where there are others: those of a user."""
    told = traceback.TracebackException.from_exception(error)
    theirs = _theirs(told)
    if theirs:
        told.stack[:] = theirs
        if told.__cause__ is not None and not _theirs(told.__cause__):
            told.__cause__ = None
            told.__suppress_context__ = True
    return "".join(told.format()).rstrip()


def _theirs(told: traceback.TracebackException) -> list[traceback.FrameSummary]:
    return [frame for frame in told.stack if not frame.filename.startswith(_OURS)]


def run(
    names: Sequence[str] | None = None,
    seeds: Iterable[int] = (0,),
    order: int = 1,
    jobs: int = 1,
    shapes: Sequence[Shape] = (),
    progress: Progress | None = None,
) -> Report:
    """Check the named entries (by default all there are) at every seed.

    Over all, it also tells which public names have no entry and which kernels none reaches.
    ``jobs`` above 1 are processes of their own, which give the same results; a script that asks
    for them needs its ``if __name__ == "__main__":``, as they import it. ``shapes`` are the inputs'
    for users' functions and modules. ``progress(results, total)`` hands the results on.
    """
    start, seeds = time.perf_counter(), list(seeds)
    if not seeds:
        raise ValueError("seeds: got none, wanted at least one")
    chosen = sorted(ENTRIES) if names is None else list(dict.fromkeys(names))
    for name in chosen:
        find(name, shapes)  # its mistakes are told before anything runs
    tasks = [(name, seed, order, tuple(shapes)) for name in chosen for seed in seeds]
    results: Iterable[Result] = _each(tasks, jobs)
    if progress is not None:
        results = progress(results, len(tasks))
    found = list(results)
    complete = names is None
    return Report(
        results=found,
        order=order,
        jobs=jobs,
        complete=complete,
        missing=missing() if complete else [],
        kernels=_reaching(chosen, seeds[:_LOOKED_AT]) if complete else {},
        seconds=time.perf_counter() - start,
    )


def _each(tasks: list[Task], jobs: int) -> Iterator[Result]:
    if jobs == 1:
        yield from map(_checked, tasks)
        return
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import get_context

    context = get_context("spawn")  # a fork would copy locks that other threads hold
    workers = min(jobs, len(tasks))
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_leave_signals) as pool:
        try:
            yield from pool.map(_checked, tasks)
        except BrokenProcessPool:
            raise ChildProcessError(
                "a process that ran checks was ended, by the code that it checked or for want of "
                "memory: with one job (--jobs 1) it is seen at which"
            ) from None


def _checked(task: Task) -> Result:
    name, seed, order, shapes = task
    return check(name, seed, order, shapes)


def _leave_signals() -> None:
    """Ctrl-C reaches the workers too; the parent ends them, after the check they are at."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _reaching(names: Sequence[str], seeds: Sequence[int]) -> dict[str, list[str]]:
    """For every kernel the entries that reach it. A case that fails reaches what it can."""
    found: dict[str, list[str]] = {name: [] for name in sorted(kernels())}
    for name in names:
        seen: set[str] = set()
        for seed in seeds:
            seen |= _attempted(name, seed)
        for kernel in seen:
            found[kernel].append(name)
    return found


def _attempted(name: str, seed: int) -> set[str]:
    try:
        return reached(ENTRIES[name].draw(seed))
    except Exception:  # its check has failed, and says why
        return set()


__all__ = ["Report", "Result", "check", "find", "run"]
