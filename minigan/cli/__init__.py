"""The command ``minigan``: train a recipe, sample a generator, look into what was saved."""

from __future__ import annotations

from .main import main

__all__ = ["main"]
