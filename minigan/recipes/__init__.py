"""Named end-to-end runs, each built of public pieces only.

A recipe is a module with ``SETTINGS`` (defaults, all of which a user may set), ``load_data`` and
``make_trainer``; its docstring's first line says what it is.
"""

from __future__ import annotations

from types import ModuleType

from . import dcgan_color, dcgan_mnist, digits, mlp_mnist, upsampling

RECIPES: dict[str, ModuleType] = {
    "digits": digits,
    "mlp-mnist": mlp_mnist,
    "dcgan-mnist": dcgan_mnist,
    "dcgan-color": dcgan_color,
    "upsampling": upsampling,
}
"""Every recipe by the name that the command line knows it by."""
