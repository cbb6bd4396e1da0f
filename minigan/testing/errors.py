"""What a check can say other than "right"."""

from __future__ import annotations


class GradientMismatch(AssertionError):
    """A gradient differs from what was measured. ``kind`` is the kind of its explanation."""

    def __init__(self, message: str, kind: str = "unknown") -> None:
        super().__init__(message)
        self.kind = kind


class StateError(GradientMismatch):
    """The numbers may be right, but not what surrounds them: a dtype, an alias, a second pass."""


class InconclusiveCheck(Exception):
    """The measurement can't decide. Not an assertion, so that it never passes for a verdict."""


class VacuousCheck(InconclusiveCheck):
    """Both sides are nothing but noise: any gradient would pass."""


class KinkFound(InconclusiveCheck):
    """The function has a kink, a tie or a jump at or next to the point: no derivative exists."""


class UncheckableFunctionError(Exception):
    """The function is not one whose gradients can be checked."""


class NotDeterministicError(UncheckableFunctionError):
    """The function gives other values each time that it is called."""


class WrongTypeError(UncheckableFunctionError, TypeError):
    """The function returns something that is not what was asked for."""


class MutatedInputError(UncheckableFunctionError):
    """The function, or its backward pass, writes to what it was given."""


class NoPathError(UncheckableFunctionError):
    """No output of the function is connected with any of its inputs."""
