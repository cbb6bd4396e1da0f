"""Every public function, layer and loss with how to check it, and the run over all of them.

The registry stands above ``nn`` and ``gan``, which it checks; ``minigan.testing`` itself does not
import it.

    from minigan.testing import registry

    case = registry.ENTRIES["conv2d"].draw(seed=17)    # new shapes, settings and values a seed
    registry.check("conv2d", seed=17, order=2)         # a Result
    print(registry.run(seeds=range(50), order=2).passed)
"""

from . import (  # noqa: F401
    cures,
    elementwise,
    gan_layers,
    judges,
    layers,
    linear,
    losses,
    maps,
    movement,
    reductions,
)
from .coverage import expected, kernels, missing
from .entries import ENTRIES, Case, Entry, register
from .functional import functional
from .running import Report, Result, check, run
from .users import user_entry

__all__ = [
    "ENTRIES",
    "Case",
    "Entry",
    "Report",
    "Result",
    "check",
    "expected",
    "functional",
    "kernels",
    "missing",
    "register",
    "run",
    "user_entry",
]
