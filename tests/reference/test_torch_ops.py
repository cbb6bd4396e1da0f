"""Every public function against PyTorch's: values, gradients and second gradients."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from reference.cases import CASES, PLAIN
from strategies import examples

import minigan as mg
from minigan import ops

pytestmark = pytest.mark.reference

FLAT = {"sign"}
"""What has the gradient zero wherever it has one."""


def test_every_public_function_is_compared(adapters):
    assert set(CASES) | set(PLAIN) == set(ops.__all__) == set(adapters)
    assert not set(CASES) & set(PLAIN)


@pytest.mark.parametrize("name", CASES)
def test_derivatives_are_pytorchs(name, agree, adapters):
    found = []

    @examples(100)
    @given(CASES[name])
    def check(case):
        both = (case.call(getattr(mg, name)), case.call(adapters[name]))
        found.append(agree(*both, case.arrays).largest())

    check()
    assert any(each["values"] > 0 for each in found)
    assert any(each["gradients"] > 0 for each in found) or name in FLAT


@pytest.mark.parametrize("name", PLAIN)
def test_values_are_pytorchs(name, torch, adapters):
    @examples(40)
    @given(PLAIN[name])
    def check(case):
        found = case.call(getattr(mg, name))(*case.arrays)
        wanted = case.call(adapters[name])(*map(torch.tensor, case.arrays))
        np.testing.assert_allclose(found, np.asarray(wanted), rtol=1e-12)

    check()
