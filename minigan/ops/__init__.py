"""The differentiable functions, one family a file."""

from ..autograd import astype
from . import (
    activation,
    arithmetic,
    convolution,
    elementwise,
    indexing,
    linear,
    noise,
    normalization,
    operators,  # installs Tensor's operators
    pooling,
    reduction,
    resize,
    shape,
)
from .activation import *  # noqa: F403
from .arithmetic import *  # noqa: F403
from .convolution import *  # noqa: F403
from .elementwise import *  # noqa: F403
from .indexing import *  # noqa: F403
from .linear import *  # noqa: F403
from .noise import *  # noqa: F403
from .normalization import *  # noqa: F403
from .operators import to
from .pooling import *  # noqa: F403
from .reduction import *  # noqa: F403
from .resize import *  # noqa: F403
from .shape import *  # noqa: F403

FAMILIES = (
    activation,
    arithmetic,
    convolution,
    elementwise,
    indexing,
    linear,
    noise,
    normalization,
    pooling,
    reduction,
    resize,
    shape,
)

__all__ = sorted({"astype", "to"}.union(*(family.__all__ for family in FAMILIES)))
