"""Right but for a term: the claimed gradient minus the right one is c times something known."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .evidence import Axes, Explanation, Facts, coefficient, distinct, named_axes, subsets
from .quantities import (
    Quantity,
    averages,
    cotangents,
    fitted,
    inputs,
    natural,
    outputs,
    plain,
    products,
    spread,
    unit,
)

FEWEST = 4
"""Elements that a gradient needs before a term of it is looked for."""


def term(facts: Facts) -> Explanation | None:
    """The difference is c · T, with T an array at hand or its mean over some axes.

    Where the difference is constant along some axes, T has to be so too, hence is a mean over
    just these axes: no others need to be tried.
    """
    if not _worth(facts):
        return None
    axes = _constant_axes(facts)
    shape = facts.measured.shape
    own = [Quantity("the right gradient", facts.measured)]
    own += [Quantity("the claimed gradient", facts.claimed)]
    xs, gs, ys = inputs(facts), cotangents(facts), outputs(facts)
    known = [*xs, *gs, *ys, *products(gs, [*xs, *ys]), *products(xs[:1], xs[:1])]
    known += products(products(gs, ys), ys)  # in the gradients of tanh and of the sigmoid
    candidates = [*(own if axes else []), *fitted(known, shape)]
    best = _best((t for each in candidates for t in averages(each, axes)), facts)
    if best is None and len(axes) == len(shape):
        c = float(facts.difference.mean())
        return _said(Quantity("one", np.ones(shape)), c, f"the constant {abs(c):.8g}", facts)
    return best


def projected_term(facts: Facts) -> Explanation | None:
    """T is A · mean(g · B), as in the gradients of softmax and of normalisations."""
    if not _worth(facts):
        return None
    return _best(_projections(facts), facts)


def _projections(facts: Facts) -> Iterator[Quantity]:
    shape = facts.measured.shape
    gs = list(spread(cotangents(facts), shape))
    outers = list(spread([*outputs(facts), *inputs(facts)[:1]], shape))
    for axes in subsets(range(len(shape))):
        for outer in [*outers, *(_centred(each, axes) for each in outers)]:
            for inner in [*gs, *products(gs, [outer])]:
                for name, values in averages(inner, axes):
                    yield Quantity(f"{outer.name} times {name}", outer.values * values)


def _centred(quantity: Quantity, axes: Axes) -> Quantity:
    name, values = quantity
    centred = values - values.mean(axes, keepdims=True)
    return Quantity(f"({name} less its mean over {named_axes(axes)})", centred)


def centred_term(facts: Facts) -> Explanation | None:
    """T is this input less its mean over some axes; c depends on the other axes' index.

    What a normalisation's gradient lacks if the derivative of its variance is forgotten.
    """
    if not _worth(facts):
        return None
    for axes in subsets(range(facts.measured.ndim)):
        centred = facts.input - facts.input.mean(axes, keepdims=True)
        squares = (centred**2).sum(axes, keepdims=True)
        group = int(np.prod([facts.measured.shape[k] for k in axes]))
        if group < 3 or not squares.all():
            continue
        c = (facts.difference * centred).sum(axes, keepdims=True) / squares
        if facts.near(facts.difference, c * centred):
            words = (
                f"the claimed gradient less the right one is input {facts.evidence.place} less its "
                f"mean over {named_axes(axes)}, times {_numbers(c)}: the term that comes from the "
                "variance of a normalisation is of this form"
            )
            return Explanation(_kind(c * centred, facts), words)
    return None


def _numbers(c: np.ndarray) -> str:
    if c.size == 1:
        return f"{c.item():.8g}"
    shown = ", ".join(f"{each:.6g}" for each in c.ravel()[:4])
    return f"a coefficient for each group ({shown}{', …' if c.size > 4 else ''})"


def _worth(facts: Facts) -> bool:
    return facts.same_shape and facts.measured.size >= FEWEST


def _constant_axes(facts: Facts) -> Axes:
    """The axes, longer than 1, along which the difference doesn't change."""
    shape = facts.difference.shape
    long = [k for k, length in enumerate(shape) if length > 1]
    same = [k for k in long if np.ptp(facts.difference, axis=k).max() <= 2 * facts.tolerance]
    return tuple(range(len(shape))) if same == long else tuple(same)


def _best(candidates: Iterator[Quantity], facts: Facts) -> Explanation | None:
    """The first with the coefficient ±1, else with a natural one, else the first that fits."""
    found = []
    for quantity in candidates:
        c = coefficient(facts.difference, quantity.values)
        if not c or not facts.near(facts.difference, c * quantity.values):
            continue
        what, values = natural(c, facts), distinct(quantity.values)
        # A free coefficient takes one value for itself, and any would take a constant.
        if values >= 3 or (values == 2 and what is not None) or plain(c):
            found.append((what is None, not unit(c), quantity, c, what))
    if not found:
        return None
    *_, quantity, c, what = min(found, key=lambda each: each[:2])
    many = quantity.name if unit(c) else f"{abs(c):.8g} times {quantity.name}"
    return _said(quantity, c, many + (f" ({what})" if what else ""), facts)


def _said(quantity: Quantity, c: float, many: str, facts: Facts) -> Explanation:
    kind = _kind(c * quantity.values, facts)
    if c > 0:
        return Explanation(kind, f"the claimed gradient is the right one plus {many}")
    return Explanation(kind, f"the claimed gradient is the right one minus {many}")


def _kind(difference: np.ndarray, facts: Facts) -> str:
    """Missing if the right gradient has more of the term in it than the claimed one has."""
    right, claimed = (abs(coefficient(a, difference)) for a in (facts.measured, facts.claimed))
    return "missing_term" if claimed < right else "extra_term"
