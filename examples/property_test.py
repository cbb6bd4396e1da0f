"""Property tests of a function of your own: Hypothesis draws arrays, minigan judges gradients.

pytest examples/property_test.py        needs the extra "test"
"""

import numpy as np
import pytest
from hypothesis import given, settings

import minigan as mg
from minigan.testing import GradientMismatch
from minigan.testing import strategies as st

pytest_plugins = ["minigan.testing.plugin"]  # in a project: a line of the top conftest.py

# swish(x) = x·σ(x), with the derivative σ + x·σ·(1 − σ). A backward takes tensors: the gradient
# that arrives, and what it names of the forward.
swish = mg.primitive(
    lambda x: x / (1 + np.exp(-x)),
    lambda g, x: g * (mg.sigmoid(x) + x * mg.sigmoid(x) * (1 - mg.sigmoid(x))),
    name="swish",
)

# The same with a term forgotten, as happens.
forgetful = mg.primitive(
    lambda x: x / (1 + np.exp(-x)),
    lambda g, x: g * mg.sigmoid(x),
    name="forgetful",
)


@given(st.arrays())
def test_swish(gradcheck, x):
    gradcheck(swish, x, order=2)


@given(st.arrays(st.shapes(min_side=1)))
def test_a_forgotten_term_is_found(gradcheck, x):
    with pytest.raises(GradientMismatch):
        gradcheck(forgetful, x)


@settings(deadline=None, max_examples=20)  # a network takes longer than a few numbers
@given(st.networks(max_layers=2))
def test_swish_behind_any_network(gradcheck, network):
    gradcheck(lambda *inputs: swish(network(*inputs)), *network.inputs)
