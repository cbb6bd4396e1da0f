"""Tools for checking gradients: minigan's own, and yours."""

from .gradients import GradientMismatch, InconclusiveCheck, check_gradients

__all__ = ["GradientMismatch", "InconclusiveCheck", "check_gradients"]
