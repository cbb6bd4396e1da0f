"""What peers on NumPy's arrays share: windows of maps, and optimisers in place."""

from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.peers import eager, functional
from benchmarks.workloads import Adam, RMSprop

PACKAGE = SimpleNamespace(numpy=np)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("height, width, taps", [(7, 7, 3), (28, 14, 5), (5, 8, 4)])
def test_windows_of_maps_and_their_adjoint(height, width, taps, stride):
    """Windows are cut from padded maps one by one here; ⟨unfold(x), y⟩ = ⟨x, fold(y)⟩."""
    rng = np.random.default_rng(0)
    grid = eager.Grid((height, width), taps, stride)
    maps = rng.normal(size=(2, height, width, 3))
    (h, *down), (w, *across) = grid.down, grid.across
    assert (h, w) == (-(-height // stride), -(-width // stride))
    padded = np.pad(maps, ((0, 0), down, across, (0, 0)))
    wanted = [
        padded[k, i * stride : i * stride + taps, j * stride : j * stride + taps].ravel()
        for k, i, j in np.ndindex(2, h, w)
    ]
    found = grid.unfold(maps)
    assert np.array_equal(found, wanted)
    windows = rng.normal(size=found.shape)
    assert np.vdot(found, windows) == pytest.approx(np.vdot(maps, grid.fold(windows)))


@pytest.mark.parametrize("step", ["adam", "rmsprop"])
def test_an_update_in_place_is_the_formula(step):
    """What peers on NumPy's arrays do in place, and the others as a function of arrays."""
    rng = np.random.default_rng(0)
    settings = {"adam": Adam(0.1, 0.5, 0.9), "rmsprop": RMSprop(0.1, 0.5)}[step]
    weight = rng.normal(size=(4, 3))
    slots = tuple(np.zeros_like(weight) for _ in range(2 if step == "adam" else 1))
    expected, kept = weight.copy(), tuple(slot.copy() for slot in slots)
    for count in (1, 2, 3):
        gradient = rng.normal(size=weight.shape)
        expected, kept = getattr(functional, step)(
            PACKAGE, settings, expected, gradient, kept, count
        )
        getattr(eager, step)(settings, weight, gradient, slots, count)
    np.testing.assert_allclose(weight, expected, rtol=1e-12)
