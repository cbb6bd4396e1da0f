"""The two checks that climb the whole ladder: of functions of tensors, and of functions of arrays.

What each rung asks stands in a module of its own: the contract of a function that can be checked
(``subjects``), the gradients themselves (``first_order``, ``second_order``), what surrounds them
(``state``). ``rungs`` has each for use alone, and further ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..arguments import whole
from .comparison import TOLERANCE
from .errors import VacuousCheck
from .first_order import check_first
from .probes import one_hot_probes, ones_probe, random_probe
from .second_order import check_second
from .state import check_array_state, check_tensor_state
from .subjects import ArrayFunction, Subject, check_contract, judging, tensor_subject


@judging()
def check_gradients(
    function: Callable[..., Any],
    inputs: Sequence[Any],
    order: int = 1,
    seed: int = 0,
    tolerance: float = TOLERANCE,
    projections: int = 2,
    empty: bool = False,
) -> None:
    """Check the gradients of a function of tensors, to ``order`` 1 or 2.

    ``function`` takes as many tensors as there are ``inputs`` (a list of arrays or tensors, taken
    as float64) and returns a tensor or a sequence of them: an operation, a loss, a penalty. It
    must be a function: what is random in it has to be fixed. A layer or network is checked for
    its trained parameters too, in a copy in float64 that leaves the user's alone.

    First order: ``projections`` random cotangents, one of ones and the rows of the Jacobian (all,
    or 32 of them) are compared with finite differences in every element; of an input of more than
    1,000 elements, in 1,000 of them and along 8 lines. An input's gradient agrees when the
    largest difference is at most ``tolerance`` of the largest numeric entry and the difference's
    measured noise is ten times below that. Then what surrounds the numbers is checked: dtypes and
    shapes, exact zeros for a zero cotangent, linearity in it, a second backward, accumulation,
    aliases, tensors used twice. Second order: the gradient is differentiated again, with respect
    to inputs and cotangents, and compared in the same way along ``projections`` lines through all
    inputs and one through each.

    Returns None where all is right, and otherwise raises

    - ``GradientMismatch`` (an ``AssertionError``): wrong, with where, by how much and, if one
      simple explanation fits the whole error, which; ``StateError`` if the numbers are right;
    - ``InconclusiveCheck``: undecided, as a ``KinkFound``, a ``VacuousCheck`` where only noise is
      compared, or nothing as no input has elements (unless ``empty``, to see that shapes and
      dtypes are kept there), or because the noise is too high;
    - ``NotDeterministicError``, ``WrongTypeError``, ``MutatedInputError``, ``NoPathError``, and
      minigan's ``NotTwiceDifferentiableError``, for functions that can't be checked.
    """
    check_order(order)
    check_settings(tolerance, projections=projections)
    subject, rng = tensor_subject(function, inputs), np.random.default_rng(seed)
    outputs = check_contract(subject)
    _first(subject, outputs, rng, tolerance, projections)
    check_tensor_state(subject, outputs, rng)
    if order == 2:
        check_second(subject, outputs, rng, tolerance, lines=projections)
    check_compared(subject, empty)


@judging()
def check_vjp(
    forward: Callable[..., Any],
    vjp: Callable[..., Any],
    inputs: Sequence[Any],
    seed: int = 0,
    tolerance: float = TOLERANCE,
    projections: int = 2,
    empty: bool = False,
) -> None:
    """Check a gradient written for plain arrays, by hand or by another framework.

    ``forward(*inputs)`` takes and returns arrays, one or a tuple of them, NumPy's or CuPy's;
    ``vjp(cotangent, *inputs)`` returns the gradient of ⟨cotangent, forward(*inputs)⟩ for each
    input, or None for one that has none. The cotangent is shaped as forward's result, a tuple if
    that is one. Before each vjp, forward is called with the same inputs, for code that keeps
    something there. What is compared, and what is raised, is as in ``check_gradients``, except
    that results may share memory. For a second order, check the vjp as a forward of its own.

        >>> check_vjp(np.sin, lambda g, x: g * np.cos(x), [np.array([0.3, 2.0])])
    """
    check_settings(tolerance, projections=projections)
    subject, rng = ArrayFunction(forward, vjp, inputs), np.random.default_rng(seed)
    outputs = check_contract(subject)
    _first(subject, outputs, rng, tolerance, projections)
    check_array_state(subject, outputs, rng)
    check_compared(subject, empty)


def _first(
    subject: Subject,
    outputs: list[np.ndarray],
    rng: np.random.Generator,
    tolerance: float,
    projections: int,
) -> None:
    random = [random_probe(outputs, rng) for _ in range(projections)]
    probes = [*random, ones_probe(outputs), *one_hot_probes(outputs, rng)]
    check_first(subject, outputs, probes, rng, tolerance)


def check_order(order: int) -> None:
    """Raise ``ValueError`` unless gradients of that order can be checked."""
    if isinstance(order, bool) or order not in (1, 2):
        raise ValueError(f"order: got {order!r}, wanted 1 or 2")


def check_compared(subject: Subject, empty: bool = False) -> None:
    """Raise ``VacuousCheck`` where no number was compared, unless that was meant."""
    if not empty and not any(x.size for x in subject.inputs):
        raise VacuousCheck(
            "the inputs have no elements, so that no gradient was compared: choose larger ones, or "
            "say empty=True if shapes and dtypes are all that is to be checked"
        )


def check_settings(tolerance: float, **counts: int) -> None:
    """Raise ``ValueError`` for settings that would make a check say nothing."""
    if not 0 < tolerance <= 0.1:
        raise ValueError(f"tolerance: got {tolerance!r}, wanted a number above 0 and at most 0.1")
    for name, count in counts.items():
        whole(name, count)
