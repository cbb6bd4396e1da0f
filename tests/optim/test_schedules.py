"""Schedules at their ends, in the middle, and after the end."""

import math

import pytest

from minigan.optim import SGD, Cosine, Exponential, Linear, Steps, Warmup


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (Linear(1.0, 0.2, 4), {0: 1.0, 1: 0.8, 2: 0.6, 4: 0.2, 5: 0.2, 1000: 0.2}),
        (Linear(0.0, 1.0, 10), {0: 0.0, 5: 0.5, 10: 1.0}),
        (Exponential(2.0, 0.5), {0: 2.0, 1: 1.0, 3: 0.25}),
        (Exponential(2.0, 0.25, every=10), {0: 2.0, 5: 1.0, 10: 0.5, 20: 0.125}),
        (Steps(1.0, (3, 5), 0.1), {0: 1.0, 2: 1.0, 3: 0.1, 4: 0.1, 5: 0.01, 99: 0.01}),
        (Steps(1.0, ()), {0: 1.0, 99: 1.0}),
        # η_min + (η_max − η_min)(1 + cos(πt/T))/2: Loshchilov and Hutter (2017), equation 5
        (Cosine(1.0, 8), {0: 1.0, 2: (1 + math.sqrt(0.5)) / 2, 4: 0.5, 8: 0.0, 9: 0.0}),
        (Cosine(1.0, 8, last=0.2), {0: 1.0, 4: 0.6, 8: 0.2, 100: 0.2}),
        # Goyal et al. (2017), section 2.2: up in a line, and then the schedule from its start
        (Warmup(Linear(1.0, 0.0, 10), 4), {0: 0.25, 1: 0.5, 3: 1.0, 4: 1.0, 9: 0.5, 14: 0.0}),
        (Warmup(Steps(2.0, (1,), 0.5), 0), {0: 2.0, 1: 1.0}),
    ],
    ids=repr,
)
def test_values(schedule, expected):
    found = {step: schedule(step) for step in expected}
    assert found == pytest.approx(expected, rel=1e-14, abs=1e-16)


def test_over_no_steps_the_last_value_comes_after_the_first():
    assert [Linear(1.0, 0.5, 0)(t) for t in range(3)] == [1, 0.5, 0.5]
    assert [Cosine(1.0, 0, 0.5)(t) for t in range(3)] == [1, 0.5, 0.5]


def test_an_optimiser_follows_a_schedule_from_its_first_value():
    assert SGD(Warmup(Linear(1.0, 0.0, 10), 4)).lr == 0.25


def test_equal_schedules_are_equal():
    assert Cosine(1.0, 8) == Cosine(1.0, 8)
    assert Cosine(1.0, 8) != Cosine(1.0, 9)
