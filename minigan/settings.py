"""``mg.config``: settings that hold in a block of code, and in one thread."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .errors import nearest
from .kernels import choice


@contextmanager
def config(*, conv: str | None = None) -> Iterator[None]:
    """Within the block, in this thread, do things as told; what is None stays as it is.

    conv: how convolutions are done: "auto" (the default: by ``kernels.choice``), "direct",
    "dft" or "winograd". One that does not apply to a window raises ``ValueError``. It is what
    runs inside the block that counts: a backward outside of it chooses for itself.
    """
    names = ["auto", *choice.ALGORITHMS]
    if conv is not None and conv not in names:
        hint, wanted = nearest(str(conv), names), ", ".join(map(repr, names))
        raise ValueError(f"conv: got {conv!r}{hint}, wanted one of {wanted}")
    token = choice.forced.set(choice.forced.get() if conv is None else conv)
    try:
        yield
    finally:
        choice.forced.reset(token)
