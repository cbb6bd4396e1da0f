"""The errors that name what went wrong with a graph, an array or a run."""

from __future__ import annotations


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
