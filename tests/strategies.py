"""How often property tests draw, and what ``minigan.testing.strategies`` has not."""

from __future__ import annotations

import os

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from minigan.testing.strategies import seeds, shapes, values

FUZZ = int(os.environ.get("MINIGAN_FUZZ", "0"))
"""Set to n to draw n times as many examples, other ones in every run."""


def examples(count: int) -> settings:
    """``count`` examples, the same in every run, so that a passing suite passes again."""
    return settings(
        max_examples=count * max(1, FUZZ),
        derandomize=not FUZZ,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )


@st.composite
def laid_out(draw, **settings):
    """An array whose axes lie in any order in memory."""
    x = values(draw(seeds()), draw(shapes(**settings)))
    order = draw(st.permutations(range(x.ndim)))
    return np.transpose(np.array(np.transpose(x, order), order="C"), np.argsort(order))
