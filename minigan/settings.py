"""``mg.config``: settings that hold in a block of code, and in one thread."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from . import workers
from .errors import nearest
from .kernels import choice


@contextmanager
def config(*, conv: str | None = None, threads: int | None = None) -> Iterator[None]:
    """Within the block, in this thread, do things as told; what is None stays as it is.

    conv: how convolutions are done: "auto" (the default: by ``kernels.choice``), "direct",
    "dft" or "winograd". One that does not apply to a window raises ``ValueError``. It is what
    runs inside the block that counts: a backward outside of it chooses for itself.

    threads: how many threads may work on a large array, by default as many as the process has
    cores. They change no bit of any result. BLAS has threads of its own, which the environment
    variables of its library set.
    """
    names = ["auto", *choice.ALGORITHMS]
    if conv is not None and conv not in names:
        hint, wanted = nearest(str(conv), names), ", ".join(map(repr, names))
        raise ValueError(f"conv: got {conv!r}{hint}, wanted one of {wanted}")
    if threads is not None and (type(threads) is not int or threads < 1):
        raise ValueError(f"threads: got {threads!r}, wanted a whole number from 1")
    forced = choice.forced.set(choice.forced.get() if conv is None else conv)
    limit = workers.limit.set(workers.limit.get() if threads is None else threads)
    try:
        yield
    finally:
        choice.forced.reset(forced)
        workers.limit.reset(limit)
