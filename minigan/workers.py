"""Several cores for what NumPy does on one: passes over large arrays.

NumPy lets go of the interpreter's lock while it works on a large array, so another thread can work
on another part meanwhile. ``each`` does something for several items, in the calling thread and in
those of a pool, which the whole process shares and makes when it first needs one. Who does which
item is left to chance, so no item may depend on another; and how work is cut into items is a
matter of shapes alone. So the number of threads changes no bit of a result.

Products of matrices belong here in such parts only as BLAS does not share among threads of its own
(``kernels.blas``).
"""

from __future__ import annotations

import os
from _thread import allocate_lock, start_new_thread
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar, copy_context
from typing import Any

SMALLEST = 1 << 19
"""Elements below which an array is not worth it: to wake a thread takes about 0.1 ms."""

limit: ContextVar[int | None] = ContextVar("minigan_threads", default=None)
"""How many threads may work at once; None for as many as this process has cores."""


def each(function: Callable[..., object], items: Iterable[Iterable[Any]], size: int) -> None:
    """``function(*item)`` for every item, which work on arrays of ``size`` elements in all.

    In a function called so there is one thread. The first exception ends it all and is raised.
    """
    if size >= SMALLEST:
        items = deque(items)
        helpers = min(len(items), limit.get() or _cores()) - 1
        if helpers > 0:
            _together(function, items, helpers)
            return
    for item in items:
        function(*item)


def _together(function: Callable[..., object], items: deque[Iterable[Any]], helpers: int) -> None:
    job = _Job(function, items)
    token = limit.set(1)
    try:
        _pool.ask(helpers, job)
        for item in job.taken():
            function(*item)
    finally:
        limit.reset(token)
        items.clear()  # of which there are some left only after an error
        job.wait()
    if job.error is not None:
        raise job.error


def results(function: Callable[..., Any], items: Iterable[Iterable[Any]], size: int) -> list[Any]:
    """What ``function`` gives for every item, in the order of the items."""
    listed = list(items)
    found: list[Any] = [None] * len(listed)

    def find(i: int) -> None:
        found[i] = function(*listed[i])

    each(find, zip(range(len(listed))), size)
    return found


class _Job:
    """A function, and the items that it is still to be called for by whoever comes along."""

    def __init__(self, function: Callable[..., object], items: deque[Iterable[Any]]) -> None:
        from threading import Condition  # here, as most programs that import this never need it

        self.function, self.items = function, items
        self.working, self.change = 0, Condition()
        self.error: BaseException | None = None

    def taken(self) -> Iterator[Iterable[Any]]:
        """Items until there are no more."""
        while self.items:
            try:
                yield self.items.popleft()
            except IndexError:  # another thread was quicker
                return

    def help(self) -> None:
        """Work on it in a thread of the pool, which nothing interrupts."""
        with self.change:
            self.working += 1
        try:
            for item in self.taken():
                self.function(*item)
        except BaseException as error:
            self.items.clear()
            self.error = self.error or error
        finally:
            with self.change:
                self.working -= 1
                self.change.notify()

    def wait(self) -> None:
        """Until no helper works on it.

        What a signal's handler raises meanwhile is raised then, as helpers write to the caller's
        arrays.
        """
        interrupt: BaseException | None = None
        while True:
            try:
                with self.change:
                    while self.working:
                        self.change.wait()
                break
            except BaseException as error:
                interrupt = error
        if interrupt is not None:
            raise interrupt


class _Pool:
    """Threads that wait for jobs, as many as were ever wanted at once."""

    def __init__(self) -> None:
        self.lock, self.threads = allocate_lock(), 0
        self.requests: Any = None  # a queue of contexts, and what to do in them

    def ask(self, helpers: int, job: _Job) -> None:
        """Let so many threads work on the job, each in a copy of this one's context."""
        with self.lock:
            if self.requests is None:
                from queue import SimpleQueue

                self.requests = SimpleQueue()
            while self.threads < helpers:
                start_new_thread(self._serve, ())
                self.threads += 1
        for _ in range(helpers):
            self.requests.put((copy_context(), job.help))

    def _serve(self) -> None:
        while True:
            context, work = self.requests.get()
            context.run(work)
            del context, work  # which keep a job's arrays alive


_pool = _Pool()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.__init__)  # type: ignore[misc]


def _cores() -> int:
    """How many cores this process may use."""
    usable = getattr(os, "sched_getaffinity", None)  # not everywhere
    return len(usable(0)) if usable else os.cpu_count() or 1
