"""What minigan is compared with: a module for each peer, which is a side (see ``sides``)."""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec

NAMES = ("torch", "jax", "autograd", "mygrad", "tinygrad")
"""Every peer, by the name that its package is imported by."""


def module(name: str) -> str:
    """The dotted name of the peer's side."""
    return f"{__name__}.{name}"


def why_not(name: str) -> str | None:
    """Why there is no comparison with the peer ``name`` here; None if there is."""
    if find_spec(module(name)) is None:
        return "has no side in benchmarks/peers"
    if not find_spec(name):
        return "is not installed"
    compiler = os.environ.get("CC", "clang")
    if name == "tinygrad" and not shutil.which(compiler):
        return f"compiles with clang, and there is no program {compiler!r}"
    return None
