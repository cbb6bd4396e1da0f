"""Moving averages of weights: the formula, the warm-up, and the twin's independence."""

import numpy as np
import pytest

from minigan import nn
from minigan.optim import MovingAverage
from minigan.testing.values import values


def model(dtype="float64"):
    return nn.Sequential(nn.Dense(2), nn.BatchNorm()).build((None, 3), seed=0).to(dtype)


def shake(module, seed):
    for i, parameter in enumerate(module.named_state().values()):
        parameter.assign(values(100 * seed + i, parameter.shape, "positive"))


@pytest.mark.parametrize("decay", [0.0, 0.3, 0.99])
def test_weights_follow_the_formula_with_its_warm_up(decay):
    net = model()
    average = MovingAverage(net, decay)
    expected = {name: p.numpy() for name, p in net.named_parameters().items()}
    for step in range(30):
        shake(net, step)
        average.update(net, step)
        share = min(decay, (1 + step) / (10 + step))
        for name, p in net.named_parameters().items():
            expected[name] = share * expected[name] + (1 - share) * p.numpy()
    found = average.module.named_state()
    for name, array in expected.items():
        np.testing.assert_allclose(found[name].numpy(), array, rtol=1e-12)


def test_the_first_update_takes_nine_tenths():
    net = nn.Dense(1, use_bias=False, init="zeros").build((None, 1))
    average = MovingAverage(net)
    net.weight.assign([[1.0]])
    average.update(net, 0)
    assert average.module.weight.item() == np.float32(0.9)


def test_late_updates_take_one_minus_decay():
    net = nn.Dense(1, use_bias=False, init="zeros", dtype="float64").build((None, 1))
    average = MovingAverage(net, 0.75)
    net.weight.assign([[1.0]])
    average.update(net, 10_000)
    assert average.module.weight.item() == 0.25


def test_kept_statistics_are_averaged_like_weights():
    net = model()
    average = MovingAverage(net, 0.75)
    before, _ = net[1].running_mean.numpy(), shake(net, 1)
    average.update(net, 10_000)
    wanted = 0.75 * before + 0.25 * net[1].running_mean.numpy()
    assert np.allclose(average.module[1].running_mean.numpy(), wanted, rtol=1e-6)
    assert not np.allclose(wanted, net[1].running_mean.numpy())


def test_the_twin_is_in_evaluation_mode_and_leaves_the_original_alone():
    net = model()
    before = net.state_dict()
    average = MovingAverage(net)
    assert not average.module.training
    assert net.training
    shake(average.module, 1)
    assert all(np.array_equal(before[name], a) for name, a in net.state_dict().items())


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_dtypes_and_arrays_stay(dtype):
    net = model(dtype)
    average = MovingAverage(net)
    arrays = {name: p._array for name, p in average.module.named_state().items()}
    shake(net, 1)
    average.update(net, 3)
    for name, p in average.module.named_state().items():
        assert p._array is arrays[name]
        assert p.dtype == dtype


@pytest.mark.parametrize("decay", [1, 1.5, -0.1, float("nan")])
def test_decays_out_of_range_are_refused(decay):
    with pytest.raises(ValueError, match="decay"):
        MovingAverage(nn.ReLU(), decay)
