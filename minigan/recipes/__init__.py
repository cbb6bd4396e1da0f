"""Named end-to-end runs, each built of public pieces only.

A recipe is a module with ``SETTINGS`` (defaults, all of which a user may set), ``load_data`` and
``make_trainer``; its docstring's first line says what it is. ``held_out`` gives images that it does
not learn from, where the package has such.
"""

from __future__ import annotations

from types import ModuleType

from . import (
    ac_gan,
    conditional,
    dcgan64,
    dcgan_color,
    dcgan_mnist,
    digits,
    infogan,
    mapping,
    mlp_mnist,
    projection,
    semi_supervised,
    sn_gan,
    upsampling,
    wgan,
    wgan_gp,
)

RECIPES: dict[str, ModuleType] = {
    "digits": digits,
    "mlp-mnist": mlp_mnist,
    "dcgan-mnist": dcgan_mnist,
    "dcgan-color": dcgan_color,
    "upsampling": upsampling,
    "dcgan64": dcgan64,
    "wgan": wgan,
    "wgan-gp": wgan_gp,
    "sn-gan": sn_gan,
    "mapping": mapping,
    "conditional": conditional,
    "projection": projection,
    "ac-gan": ac_gan,
    "infogan": infogan,
    "semi-supervised": semi_supervised,
}
"""Every recipe by the name that the command line knows it by."""
