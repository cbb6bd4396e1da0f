"""A pytest plugin: the fixture ``gradcheck``. Switch it on in the top ``conftest.py``:

    pytest_plugins = ["minigan.testing.plugin"]

A property test is then five lines (``minigan.testing.strategies`` has what to draw):

    from hypothesis import given
    from minigan.testing import strategies as st

    @given(st.arrays(st.shapes(), "positive"))
    def test_my_layer(gradcheck, x):
        gradcheck(my_function, x)

It is not switched on by installing minigan. Pytest would then import the package, and NumPy with
it, before any conftest.py could set a thread count or coverage could start measuring, in every
project in the environment, whether it checks gradients or not.

PYTEST_DONT_REWRITE: there is no assert in here, and without this word pytest warns whoever
imports from this module before switching it on.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from .errors import GradientMismatch, InconclusiveCheck
from .gradients import check_gradients, check_vjp


class Gradcheck:
    """``check_gradients`` and ``check_vjp`` with a seed of the running test's own.

    The seed is a hash of the test's node id, so that every test looks in other directions and a
    test that failed fails again. ``seed=…`` overrides it. Failures point at the test's line, not
    into the checker.
    """

    def __call__(self, function: Callable[..., Any], *inputs: Any, **options: Any) -> None:
        """Check the gradients of ``function`` of tensors at ``inputs``.

        ``options`` are ``check_gradients``'s with its defaults, so to first order: ``order=2``
        also asks for the gradient of the gradient, which not every primitive has. But arrays
        without elements may pass, as strategies draw some among others: ``empty=False`` refuses.
        """
        __tracebackhide__ = True
        _judge(check_gradients, function, inputs, **options)

    def vjp(
        self, forward: Callable[..., Any], vjp: Callable[..., Any], *inputs: Any, **options: Any
    ) -> None:
        """Check ``vjp(cotangent, *inputs)`` of plain arrays against ``forward(*inputs)``."""
        __tracebackhide__ = True
        _judge(check_vjp, forward, vjp, inputs, **options)


def _judge(check: Callable[..., None], *arguments: Any, **options: Any) -> None:
    __tracebackhide__ = True
    try:
        check(*arguments, **{"seed": current_seed(), "empty": True, **options})
    except (GradientMismatch, InconclusiveCheck) as verdict:
        raise verdict.with_traceback(None) from None


def current_seed() -> int:
    """A hash of the running test's node id: the same in every run, on every machine."""
    node_id, _, _ = os.environ["PYTEST_CURRENT_TEST"].rpartition(" ")  # ends in the phase, "(call)"
    return zlib.crc32(node_id.encode())


# Of the session, so that Hypothesis, which runs one test function many times, finds nothing in it
# that should have been made anew for each example. It keeps no state.
@pytest.fixture(scope="session")
def gradcheck() -> Gradcheck:
    """``gradcheck(function, *inputs)``: check gradients at arrays; ``gradcheck.vjp`` for vjps."""
    return Gradcheck()
