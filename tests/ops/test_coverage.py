"""No public function without an entry in the registry, and every one of them behaves."""

from __future__ import annotations

import pytest
from properties import behaves

import minigan as mg
from minigan import ops
from minigan.backend import is_array
from minigan.testing.registry import ENTRIES
from minigan.testing.registry.coverage import PLAIN
from minigan.testing.values import values

A, B = values(0, (2, 3), "positive"), values(1, (2, 3), "positive")
NAMES = sorted(set(ops.__all__) - set(PLAIN))


def test_every_public_function_has_an_entry_or_a_reason_for_none():
    assert set(NAMES) <= set(ENTRIES)
    assert not set(PLAIN) & set(ENTRIES)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", NAMES)
def test_every_function_is_twice_differentiable_and_behaves(name, seed):
    case = ENTRIES[name].draw(seed)
    if name == "astype":  # its setting is a dtype, which cases in float64 can't vary
        case = case._replace(function=lambda x: mg.astype(x, x.dtype))
    behaves(case.function, *case.inputs)


@pytest.mark.parametrize("name", sorted(PLAIN))
def test_what_has_no_gradient_returns_plain_arrays(name):
    x = mg.Tensor(A, requires_grad=True)
    found = mg.moments(x, 0) if name == "moments" else [getattr(mg, name)(x, B)]
    assert all(is_array(each) for each in found)


@pytest.mark.parametrize("name", sorted(ops.__all__))
def test_every_function_says_what_it_does_and_has_its_own_name(name):
    function = getattr(ops, name)
    assert function.__doc__ and function.__name__ == name
