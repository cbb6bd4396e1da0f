"""Every loss in LOSSES against its formula, its gradients, and logits of ±10⁴."""

from __future__ import annotations

import numpy as np
import pytest
from games import networks
from properties import FLOATS, close

import minigan as mg
from minigan import Tensor, gan, nn
from minigan.gan import (
    LOSSES,
    BinaryCrossEntropy,
    FeatureMatching,
    Game,
    LeastSquares,
    Loss,
    Minimax,
    NonSaturating,
    Output,
    SeveralDiscriminators,
)
from minigan.testing import check_gradients


def sigma(s):
    return 1 / (1 + np.exp(-s))


def from_logits(real, fake):
    return -np.log(sigma(real)).mean() - np.log(1 - sigma(fake)).mean()


def same(x):
    return x


# name: (discriminator's loss, generator's loss, score), all of raw outputs
FORMULAS = {
    "minimax": (from_logits, lambda r, f: np.log(1 - sigma(f)).mean(), sigma),
    "non_saturating": (from_logits, lambda r, f: -np.log(sigma(f)).mean(), sigma),
    "least_squares": (
        lambda r, f: ((r - 1) ** 2).mean() / 2 + (f**2).mean() / 2,
        lambda r, f: ((f - 1) ** 2).mean() / 2,
        same,
    ),
    "hinge": (
        lambda r, f: np.maximum(0, 1 - r).mean() + np.maximum(0, 1 + f).mean(),
        lambda r, f: -f.mean(),
        same,
    ),
    "wasserstein": (lambda r, f: f.mean() - r.mean(), lambda r, f: -f.mean(), same),
    "relativistic_paired": (
        lambda r, f: -np.log(sigma(r - f)).mean(),
        lambda r, f: -np.log(sigma(f - r)).mean(),
        sigma,
    ),
    "relativistic_average": (
        lambda r, f: from_logits(r - f.mean(), f - r.mean()),
        lambda r, f: from_logits(f - r.mean(), r - f.mean()),
        sigma,
    ),
    "binary_cross_entropy": (
        lambda p, q: -np.log(p).mean() - np.log(1 - q).mean(),
        lambda p, q: -np.log(q).mean(),
        same,
    ),
}
ON_LOGITS = ("minimax", "non_saturating")
ON_PROBABILITIES = ("binary_cross_entropy",)


def outputs(name):
    """Of different counts if need not be pairs, on both sides of the kinks at ±1, not near them."""
    real = np.array([[2.0], [-1.7], [0.4], [0.1], [3.0]])
    fake = np.array([[-2.5], [0.6], [-0.3], [1.4], [-0.2]])
    fake = fake if name == "relativistic_paired" else fake[:3]
    return (sigma(real), sigma(fake)) if name in ON_PROBABILITIES else (real, fake)


def both(loss, real, fake):
    real, fake = Output(real), Output(fake)
    return loss.discriminator(real, fake), loss.generator(real, fake)


def test_every_loss_is_tested():
    assert FORMULAS.keys() == LOSSES.keys()


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_is_its_formula(name):
    real, fake = outputs(name)
    discriminator, generator, score = FORMULAS[name]
    d, g = both(LOSSES[name], Tensor(real), Tensor(fake))
    assert d.shape == g.shape == ()
    close(d, np.asarray(discriminator(real, fake)))
    close(g, np.asarray(generator(real, fake)))
    close(LOSSES[name].score(Output(Tensor(real))), score(real))


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("player", ["discriminator", "generator"])
def test_gradients_are_right_to_second_order(name, player):
    loss = getattr(LOSSES[name], player)
    check_gradients(lambda r, f: loss(Output(r), Output(f)), outputs(name), order=2)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("dtype", FLOATS)
def test_a_loss_keeps_its_dtype(name, dtype):
    real, fake = (Tensor(a, requires_grad=True, dtype=dtype) for a in outputs(name))
    for value in both(LOSSES[name], real, fake):
        assert value.dtype == dtype
        for g in mg.grad(value, [real, fake], allow_unused=True):
            assert g is None or g.dtype == dtype


@pytest.mark.parametrize("name", LOSSES)
def test_an_unpaired_loss_needs_no_real_output(name):
    fake = outputs(name)[1]
    if LOSSES[name].paired:
        with pytest.raises(ValueError, match="real: got None, but this loss compares"):
            LOSSES[name].generator(None, Output(Tensor(fake)))
        return
    close(LOSSES[name].generator(None, Output(Tensor(fake))), FORMULAS[name][1](None, fake))


