"""Tools for checking gradients: minigan's own, and yours."""

from .errors import (
    GradientMismatch,
    InconclusiveCheck,
    KinkFound,
    MutatedInputError,
    NoPathError,
    NotDeterministicError,
    StateError,
    UncheckableFunctionError,
    VacuousCheck,
    WrongTypeError,
)
from .gradients import check_gradients, check_vjp
from .rungs import (
    check_adjoint,
    check_complex_step,
    check_hessian_symmetry,
    check_jacobian,
    check_projections,
    check_second_order,
    check_state,
    check_taylor,
    taylor_slopes,
)

__all__ = [
    "GradientMismatch",
    "InconclusiveCheck",
    "KinkFound",
    "MutatedInputError",
    "NoPathError",
    "NotDeterministicError",
    "StateError",
    "UncheckableFunctionError",
    "VacuousCheck",
    "WrongTypeError",
    "check_adjoint",
    "check_complex_step",
    "check_gradients",
    "check_hessian_symmetry",
    "check_jacobian",
    "check_projections",
    "check_second_order",
    "check_state",
    "check_taylor",
    "check_vjp",
    "taylor_slopes",
]
