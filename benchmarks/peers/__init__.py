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


def why_not(name: str, device: str = "cpu") -> str | None:
    """Why there is no comparison with the peer ``name`` there; None if there is."""
    if find_spec(module(name)) is None:
        return "has no side in benchmarks/peers"
    if not find_spec(name):
        return "is not installed"
    compiler = os.environ.get("CC", "clang")
    if name == "tinygrad" and not shutil.which(compiler):
        return f"compiles with clang, and there is no program {compiler!r}"
    if device != "cpu":
        return _why_not_on_gpu(name)
    return None


def _why_not_on_gpu(name: str) -> str | None:
    if name != "torch":
        return "is compared with on a CPU only"
    import torch

    return None if torch.cuda.is_available() else "is here without a GPU"
