"""The differentiable functions, one family a file.

What happens at kinks and ties, where a derivative does not exist (g is the gradient that arrives):

    function                  where                 gradient
    relu                      x = 0                 0
    leaky_relu(slope)         x = 0                 slope·g
    elu(α)                    x = 0                 α·g
    absolute, sign            x = 0                 0
    maximum, minimum          a = b                 g/2 to each
    max, min over axes        n elements tie        g/n to each
    global_max_pool2d         n elements tie        g/n to each
    max_pool2d                elements tie          g to the first in the window
    clip                      x at a bound          g
    binary_cross_entropy      p at a bound          that of the inside
    power(x, p), p a number   x = 0, p = 0          0 (and 0⁰ = 1)
    power(x, p), 0 < p < 1    x = 0                 infinite
    power(a, p), p a tensor   a = 0                 0 for p; for a as above
    sqrt                      x = 0                 infinite
    norm over axes            y = 0                 0
    where                     –                     g to the operand that was taken, 0 to the other
    getitem, take, embedding  an element taken n×   the sum of the n gradients
"""

from ..primitives import astype  # noqa: F401
from . import (
    activation,
    arithmetic,
    convolution,
    cross_entropy,
    elementwise,
    indexing,
    joining,
    linear,
    noise,
    normalization,
    operators,  # noqa: F401 - installs Tensor's operators
    pooling,
    reduction,
    resize,
    shape,
)
from .activation import *  # noqa: F403
from .arithmetic import *  # noqa: F403
from .convolution import *  # noqa: F403
from .cross_entropy import *  # noqa: F403
from .elementwise import *  # noqa: F403
from .indexing import *  # noqa: F403
from .joining import *  # noqa: F403
from .linear import *  # noqa: F403
from .noise import *  # noqa: F403
from .normalization import *  # noqa: F403
from .operators import to  # noqa: F401
from .pooling import *  # noqa: F403
from .reduction import *  # noqa: F403
from .resize import *  # noqa: F403
from .shape import *  # noqa: F403

FAMILIES = (
    activation,
    arithmetic,
    convolution,
    cross_entropy,
    elementwise,
    indexing,
    joining,
    linear,
    noise,
    normalization,
    pooling,
    reduction,
    resize,
    shape,
)

__all__ = sorted({"astype", "to"}.union(*(family.__all__ for family in FAMILIES)))
