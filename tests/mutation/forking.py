"""Running a function in a process of its own: a fork, which costs a few milliseconds."""

from __future__ import annotations

import os
import pickle
import resource
import signal
from collections.abc import Callable
from typing import Any, NamedTuple

MEMORY = 6 << 30
"""The address space of a process in bytes: a wrong shape must not take all there is."""


class Outcome(NamedTuple):
    """What became of a process: its function's value, or what ended it before there was one."""

    value: Any = None
    timed_out: bool = False
    error: str = ""


def forked(function: Callable[[], Any], seconds: float) -> Outcome:
    """Call ``function`` in a fork, ``limit`` it to that time, and return its value.

    The fork writes nothing to the screen.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.close(reader)
        _run(function, writer, seconds)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        sent = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        name = signal.Signals(os.WTERMSIG(status)).name
        return Outcome(timed_out=name in ("SIGPROF", "SIGALRM"), error=f"ended by {name}")
    return Outcome(*pickle.loads(sent)) if sent else Outcome(error="ended without a word")


def limit(seconds: float) -> None:
    """From now on this process may use so much processor time, until the next call.

    Processor time, so that how busy the machine is decides nothing; one that waits forever is
    ended after 20 times as long. A signal ends it that no Python code has to be reached for.
    """
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_REAL, 20 * seconds)


def _run(function: Callable[[], Any], writer: int, seconds: float) -> None:
    try:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        limit(seconds)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nowhere, stream)
        found = Outcome(function())
    except BaseException as error:  # an exit too: a fork must not go on as its parent does
        found = Outcome(error=f"{type(error).__name__}: {error}")
    try:
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(pickle.dumps(tuple(found)))
    finally:
        os._exit(0)
