"""Every public function, layer, loss and cure gives the CPU's values and gradients on a GPU."""

from __future__ import annotations

import numpy as np
import pytest

import minigan as mg
from minigan.kernels.choice import ON_A_CPU
from minigan.testing.registry import ENTRIES
from minigan.testing.registry.coverage import forced

ON_THE_CPU_ALONE = {f"conv2d.{name}" for name in ON_A_CPU}
TOLERANCE = 1e-10  # of float64, in norm


def evaluated(case, device):
    """Values, gradients and the gradients of gradients of a case, by what they are."""
    rng = np.random.default_rng(0)

    def tracked(array):
        return mg.Tensor(array, requires_grad=True, device=device)

    xs = [tracked(x) for x in case.inputs]
    with forced(case.settings):
        result = case.function(*xs)
        outputs = [result] if isinstance(result, mg.Tensor) else list(result)
        vs = [tracked(rng.normal(size=y.shape)) for y in outputs]
        plain = mg.grad(outputs, xs, vs, allow_unused=True, retain_graph=True)
        found = mg.grad(outputs, xs, vs, create_graph=True, allow_unused=True)
        again = [g for g in found if g is not None and g.requires_grad]
        us = [mg.Tensor(rng.normal(size=g.shape), device=device) for g in again]
        second = mg.grad(again, [*xs, *vs], us, allow_unused=True) if again else ()
    kinds = {"values": outputs, "gradients": plain, "recorded": found, "second": second}
    return {
        f"{kind} {i}": tensor
        for kind, tensors in kinds.items()
        for i, tensor in enumerate(tensors)
        if tensor is not None
    }


@pytest.mark.parametrize("name", sorted(ENTRIES.keys() - ON_THE_CPU_ALONE))
def test_an_entry_agrees_with_the_cpu(cupy, at_length, name):
    for seed in range(5 if at_length else 1):
        here, there = (evaluated(ENTRIES[name].draw(seed), d) for d in ("cpu", "cuda"))
        assert here.keys() == there.keys()
        for what, wanted in here.items():
            got, wanted = there[what], wanted.numpy()
            assert got.device == "cuda:0", what
            assert got.dtype == wanted.dtype and got.shape == wanted.shape, what
            gap = np.linalg.norm(got.numpy() - wanted)
            assert gap <= TOLERANCE * np.linalg.norm(wanted), f"{what}, seed {seed}"


@pytest.mark.parametrize("name", sorted(ON_A_CPU))
def test_algorithms_for_a_processors_cache_are_refused(cupy, name):
    x, w = (mg.Tensor(np.ones(s), device="cuda") for s in ((1, 4, 4, 1), (3, 3, 1, 1)))
    with mg.config(conv=name), pytest.raises(ValueError, match=f"conv='{name}' is for the CPU"):
        mg.ops.conv2d(x, w)
