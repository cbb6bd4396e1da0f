from __future__ import annotations

import numpy as np
import pytest
import references
from hypothesis import given
from hypothesis import strategies as st
from properties import adjoint, behaves, close, gradient
from strategies import examples

import minigan as mg
from minigan import Tensor
from minigan.testing.strategies import seeds, values

factors = st.tuples(st.integers(1, 3), st.integers(1, 3))


@st.composite
def maps(draw, channels=2):
    shape = [draw(st.integers(0 if i == 0 else 1, 3)) for i in range(3)]
    return values(draw(seeds()), (min(shape[0], 2), *shape[1:], draw(st.integers(1, channels))))


@pytest.mark.parametrize("name", ["upsample_nearest", "upsample_bilinear"])
@examples(20)
@given(x=maps(), factor=factors)
def test_upsampling_follows_its_definition(name, x, factor):
    function = getattr(mg, name)
    close(function(Tensor(x), factor), getattr(references, name)(x, factor))
    behaves(lambda t: function(t, factor), x[:1])


@pytest.mark.parametrize("name", ["upsample_nearest", "upsample_bilinear"])
def test_upsampling_has_an_adjoint_and_doubles_by_default(name):
    function = getattr(mg, name)
    x, y = values(0, (2, 3, 2, 2)), values(1, (2, 6, 4, 2))
    adjoint(lambda a: function(Tensor(a)), lambda b: gradient(function, x, g=b), x, y)


def test_bilinear_interpolation_keeps_constants_and_ramps():
    assert np.allclose(mg.upsample_bilinear(np.full((1, 2, 3, 1), 5.0), 3).numpy(), 5, atol=1e-14)
    ramp = np.arange(4.0).reshape(1, 1, 4, 1)
    found = mg.upsample_bilinear(ramp, (1, 2)).numpy().ravel()
    np.testing.assert_allclose(found, [0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3], rtol=1e-15)


@examples(15)
@given(
    n=st.integers(0, 2), side=st.integers(1, 2), r=st.integers(1, 3), c=st.integers(1, 2), s=seeds()
)
def test_pixel_shuffle_makes_blocks_of_channels(n, side, r, c, s):
    x = values(s, (n, side, 2, r * r * c))
    close(mg.pixel_shuffle(Tensor(x), r), references.pixel_shuffle(x, r))
    behaves(lambda t: mg.pixel_shuffle(t, r), x[:1, :, :1])


def test_pixel_shuffle_undoes_the_cutting_into_blocks():
    picture = values(0, (1, 4, 6, 3))
    blocks = picture.reshape(1, 2, 2, 3, 2, 3).transpose(0, 1, 3, 2, 4, 5).reshape(1, 2, 3, 12)
    np.testing.assert_array_equal(mg.pixel_shuffle(blocks).numpy(), picture)


@pytest.mark.parametrize("name", ["upsample_nearest", "upsample_bilinear", "pixel_shuffle"])
def test_no_map_has_no_pixels(name):
    x = np.ones((0, 2, 2, 4))
    assert getattr(mg, name)(Tensor(x)).shape[:3] == (0, 4, 4)
    assert getattr(mg, name)(Tensor(np.ones((1, 0, 2, 4)))).shape[:3] == (1, 0, 4)
    assert gradient(getattr(mg, name), x).shape == x.shape


@pytest.mark.parametrize("name", ["upsample_nearest", "upsample_bilinear", "pixel_shuffle"])
def test_what_is_wrong_is_named(name):
    function, x = getattr(mg, name), Tensor(np.ones((1, 2, 2, 6)))
    with pytest.raises(ValueError, match=rf"{name}: got shape \(2, 2, 6\), wanted maps"):
        function(x[0])
    if name == "pixel_shuffle":
        with pytest.raises(ValueError, match="6 channels .* multiple of 4"):
            function(x, 2)
        with pytest.raises(ValueError, match="pixel_shuffle"):
            function(x, 0)
    else:
        for factor in (0, (2, 0), 1.5, (1, 2, 3)):
            with pytest.raises(ValueError, match="factor: got"):
                function(x, factor)
