"""How often the property tests draw; what they draw is in ``minigan.testing.strategies``."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

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
