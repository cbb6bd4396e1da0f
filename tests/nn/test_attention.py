"""Self-attention against its sums, written out."""

import math

import numpy as np
import pytest

from minigan import nn
from minigan.testing.values import values


def by_loops(x, p, pool):
    """Zhang et al., eqs. 1 to 3, one position at a time."""
    n, height, width, _ = x.shape
    y = np.zeros_like(x)
    for b in range(n):
        spots = [x[b, i, j] for i in range(height) for j in range(width)]
        offered = [(s @ p["f.weight"], s @ p["h.weight"]) for s in spots]
        if pool:
            offered = [
                tuple(
                    np.max(
                        [
                            offered[(2 * i + a) * width + 2 * j + c][k]
                            for a in (0, 1)
                            for c in (0, 1)
                        ],
                        0,
                    )
                    for k in (0, 1)
                )
                for i in range(height // 2)
                for j in range(width // 2)
            ]
        for at, spot in enumerate(spots):
            scores = [math.exp(float(f @ (spot @ p["g.weight"]))) for f, _ in offered]
            mean = sum(s * h for s, (_, h) in zip(scores, offered, strict=True)) / sum(scores)
            y[b, at // width, at % width] = spot + p["gamma"] * (mean @ p["v.weight"])
    return y


@pytest.mark.parametrize("pool", [True, False])
def test_each_position_gets_the_mean_of_what_others_offer(pool):
    module = nn.SelfAttention(pool, dtype="float64").build((None, 4, 6, 8), seed=0)
    for i, parameter in enumerate(module.parameters()):
        parameter.assign(values(i, parameter.shape))
    x = values(9, (2, 4, 6, 8))
    np.testing.assert_allclose(
        module(x).numpy(), by_loops(x, module.state_dict(), pool), rtol=1e-10
    )


def test_it_starts_as_the_identity():
    x = values(0, (2, 4, 4, 8)).astype("f4")
    assert np.array_equal(nn.SelfAttention()(x).numpy(), x)


@pytest.mark.parametrize(("channels", "widths"), [(16, (2, 2, 8)), (3, (1, 1, 1))])
def test_the_convolutions_have_their_share_of_the_channels(channels, widths):
    state = nn.SelfAttention().build((None, 4, 4, channels)).state_dict()
    assert tuple(state[f"{name}.weight"].shape[1] for name in "fgh") == widths
    assert state["v.weight"].shape == (widths[2], channels)
    assert state["gamma"].tolist() == [0] and len(state) == 5


def test_spectral_bounds_all_four():
    module = nn.SelfAttention(spectral=True).build((None, 4, 4, 8))
    assert all(type(getattr(module, name)) is nn.SpectralNorm for name in "fghv")
    assert {"f.u", "v.layer.weight"} <= module.named_state().keys()


def test_what_can_not_be_pooled_is_refused():
    with pytest.raises(ValueError, match=r"maps of \(1, 4\) can't be pooled: pool=False"):
        nn.SelfAttention().build((None, 1, 4, 8))
    with pytest.raises(ValueError, match=r"\(1, 8\), wanted maps \(N, H, W, C\)"):
        nn.SelfAttention().build((None, 8))
