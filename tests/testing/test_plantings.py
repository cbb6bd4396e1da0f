"""Errors planted in common gradients: almost all are named right, and nothing false is said."""

from __future__ import annotations

import numpy as np
import pytest
from plantings import BEYOND, NAMES, Planting, Scene, beyond, evidence, plantings
from truth import is_true

from minigan.testing.diagnosis import Explanation, explain


def explained(seed: int, count: int) -> list[tuple]:
    rng = np.random.default_rng(seed)
    return [(each, explain(evidence(each, rng))) for each in plantings(rng, count)]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_at_least_95_of_100_planted_errors_are_named_and_no_explanation_is_false(seed):
    found = explained(seed, 200)
    false = [(p.kind, why) for p, why in found if not is_true(why, p)]
    assert not false
    missed = [(p.kind, why) for p, why in found if why.kind not in NAMES.get(p.kind, {p.kind})]
    assert len(missed) <= 10, missed


def test_an_error_that_nothing_explains_is_unknown():
    rng = np.random.default_rng(3)
    named = []
    for planting in beyond(rng, 20 * len(BEYOND)):
        why = explain(evidence(planting, rng))
        if why.kind != "unknown":
            named.append((planting.kind, why))
    assert not named


FALSE = [
    ("factor", "the claimed gradient is 3 times the right one, everywhere", lambda r: 2 * r),
    ("factor", "is 3 times the right one: 3 is the length of axis 1 of input 0", lambda r: 3 * r),
    ("transposed", "the right one transposed", lambda r: r[::-1].T),
    ("shifted", "the right one shifted by +1 along axis 1, cyclically", lambda r: np.roll(r, 1, 0)),
    ("shifted", "shifted by +1 along axis 0, with zeros coming in", lambda r: np.roll(r, 1, 0)),
    ("missing_factor", "the right gradient is the claimed one times the output", lambda r: r),
    (
        "extra_term",
        "the claimed gradient is the right one plus the mean of input 0",
        lambda r: r + 1,
    ),
    ("elements", "1 of 20 elements are wrong, at (0, 0)", lambda r: r + np.eye(5, 4)),
    (
        "elements",
        "1 of 20 elements are wrong, at (0, 1)",
        lambda r: r + np.outer(np.eye(5)[0], np.eye(4)[0]),
    ),
    ("dtype", "right in value, but its dtype is float32", lambda r: 2 * r.astype(np.float32)),
]


@pytest.mark.parametrize(("kind", "words", "wrong"), FALSE)
def test_what_judges_the_explanations_tells_false_ones(kind, words, wrong):
    rng = np.random.default_rng(4)
    x, g = rng.normal(size=(5, 4)), rng.normal(size=(5, 4))
    scene = Scene((x,), np.sin(x), g, (g * np.cos(x),))
    planting = Planting(kind, scene, 0, wrong(scene.gradients[0]))
    assert not is_true(Explanation(kind, words), planting)