@pytest.mark.parametrize("name", sorted(LOSSES.keys() - set(ON_PROBABILITIES)))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("real", [-1e4, 1e4])
@pytest.mark.parametrize("fake", [-1e4, 1e4])
def test_nothing_overflows_at_extreme_logits(name, dtype, real, fake):
    x, y = (Tensor(np.full((2, 1), s), requires_grad=True, dtype=dtype) for s in (real, fake))
    for value in both(LOSSES[name], x, y):
        assert np.isfinite(value.item())
        for g in mg.grad(value, [x, y], allow_unused=True):
            assert g is None or np.isfinite(g.numpy()).all()


@pytest.mark.parametrize("name", ON_LOGITS)
def test_a_confidently_wrong_discriminator_has_its_whole_gradient(name):
    real = Tensor(np.full((2, 1), -1e4, np.float32), requires_grad=True)
    fake = Tensor(np.full((2, 1), 1e4, np.float32), requires_grad=True)
    loss = LOSSES[name].discriminator(Output(real), Output(fake))
    at_real, at_fake = mg.grad(loss, [real, fake])
    assert loss.item() == 2e4
    assert at_real.numpy().ravel().tolist() == [-0.5, -0.5]
    assert at_fake.numpy().ravel().tolist() == [0.5, 0.5]


def test_a_rejected_generator_has_its_whole_gradient_unless_the_loss_saturates():
    fake = Tensor(np.full((2, 1), -1e4, np.float32), requires_grad=True)
    slope = {
        name: mg.grad(LOSSES[name].generator(None, Output(fake)), [fake])[0].numpy()[0, 0]
        for name in ON_LOGITS
    }
    assert slope == {"non_saturating": -0.5, "minimax": 0.0}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cross_entropy_on_probabilities_is_finite_at_0_and_1(dtype):
    p = np.array([[0.0], [1.0]], dtype)
    for value in both(BinaryCrossEntropy(), Tensor(p), Tensor(1 - p)):
        assert 7 < value.item() < 33  # −ln 10⁻⁷ is 16.1; half the batch is wrong, in either term


@pytest.mark.parametrize("score", [-0.5, 1.5])
def test_raw_scores_are_not_taken_for_probabilities(score):
    good, bad = (Output(Tensor(np.array([[0.5], [s]]))) for s in (0.2, score))
    for call in (
        lambda: BinaryCrossEntropy().discriminator(good, bad),
        lambda: BinaryCrossEntropy().discriminator(bad, good),
        lambda: BinaryCrossEntropy().generator(None, bad),
    ):
        with pytest.raises(ValueError, match=r"scores from -?0.5 to .*5, wanted probabilities"):
            call()
    lost = Output(Tensor(np.array([[np.nan]])))  # whoever looks for NaN is to find it
    assert np.isnan(BinaryCrossEntropy().generator(None, lost).item())


@pytest.mark.parametrize("loss", [Minimax, NonSaturating, LeastSquares])
def test_smoothing_is_off_by_default_and_of_real_labels_alone(loss):
    real, fake = outputs("minimax")
    plain, smooth = (both(x, Tensor(real), Tensor(fake)) for x in (loss(), loss(real_label=0.9)))
    if loss is LeastSquares:
        gap = ((real - 0.9) ** 2 - (real - 1) ** 2).mean() / 2
    else:
        gap = -0.1 * (np.log(sigma(-real)) - np.log(sigma(real))).mean()
    close(smooth[0] - plain[0], np.asarray(gap))
    assert smooth[1].item() == plain[1].item()


@pytest.mark.parametrize("label", [7.0, 1.01, 0.0, -0.1, np.nan])
@pytest.mark.parametrize("loss", [Minimax, NonSaturating])
def test_a_real_label_is_a_probability(loss, label):
    with pytest.raises(ValueError, match=rf"real_label: got {label}, wanted a number in \(0, 1\]"):
        loss(real_label=label)


@pytest.mark.parametrize("label", [0.0, -1.0, 2.0, 5.0, float("nan"), float("inf")])
def test_the_target_of_least_squares_leaves_fakes_something_to_reach(label):
    assert LeastSquares(real_label=1.2).real_label == 1.2
    with pytest.raises(ValueError, match=r"real_label: got .*, wanted a number in \(0, 2\)"):
        LeastSquares(real_label=label)


