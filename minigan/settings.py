"""``mg.config``: settings that hold in a block of code, and in one thread."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from . import workers
from .errors import nearest
from .kernels import blas, choice, gemm


@contextmanager
def config(
    *,
    conv: str | None = None,
    threads: int | None = None,
    blas_threads: bool | None = None,
    precision: str | None = None,
) -> Iterator[None]:
    """Within the block, in this thread, do things as told; what is None stays as it is.

    conv: how convolutions are done: "auto" (the default: by ``kernels.choice``), "direct",
    "planes", "dft" or "winograd". One that does not apply to a window raises ``ValueError``. It is
    what runs inside the block that counts: a backward outside of it chooses for itself.

    threads: how many threads may work on a large array or a large product, by default as many as
    the process has cores. They change no bit of any result.

    blas_threads: whether products of middle size may be left to the threads that BLAS has of its
    own, which the environment variables of its library set. They are quick, which small networks
    need, but then keep a core busy in wait for the next product, which slows down all that threads
    of ours do: convolutions, above all. Where nobody says, they may, but not in ``gan.Trainer`` and
    ``gan.sample`` if a large network has convolutions; a loop of one's own has to say it. Products
    may round differently with it.

    precision: how a GPU multiplies matrices of float32: "ieee" as they are, "tf32" with 10 bits of
    mantissa, many times as fast, or "bf16" with 7; it adds up in float32. "auto", the default, is
    tf32 in convolutions and ieee elsewhere. A CPU has "ieee" only.
    """
    _check_name("conv", conv, ["auto", *choice.ALGORITHMS])
    _check_name("precision", precision, ["auto", *gemm.COMPUTE])
    if threads is not None and (type(threads) is not int or threads < 1):
        raise ValueError(f"threads: got {threads!r}, wanted a whole number from 1")
    if blas_threads is not None and type(blas_threads) is not bool:
        raise ValueError(f"blas_threads: got {blas_threads!r}, wanted True or False")
    told: dict[ContextVar[Any], Any] = {
        choice.forced: conv, workers.limit: threads, blas.shared: blas_threads,
        gemm.precision: precision,
    }  # fmt: skip
    before = [(variable, variable.get()) for variable in told]
    for variable, value in told.items():
        variable.set(variable.get() if value is None else value)
    try:
        yield
    finally:
        for variable, value in before:
            variable.set(value)


def _check_name(setting: str, name: str | None, known: Sequence[str]) -> None:
    if name is not None and name not in known:
        hint, wanted = nearest(str(name), known), ", ".join(map(repr, known))
        raise ValueError(f"{setting}: got {name!r}{hint}, wanted one of {wanted}")
