"""Hypothesis strategies: what a property test of anything made of tensors draws.

    from hypothesis import given
    from minigan.testing import strategies as st

    @given(x=st.arrays(st.shapes(), "positive"))
    def test_my_layer(gradcheck, x):        # the fixture is minigan.testing.plugin's
        gradcheck(my_function, x)

    shapes, broadcastable                    0-d, size 0 and length-1 axes are all likely
    arrays, arrays_with_axis, float_dtypes   values that keep off kinks, in any layout
    axes, permutations, einsums              what reductions, transposes and products take
    convolutions, small_convolutions         settings whose window fits, with map and weights
    networks                                 random layers that fit together, with an input

Elements of arrays are not drawn one by one: a strategy draws a seed, and the array is the one that
belongs to it (``minigan.testing.values``). So examples shrink in shape and settings while their
values stay generic, and no shrunk zero hides the error or makes another. Arguments are checked
when a strategy is made. Needs hypothesis, of the extra "test".
"""

from ...errors import of_extra

try:
    import hypothesis  # noqa: F401
except ImportError:
    raise ImportError(f"minigan.testing.strategies needs hypothesis{of_extra('test')}") from None

from ..values import KINDS, LAYOUTS, values
from .arrays import arrays, arrays_with_axis, float_dtypes, seeds
from .convolution import Convolution, convolutions, small_convolutions
from .networks import Network, networks
from .products import einsums
from .shapes import axes, broadcastable, permutations, shapes

__all__ = [
    "Convolution",
    "KINDS",
    "LAYOUTS",
    "Network",
    "arrays",
    "arrays_with_axis",
    "axes",
    "broadcastable",
    "convolutions",
    "einsums",
    "float_dtypes",
    "networks",
    "permutations",
    "seeds",
    "shapes",
    "small_convolutions",
    "values",
]
