"""Whether a mutant computes the same: a comparison of bits on the registry's cases."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from .checking import Check

INPUTS = 1000
"""On so many random inputs a mutant must give the same bits to be called equivalent."""

FIRST = 40
"""So many show most differences."""

Case = tuple[str, int]
"""An entry's name and a seed."""


def inputs(draws: Sequence[Check]) -> list[Case]:
    """``INPUTS`` cases: one of each entry, and then those that cost little."""
    seconds = {draw.case[0]: draw.seconds for draw in draws if draw.case}
    names = sorted(seconds, key=lambda name: seconds[name])
    cases = [(name, 0) for name in names]
    cheap, seed = names[: -(-len(names) // 3)], 1
    while names and len(cases) < INPUTS:
        cases += [(name, seed) for name in cheap]
        seed += 1
    return cases[:INPUTS]


def hashes(cases: Sequence[Case]) -> list[str]:
    return [_hash(*case) for case in cases]


def same(known: dict[Case, str]) -> bool:
    """Whether the cases have these hashes."""
    return all(_hash(*case) == value for case, value in known.items())


def _hash(name: str, seed: int) -> str:
    """Of a case's values, gradients and second gradients, in one of the precisions."""
    from minigan.tensor import Tensor
    from minigan.testing import registry
    from minigan.testing.registry.coverage import forced

    case, rng = registry.ENTRIES[name].draw(seed), np.random.default_rng(seed)
    dtype = (np.float64, np.float32)[seed % 2]
    xs = [Tensor(x, requires_grad=True, dtype=dtype) for x in case.inputs]
    found = hashlib.sha256()
    try:
        with forced(case.settings):
            _add(case.function, xs, rng, found)
    except Exception as error:
        found.update(type(error).__name__.encode())
    return found.hexdigest()


def _add(function: Any, xs: list[Any], rng: np.random.Generator, found: Any) -> None:
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
