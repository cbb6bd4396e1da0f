"""Where a derivative does not exist: minigan's choice and PyTorch's, side by side."""

from __future__ import annotations

import numpy as np
import pytest
from reference.case import Case

import minigan as mg

pytestmark = pytest.mark.reference

AROUND_ZERO = np.array([[-1.5, 0.0, 2.0], [0.0, -0.5, 0.25]])
TIED = np.array([[2.0, 1.0, 2.0], [3.0, 3.0, 3.0]])
OTHER = np.array([[2.0, 0.0, 3.0], [3.0, 4.0, 1.0]])
TIED_ROWS = [[1.0, 1, 0, 0], [1, 1, 2, 0], [0, 2, 2, 2], [3, 3, 0, 2]]
TIED_MAPS = np.array(TIED_ROWS)[None, ..., None]

SAME = {
    "absolute": Case([AROUND_ZERO]),
    "clip": Case([AROUND_ZERO], {"low": -0.5, "high": 2.0}),
    "leaky_relu": Case([AROUND_ZERO], {"slope": 0.2}),
    "max": Case([TIED], {"axis": 1}),
    "max_pool2d": Case([TIED_MAPS], {"size": (2, 2), "stride": None, "padding": "valid"}),
    "maximum": Case([TIED, OTHER]),
    "min": Case([TIED], {"axis": 0}),
    "minimum": Case([TIED, OTHER]),
    "power": Case([AROUND_ZERO], {"exponent": 0}),
    "relu": Case([AROUND_ZERO]),
    "sign": Case([AROUND_ZERO]),
}


@pytest.mark.parametrize("name", SAME)
def test_the_same_choice_at_kinks_and_ties(name, agree, adapters):
    case = SAME[name]
    agree(case.call(getattr(mg, name)), case.call(adapters[name]), case.arrays)


def test_the_same_choice_where_a_leaky_slope_is_steep(agree, adapters):
    case = Case([AROUND_ZERO], {"slope": 3.0})
    agree(case.call(mg.leaky_relu), case.call(adapters["leaky_relu"]), case.arrays)


def test_the_same_first_choice_of_elu_whose_second_derivative_pytorch_takes_as_zero(adapters):
    from reference.agreement import of_minigan, of_torch

    case = Case([AROUND_ZERO], {"alpha": 1.7})
    found = of_minigan(case.call(mg.elu), case.arrays)
    wanted = of_torch(case.call(adapters["elu"]), case.arrays)
    np.testing.assert_allclose(found.gradients[0], wanted.gradients[0], rtol=1e-12)
    kink = AROUND_ZERO == 0
    assert not wanted.second_by_inputs[0][kink].any() and found.second_by_inputs[0][kink].all()
    np.testing.assert_allclose(found.second_by_inputs[0][~kink], wanted.second_by_inputs[0][~kink])


def test_the_same_choice_for_powers_of_zero(torch):
    """First gradients: the second ones by the exponent have an infinite logarithm in them."""
    base, exponent = np.array([0.0, 0.0, 0.0, 2.0]), np.array([0.0, 1.0, 2.5, 0.0])
    ours = [mg.Tensor(a, requires_grad=True) for a in (base, exponent)]
    theirs = [torch.tensor(a, requires_grad=True) for a in (base, exponent)]
    found = mg.grad(mg.power(*ours).sum(), ours)
    wanted = torch.autograd.grad(torch.pow(*theirs).sum(), theirs)
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


@pytest.mark.filterwarnings("ignore:divide by zero")
def test_the_same_infinite_slope_of_a_root_at_zero(torch):
    x, t = mg.Tensor(np.zeros(2), requires_grad=True), torch.zeros(2, requires_grad=True)
    for ours, theirs in ((mg.sqrt(x), torch.sqrt(t)), (mg.power(x, 0.5), torch.pow(t, 0.5))):
        (found,) = mg.grad(ours.sum(), [x])
        (wanted,) = torch.autograd.grad(theirs.sum(), [t])
        np.testing.assert_array_equal(found.numpy(), wanted.numpy())
        assert np.isinf(found.numpy()).all()


def test_a_global_maximum_that_ties_is_shared_where_pytorchs_pooling_takes_one(agree, adapters):
    def amax(x):
        return x.amax((1, 2))

    agree(mg.global_max_pool2d, amax, [TIED_MAPS])
    with pytest.raises(AssertionError, match="gradients"):
        agree(mg.global_max_pool2d, adapters["global_max_pool2d"], [TIED_MAPS])
