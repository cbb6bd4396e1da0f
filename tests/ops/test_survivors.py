"""What only shows beyond the second order, or at single points: found by ``tests/mutation.py``."""

from __future__ import annotations

import devices
import numpy as np
import pytest

import minigan as mg
from minigan.kernels import convolution as kernel
from minigan.kernels.windows import Window
from minigan.tensor import Tensor
from minigan.testing import check_second_order
from minigan.testing.registry import ENTRIES
from minigan.testing.registry.coverage import forced


def gradients_of(function, count):
    """The map from ``count`` inputs and the cotangents to the gradients of the inputs."""

    def mapped(*both):
        xs, seeds = both[:count], both[count:]
        outputs = function(*xs)
        outputs = [outputs] if isinstance(outputs, Tensor) else list(outputs)
        found = mg.grad(outputs, xs, seeds, create_graph=True, allow_unused=True)
        return [g for g in found if g is not None and g.requires_grad]

    return mapped


@pytest.mark.parametrize("name", devices.entries())
def test_third_derivatives_of_everything_public(name):
    # An adjoint's own gradient is first needed at the second order: one that takes g for a
    # constant there is wrong from the third on.
    case, rng = ENTRIES[name].draw(0), np.random.default_rng(0)
    with forced(case.settings):
        outputs = case.function(*[Tensor(x) for x in case.inputs])
        outputs = [outputs] if isinstance(outputs, Tensor) else list(outputs)
        seeds = [rng.normal(size=y.shape) for y in outputs]
        function = gradients_of(case.function, len(case.inputs))
        check_second_order(function, [*case.inputs, *seeds])


def test_mixed_derivative_of_a_power_at_the_exponent_zero():
    # ∂²(aᵖ)/∂a∂p = aᵖ⁻¹·(1 + p·ln a), which is 1/a at p = 0, though ∂(aᵖ)/∂a is 0 there.
    a, p = Tensor([2.0, 5.0], requires_grad=True), Tensor([0.0, 0.0], requires_grad=True)
    (first,) = mg.grad(mg.power(a, p).sum(), [a], create_graph=True)
    (mixed,) = mg.grad(first.sum(), [p])
    np.testing.assert_allclose(mixed.numpy(), [0.5, 0.2], rtol=1e-14)


KERNELS = {
    "convolve": lambda x, w, y, where: kernel.convolve(x, w, where, 1),
    "input_gradient": lambda x, w, y, where: kernel.input_gradient(y, w, where, 1, (6, 7)),
    "weight_gradient": lambda x, w, y, where: kernel.weight_gradient(x, y, where, 1),
}


@pytest.mark.parametrize("name", KERNELS)
def test_columns_are_made_for_several_images_and_no_more_than_fit(monkeypatch, name):
    made = []

    def noted(original):
        return lambda *args: made.append(original(*args)) or made[-1]

    for helper in ("_columns", "_pieces"):
        monkeypatch.setattr(kernel, helper, noted(getattr(kernel, helper)))
    rng = np.random.default_rng(0)
    x, w, y = (rng.normal(size=s) for s in ((9, 6, 7, 3), (2, 3, 3, 4), (9, 5, 5, 4)))
    one = 5 * 5 * 2 * 3 * 3  # positions times taps times channels
    monkeypatch.setattr(kernel, "COLUMNS_AT_A_TIME", 4 * one)
    KERNELS[name](x, w, y, Window((2, 3)))
    sizes = [columns.size for columns in made]
    assert sum(sizes) == 9 * one and 2 * one <= max(sizes) <= 4 * one
