"""The errors that name what went wrong with a graph, an array or a run, and a help for messages."""

from __future__ import annotations

from collections.abc import Iterable


class GraphFreedError(RuntimeError):
    """A backward pass came to a node whose kept arrays an earlier pass had freed."""


class StaleTensorError(RuntimeError):
    """An array that backward needs was changed in place after the forward pass kept it."""


class GradientError(RuntimeError):
    """A gradient can't be had: nothing to differentiate, or a backward that broke its contract."""


class NotTwiceDifferentiableError(GradientError):
    """A primitive whose backward leaves the tape was asked for a gradient of a gradient."""


class DeviceError(RuntimeError):
    """The device asked for isn't there, or arrays of different devices met."""


class NonFiniteError(ArithmeticError):
    """A loss, gradient or parameter turned NaN or infinite."""


class NotCapturable(Exception):  # noqa: N818
    """What a captured step can't contain, in words that go on "…, as ": see ``gan.captured``."""


class CaptureWarning(UserWarning):
    """Steps were to be captured, and are taken one operation at a time."""


class HealthWarning(UserWarning):
    """The doctor found something wrong with a run."""


def warn(message: str, category: type[Warning]) -> None:
    """Warn at the line that called minigan."""
    import sys
    import warnings

    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_globals["__name__"].startswith("minigan."):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


def of_extra(name: str) -> str:
    """What to add to a message about a missing library: which extra has it, and where from."""
    return f', of the extra "{name}": pip install ".[{name}]" in the folder of minigan\'s source'


def nearest(name: str, options: Iterable[str]) -> str:
    """What to add to a message about an unknown ``name``: " (did you mean 'tanh'?)", or ""."""
    from difflib import get_close_matches  # slow to import, and seldom used

    near = get_close_matches(name, list(options), 1)
    return f" (did you mean {near[0]!r}?)" if near else ""
