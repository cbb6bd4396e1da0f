"""Batch, layer and instance normalisation: values, statistics and modes."""

import math

import numpy as np
import pytest
import references

from minigan import nn
from minigan.testing.values import values


def made(layer, shape):
    """Built, with random γ and β."""
    layer.build(shape, seed=0)
    layer.gamma.assign(values(1, layer.gamma.shape, "off_zero"))
    layer.beta.assign(values(2, layer.beta.shape))
    return layer


def close(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize(
    ("layer", "shape", "axes"),
    [
        (nn.BatchNorm, (5, 3), (0,)),
        (nn.BatchNorm, (2, 3, 4, 3), (0, 1, 2)),
        (nn.LayerNorm, (2, 4, 3), (-1,)),
        (nn.InstanceNorm, (2, 3, 4, 3), (1, 2)),
        (nn.InstanceNorm, (2, 5, 3), (1,)),
    ],
)
def test_the_result_is_gamma_times_the_normalised_plus_beta(layer, shape, axes):
    norm = made(layer(eps=0.05, dtype="float64"), shape)
    x = values(3, shape) * 3 + 5
    expected = references.normalize(x, axes, 0.05) * norm.gamma.numpy() + norm.beta.numpy()
    with nn.training(True):
        close(norm(x).numpy(), expected)


def test_running_statistics_take_the_biased_variance_and_keep_decay_of_the_old():
    norm = nn.BatchNorm(decay=0.75, dtype="float64").build((None, 2), seed=0)
    mean, variance = [0.0, 0.0], [1.0, 1.0]
    for seed in range(3):
        x = values(seed, (4, 2)) + 2
        norm(x)
        for c in range(2):
            column = [float(v) for v in x[:, c]]
            centre = math.fsum(column) / 4
            spread = math.fsum((v - centre) ** 2 for v in column) / 4  # n, not n − 1
            mean[c] = 0.75 * mean[c] + 0.25 * centre
            variance[c] = 0.75 * variance[c] + 0.25 * spread
    close(norm.running_mean.numpy(), mean)
    close(norm.running_var.numpy(), variance)


def test_running_statistics_are_kept_but_not_trained():
    norm = nn.BatchNorm().build((None, 2))
    assert list(norm.named_parameters()) == ["gamma", "beta"]
    assert list(norm.named_state()) == ["gamma", "beta", "running_mean", "running_var"]


def test_evaluation_uses_the_running_statistics_and_leaves_them():
    norm = made(nn.BatchNorm(eps=0.05, dtype="float64"), (None, 2)).eval()
    norm.running_mean.assign([3.0, -1.0])
    norm.running_var.assign([4.0, 0.25])
    x = values(0, (3, 2))
    expected = (x - [3, -1]) / np.sqrt([4.05, 0.3]) * norm.gamma.numpy() + norm.beta.numpy()
    before = norm.state_dict()
    close(norm(x).numpy(), expected)
    assert all(np.array_equal(before[name], now) for name, now in norm.state_dict().items())


def test_building_and_summaries_leave_the_running_statistics_alone():
    norm = nn.BatchNorm().build((None, 2))
    norm.summary()
    assert norm.running_mean.numpy().tolist() == [0, 0]
    assert norm.running_var.numpy().tolist() == [1, 1]


def test_a_batch_of_equals_is_finite_and_gives_beta():
    norm = made(nn.BatchNorm(), (None, 2))
    assert np.array_equal(norm(np.full((3, 2), 7, "f4")).numpy(), [norm.beta.numpy()] * 3)


def test_momentum_is_refused_with_both_ways_to_say_it():
    with pytest.raises(TypeError) as error:
        nn.BatchNorm(momentum=0.1)
    assert "Keras's momentum=m pass decay=m" in str(error.value)
    assert "PyTorch's momentum=m pass decay=1 - m" in str(error.value)


def test_other_names_are_refused_with_the_right_ones():
    with pytest.raises(TypeError, match="does not take epsilon: decay, eps, affine and dtype"):
        nn.BatchNorm(epsilon=1e-3)


@pytest.mark.parametrize("layer", [nn.BatchNorm, nn.LayerNorm, nn.InstanceNorm])
def test_settings_are_given_by_name(layer):
    """Momentum passed as ε by position is a defect that public code has had."""
    with pytest.raises(TypeError, match="positional"):
        layer(0.9)


@pytest.mark.parametrize("settings", [{"decay": 1}, {"decay": -0.1}, {"eps": 0}])
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(ValueError, match=r"decay: got .*in \[0, 1\)|eps: got 0, wanted a positive"):
        nn.BatchNorm(**settings)


def test_an_empty_batch_has_no_statistics():
    with pytest.raises(ValueError, match="an empty batch has no mean"):
        nn.BatchNorm().build((None, 2))(np.zeros((0, 2), "f4"))


@pytest.mark.parametrize("layer", [nn.BatchNorm, nn.LayerNorm])
def test_a_sample_without_its_batch_is_refused(layer):
    """Normalised over no axis at all it would give β, whatever it is."""
    norm = layer().build((None, 3))
    with pytest.raises(ValueError, match=rf"{layer.__name__}: got an input of shape \(3,\)"):
        norm(np.ones(3, "f4"))


@pytest.mark.parametrize("layer", [nn.BatchNorm, nn.LayerNorm, nn.InstanceNorm])
def test_wrong_channels_name_the_layer(layer):
    model = nn.Sequential(layer()).build((None, 2, 3))
    with pytest.raises(ValueError, match=rf"{layer.__name__} '0': .* 4 channels"):
        model(np.zeros((1, 2, 4), "f4"))


def test_instance_norm_needs_positions():
    with pytest.raises(ValueError, match="positions"):
        nn.InstanceNorm().build((None, 3))


def test_evaluation_centres_before_it_scales_and_keeps_its_digits():
    norm = nn.BatchNorm().build((None, 1)).eval()
    norm.running_mean.assign([1e4])
    norm.running_var.assign([0.01])
    x = np.float32(10000.1)
    wanted = (float(x) - 1e4) / np.sqrt(0.011)
    assert norm(np.full((1, 1), x, np.float32)).item() == pytest.approx(wanted, rel=1e-5)


def test_float16_whose_squares_overflow_is_normalised():
    norm = nn.BatchNorm(dtype="float16").build((None, 1)).train()
    y = norm(np.array([[-300], [300]], np.float16)).numpy()
    assert y.dtype == np.float16
    assert np.abs(y.ravel() - [-1, 1]).max() < 1e-3
    assert np.isfinite(norm.running_var.numpy()).all()


@pytest.mark.parametrize("layer", [nn.LayerNorm, nn.InstanceNorm, nn.BatchNorm])
def test_eps_must_be_positive(layer):
    with pytest.raises(ValueError, match="eps"):
        layer(eps=-1.0)


def test_a_parameter_asked_for_too_early_names_build():
    with pytest.raises(RuntimeError, match=r"build\(input_shape\)"):
        _ = nn.Dense(3).weight
    with pytest.raises(AttributeError, match="no attribute 'wait'"):
        _ = nn.Dense(3).wait
