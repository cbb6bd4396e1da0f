"""Entries of discriminators that are put together of networks, and of the losses made for them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ... import gan, nn
from ...gan.losses import LOSSES
from ...gan.records import Output
from ...tensor import Tensor
from .draws import Rng, Shape, chance, number, pick, until, values, whole
from .entries import Case, register
from .layers import layer_case
from .losses import SIDES

SMOOTH = ("least_squares", "minimax", "non_saturating", "relativistic_average")
"""The losses that others are made of here: without kinks, some of one batch and some of two."""


def _dense(units: int) -> nn.Module:
    return nn.Dense(units, dtype="float64")


def _judged(rng: Rng, judge: nn.Module, x: np.ndarray, settings: dict[str, Any]) -> Case:
    """The judge at x, all tensors of its ``Output`` in a row."""
    case = layer_case(rng, judge, x, settings)
    return case._replace(
        function=lambda *tensors: _tensors(case.function(*tensors)),
        inputs=[x, *(p / 2 for p in case.inputs[1:])],  # or one class would be certain
    )


def _tensors(output: Any) -> list[Tensor]:
    if isinstance(output, (tuple, list)):
        return [tensor for part in output for tensor in _tensors(part)]
    return [] if output is None else [output]


# Discriminators


def _heads(rng: Rng, **units: int) -> nn.Module:
    body = nn.Sequential(nn.Flatten(), _dense(whole(rng, 2, 3)), nn.Softplus())
    return gan.Heads(body, **{name: _dense(count) for name, count in units.items()})


@register("Heads")
def _of_heads(rng: Rng) -> Case:
    """With every head by turns, and without one for logits: ln Σ exp(class logits)."""
    units = {name: whole(rng, 1, 3) for name in ("class_logits", "codes") if chance(rng, 0.7)}
    if chance(rng) or "class_logits" not in units:
        units["logits"] = 1
    x = values(rng, (whole(rng, 3, 5), 2, whole(rng, 2, 3)))
    return _judged(rng, _heads(rng, **units), x, {"heads": tuple(sorted(units))})


@register("Packed")
def _packed(rng: Rng) -> Case:
    count, hidden = pick(rng, [2, 3]), whole(rng, 1, 2)
    judge = nn.Sequential(nn.Flatten(), _dense(hidden), nn.Tanh(), _dense(1))
    x = values(rng, (2 * count, whole(rng, 1, 3), whole(rng, 1, 2), 2))
    return layer_case(rng, gan.Packed(judge, count), x, {"count": count, "hidden": hidden})


@register("Several")
def _several(rng: Rng) -> Case:
    """Judges with heads of all sorts, side by side."""
    classes, heads = whole(rng, 2, 3), list[tuple[str, ...]]()
    for _ in range(whole(rng, 2, 3)):
        heads.append(pick(rng, [("logits",), ("class_logits",), ("logits", "class_logits")]))
    judges = [
        _heads(rng, **{name: 1 if name == "logits" else classes for name in names})
        for names in heads
    ]
    x = values(rng, (whole(rng, 3, 4), 2, 2))
    return _judged(rng, gan.Several(*judges), x, {"heads": tuple(heads)})


# Losses


def _loss(name: str, draw: Callable[[Rng, str], Case]) -> None:
    for side in SIDES:
        register(f"{name}.{side}")(partial(_case, draw, side))


def _case(draw: Callable[[Rng, str], Case], side: str, rng: Rng) -> Case:
    return draw(rng, side)


def _feature_matching(rng: Rng, side: str) -> Case:
    """Its generator's side is of features, of one judge or of several; the other is of logits."""
    inner, judges = pick(rng, SMOOTH), whole(rng, 1, 2)
    function = getattr(gan.FeatureMatching(LOSSES[inner]), side)
    matched = side == "generator"
    full = (whole(rng, 3, 5), whole(rng, 2, 4)) if matched else (whole(rng, 10, 16), 1)
    inputs = [values(rng, full) for _ in range(2 * judges if matched else 2)]

    def of_outputs(*tensors: Tensor) -> Tensor:
        real, fake = tensors[: len(tensors) // 2], tensors[len(tensors) // 2 :]
        if not matched:
            return function(Output(*real), Output(*fake))
        parts = (list(half) if judges > 1 else half[0] for half in (real, fake))
        return function(*(Output(tensors[0], features=part) for part in parts))

    return Case(of_outputs, inputs, {"loss": inner, "judges": judges, "shape": full})


def _several_discriminators(rng: Rng, side: str) -> Case:
    """Of K columns of logits; of the harshest judge alone, one is the harshest by far."""
    inner, sharpness = pick(rng, SMOOTH), pick(rng, [0.0, number(rng, 0.3, 2.0), np.inf])
    loss = gan.SeveralDiscriminators(LOSSES[inner], sharpness)
    full: Shape = (whole(rng, 8, 12), whole(rng, 2, 4))
    count = 2 if side == "discriminator" or loss.paired else 1

    def of_logits(*logits: Tensor) -> Tensor:
        *real, fake = map(Output, logits)
        return getattr(loss, side)(real[0] if real else None, fake)

    def terms(inputs: list[np.ndarray]) -> list[float]:
        """What the generator loses against each judge, from the largest on."""
        columns = [[Output(Tensor(x[:, k : k + 1])) for x in inputs] for k in range(full[1])]
        losses = (loss.loss.generator(c[0] if count > 1 else None, c[-1]) for c in columns)
        return sorted((found.item() for found in losses), reverse=True)

    def draw() -> list[np.ndarray]:
        return [1.5 * values(rng, full) for _ in range(count)]

    kinked = side == "generator" and np.isinf(sharpness)
    inputs = until(draw, lambda xs: not kinked or terms(xs)[0] - terms(xs)[1] > 0.1)
    settings = {"loss": inner, "sharpness": "inf" if np.isinf(sharpness) else sharpness}
    return Case(of_logits, inputs, {**settings, "shape": full})


_loss("FeatureMatching", _feature_matching)
_loss("SeveralDiscriminators", _several_discriminators)
