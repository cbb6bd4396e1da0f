"""Entries of losses, each side by itself: ``hinge.discriminator``, ``hinge.generator``.

The inputs are what the discriminator says of the real and of the fake batch; the generator's side
has the real one only where its loss looks at it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ...gan.losses import LOSSES, BinaryCrossEntropy, LeastSquares, Minimax
from ...gan.records import Output
from ...tensor import Tensor
from .draws import LARGE, Rng, Shape, chance, number, pick, until, values, whole
from .entries import Case, register

SIDES = ("discriminator", "generator")
"""The two functions of a loss."""


def _logits(rng: Rng, full: Shape) -> np.ndarray:
    return 1.5 * values(rng, full)


def _margins(rng: Rng, full: Shape) -> np.ndarray:
    """Scores on both sides of ±1, where the hinge bends, none near; one at least in between."""
    choices = np.array([(-2.5, -1.2), (-0.8, 0.8), (-0.8, 0.8), (1.2, 2.5)])
    spans = until(lambda: rng.integers(0, 4, full), lambda i: bool(((i == 1) | (i == 2)).any()))
    return rng.uniform(*np.moveaxis(choices[spans], -1, 0))


def _probabilities(rng: Rng, full: Shape) -> np.ndarray:
    """Some beyond the bounds of ``eps`` = 0.1, where the loss is flat; one at least inside."""
    choices = np.array([(0.03, 0.07), *[(0.2, 0.8)] * 4, (0.93, 0.97)])
    spans = until(lambda: rng.integers(0, 6, full), lambda i: bool((i % 5 > 0).any()))
    return rng.uniform(*np.moveaxis(choices[spans], -1, 0))


def _losses(name: str, draw: Callable[[Rng, Shape], np.ndarray]) -> None:
    for side in SIDES:
        register(f"{name}.{side}")(partial(_case, name, side, draw))


def _case(name: str, side: str, draw: Callable[[Rng, Shape], np.ndarray], rng: Rng) -> Case:
    loss, settings = LOSSES[name], dict[str, Any]()
    if isinstance(loss, BinaryCrossEntropy):
        settings = {"mean_of_terms": chance(rng), "eps": pick(rng, [1e-7, 0.1])}
        loss = BinaryCrossEntropy(**settings)
    elif side == "discriminator" and isinstance(loss, (Minimax, LeastSquares)):
        settings = {"real_label": pick(rng, [1.0, number(rng, 0.6, 0.95)])}
        loss = type(loss)(**settings)
    both = side == "discriminator" or loss.paired
    full = _batch(rng, 12 if both else LARGE)
    function = getattr(loss, side)

    def of_logits(*logits: Tensor) -> Tensor:
        *real, fake = map(Output, logits)
        return function(real[0] if real else None, fake)

    inputs = [draw(rng, full) for _ in range(2 if both else 1)]
    return Case(of_logits, inputs, {**settings, "shape": full})


def _batch(rng: Rng, large: int) -> Shape:
    """One score a sample, (N, 1) or (N,), or a map of them."""
    size = whole(rng, large, large + 8) if chance(rng, 0.75) else whole(rng, 1, large)
    return pick(rng, [(size, 1), (size,), (-(-size // 6), 3, 2, 1)])


for _name, _draw in {
    "binary_cross_entropy": _probabilities,
    "hinge": _margins,
    "least_squares": _logits,
    "minimax": _logits,
    "non_saturating": _logits,
    "relativistic_average": _logits,
    "relativistic_paired": _logits,
    "wasserstein": _logits,
}.items():
    _losses(_name, _draw)