@pytest.mark.parametrize("label", [0.5, 1.0, 1.9])
def test_fakes_that_are_taken_for_real_half_the_time_are_to_score_more(label):
    """Mao et al., eq. 9: where real and fake images are alike, D* gives half the label."""
    score = Tensor(np.full((4, 1), label / 2), requires_grad=True)
    loss = LeastSquares(real_label=label)
    (g,) = mg.grad(loss.discriminator(Output(score), Output(score)), [score])
    close(g, np.zeros((4, 1)))
    (g,) = mg.grad(loss.generator(None, Output(score)), [score])
    assert (g.numpy() < 0).all()


def test_feature_matching_is_the_distance_of_mean_features():
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(5, 3)), rng.normal(size=(4, 3))
    said = [Output(Tensor(np.ones((len(f), 1))), Tensor(f)) for f in (real, fake)]
    gap = real.mean(0) - fake.mean(0)
    close(FeatureMatching().generator(*said), np.asarray((gap**2).sum()))
    close(FeatureMatching(LOSSES["hinge"]).discriminator(*said), np.asarray(2.0))
    with pytest.raises(TypeError, match=r"features: got NoneType.*Heads"):
        FeatureMatching().generator(Output(Tensor(real)), Output(Tensor(fake)))


@pytest.mark.parametrize("sharpness", [0.0, 1.5, np.inf])
def test_several_discriminators_are_weighed_by_their_losses(sharpness):
    rng = np.random.default_rng(1)
    real, fake = rng.normal(size=(5, 3)), rng.normal(size=(4, 3))
    loss = SeveralDiscriminators(NonSaturating(), sharpness)
    each = [-np.log(sigma(fake[:, k])).mean() for k in range(3)]
    weights = np.exp(sharpness * np.array(each)) if sharpness < np.inf else each == np.max(each)
    d, g = both(loss, Tensor(real), Tensor(fake))
    close(g, np.asarray((weights / weights.sum() * each).sum()))
    close(d, np.asarray(sum(from_logits(real[:, k], fake[:, k]) for k in range(3))))
    check_gradients(lambda f: loss.generator(None, Output(f)), [fake], order=2)


def test_mean_of_terms_halves_the_discriminators_loss_only():
    real, fake = map(Tensor, outputs("binary_cross_entropy"))
    whole = both(BinaryCrossEntropy(), real, fake)
    halved = both(BinaryCrossEntropy(mean_of_terms=True), real, fake)
    assert halved[0].item() == whole[0].item() / 2
    assert halved[1].item() == whole[1].item()


def test_a_game_takes_a_loss_by_name_or_itself():
    assert Game(*networks(), "hinge", image_range=(0, 1)).loss is LOSSES["hinge"]
    mine = NonSaturating()
    assert Game(*networks(), mine, image_range=(0, 1)).loss is mine
    with pytest.raises(ValueError, match="loss: got 'wgan', wanted one of minimax, non_saturating"):
        Game(*networks(), "wgan", image_range=(0, 1))


@pytest.mark.parametrize("made", [FeatureMatching, SeveralDiscriminators])
def test_a_loss_of_a_loss_takes_no_name(made):
    with pytest.raises(TypeError, match=r"loss: got 'hinge', wanted a loss such as Hinge\(\)"):
        made("hinge")


@pytest.mark.parametrize("player", ["discriminator", "generator"])
def test_a_loss_that_lacks_a_player_says_which(player):
    class Half(Loss):
        pass

    with pytest.raises(TypeError, match=rf"Half does not define {player}\(\)"):
        getattr(Half(), player)(None, None)


def test_features_of_several_discriminators_are_matched_together():
    rng = np.random.default_rng(0)
    real, fake = ([Tensor(rng.normal(size=(4, n))) for n in (2, 3)] for _ in range(2))
    logits = Tensor(np.zeros((4, 2)))
    loss = gan.FeatureMatching(gan.SeveralDiscriminators())
    found = loss.generator(gan.Output(logits, real), gan.Output(logits, fake)).item()
    pairs = zip(real, fake, strict=True)
    gaps = [r.numpy().mean(0) - f.numpy().mean(0) for r, f in pairs]
    assert found == pytest.approx(sum((gap**2).sum() for gap in gaps))
    with pytest.raises(TypeError, match=r"features: got NoneType.*or Several of such"):
        loss.generator(gan.Output(logits, [None, None]), gan.Output(logits, fake))


def test_several_discriminators_judge_as_many_images_together():
    packed = [gan.Packed(nn.Dense(1), count) for count in (2, 4)]
    with pytest.raises(ValueError, match="Several: got discriminators that judge 2 and 4 images"):
        gan.Several(*packed)
    with pytest.raises(ValueError, match="that judge 1 and 4 images"):
        gan.Several(nn.Dense(1), packed[1])
