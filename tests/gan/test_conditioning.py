"""Labels, class heads and codes: what is told, what is found out, and what is refused."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
from games import LATENT, SHAPE, bits, pictures
from properties import close, plain

import minigan as mg
from minigan import Tensor, gan, nn
from minigan.gan import Codes, Game, Labels, Normal, Trainer
from minigan.optim import SGD
from minigan.random import Stream

RNG = np.random.default_rng(0)
CLASSES = 3


class Told(nn.Module):
    """A network that takes labels, one-hot beside its flattened input."""

    def __init__(self, network):
        self.network = network

    def forward(self, x, labels):
        x = mg.flatten(mg.as_tensor(x))
        told = np.eye(CLASSES, dtype=x.dtype)[plain(labels)]
        return self.network(mg.concatenate([x, told], axis=1))


def generator():
    return nn.Sequential(nn.Dense(8), nn.ReLU(), nn.Dense(16), nn.Reshape(*SHAPE), nn.Tanh())


def heads(**units):
    body = nn.Sequential(nn.Flatten(), nn.Dense(6), nn.LeakyReLU(0.2))
    return gan.Heads(body, **{name: nn.Dense(n) for name, n in units.items()})


def conditional(**settings):
    judge = nn.Sequential(nn.Dense(6), nn.LeakyReLU(0.2), nn.Dense(1))
    return Game(
        Told(generator()), Told(judge), "hinge", Normal(LATENT), (-1, 1),
        conditioning=Labels(CLASSES), **settings,
    )  # fmt: skip


def labelled(count=24):
    return pictures(count), np.arange(count) % CLASSES


# Told


def test_a_conditional_game_trains_samples_saves_and_resumes(tmp_path):
    whole, first, second = (Trainer(conditional(cures=[gan.R1(0.1)]), seed=2) for _ in range(3))
    for run, steps in ((whole, 4), (first, 2)):
        run.fit([labelled(8)], steps)
    first.save(tmp_path / "state.npz")
    second.load(tmp_path / "state.npz")
    second.fit([labelled(8)], 2)
    assert bits(second.state()) == bits(whole.state())
    path = tmp_path / "generator.npz"
    gan.save_generator(whole.sampler, whole.game.latent, (-1, 1), path, whole.game.conditioning)
    loaded = gan.load_generator(path, {"Told": Told})
    for label in (None, 1, [2] * 70):
        assert np.array_equal(loaded.sample(70, 5, label), whole.sample(70, 5, label=label))


def test_samples_take_turns_through_the_classes_unless_told():
    run = Trainer(conditional(), seed=1)
    turns = run.sample(6, seed=3)
    for label in range(CLASSES):
        same = run.sample(6, seed=3, label=label)
        assert np.array_equal(turns[label::CLASSES], same[label::CLASSES])
        assert not np.array_equal(turns, same)


def test_fakes_have_the_labels_of_the_real_images():
    seen = []

    class Watching(gan.Cure):
        def moved(self, turn):
            seen.append((turn.batch.condition.tolist(), turn.draw.condition.tolist()))

    run = Trainer(conditional(cures=[Watching()]))
    images, labels = labelled(5)
    run.step((images, labels))
    assert seen == [(labels.tolist(), labels.tolist())] * 2


def test_only_the_generator_is_told_if_so_wished():
    played = Game(
        Told(generator()), heads(logits=1, class_logits=CLASSES), "hinge", Normal(LATENT), (-1, 1),
        cures=[gan.Classification()], conditioning=Labels(CLASSES, discriminator=False),
    )  # fmt: skip
    report = Trainer(played).fit([labelled(8)], 3)
    assert np.isfinite(report[1:]).all()


@pytest.mark.parametrize(
    "labels, message",
    [
        (None, "labels: got none, but this game is conditional"),
        (np.array([0.0] * 8), r"labels: got float64 \(8,\), wanted integers"),
        (np.array([0, 1, 2, 3] * 2), "labels: got 0 to 3, wanted 0 to 2"),
        (np.zeros((8, 1), int), r"wanted integers \(N,\)"),
    ],
)
def test_wrong_labels_are_refused(labels, message):
    run = Trainer(conditional())
    with pytest.raises(ValueError, match=message):
        run.step(gan.Batch(pictures(8), labels))


@pytest.mark.parametrize("label", [[0, 1], [[1]]])
def test_labels_to_sample_are_one_or_as_many_as_images(label):
    run = Trainer(conditional())
    with pytest.raises(ValueError, match=r"label: got shape .* wanted one class, or 3 of them"):
        run.sample(3, label=label)
    with pytest.raises(ValueError, match="condition: got one beside label"):
        run.sample(3, condition=np.zeros(3, int), label=1)


def test_a_head_may_be_told_the_label_as_the_body_may():
    def body(*first):
        return nn.Sequential(*first, nn.Flatten(), nn.Dense(5))

    def told():
        return body(nn.LabelConcat(CLASSES))

    for judge in (
        gan.Heads(body(), nn.Projection(CLASSES)),
        gan.Heads(told(), nn.Dense(1)),
        nn.Sequential(gan.Heads(told(), nn.Projection(CLASSES))),
        nn.Sequential(gan.Several(gan.Heads(told(), nn.Dense(1)), told())),
        gan.Heads(Told(nn.Dense(5)), nn.Dense(1)),  # which does not say that it takes labels
        nn.Sequential(nn.LabelConcat(CLASSES), gan.Packed(nn.Sequential(body(), nn.Dense(1)))),
    ):
        played = Game(
            Told(generator()), judge, "hinge", Normal(LATENT), (-1, 1),
            conditioning=Labels(CLASSES),
        )  # fmt: skip
        assert np.isfinite(Trainer(played).fit([labelled(12)], 2)[1:]).all()


def test_a_pack_takes_no_labels():
    judge = gan.Packed(nn.Sequential(nn.Flatten(), nn.Dense(1)))
    played = Game(
        Told(generator()), judge, "hinge", Normal(LATENT), (-1, 1), conditioning=Labels(CLASSES)
    )
    with pytest.raises(TypeError, match=r"Packed: .* takes no labels: put LabelConcat before it"):
        Trainer(played)


def test_labels_are_refused_where_there_are_none():
    plain = Game(generator(), heads(logits=1), latent=Normal(LATENT))
    with pytest.raises(ValueError, match="label: got 2, but this generator takes no labels"):
        Trainer(plain).sample(4, label=2)
    with pytest.raises(ValueError, match="classes: got 1, wanted a whole number of at least 2"):
        Labels(1)
    with pytest.raises(TypeError, match="classes: got 2.5, wanted a whole number of at least 2"):
        Labels(2.5)


# Found out


def cross_entropy(logits, labels):
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return float(np.mean([-np.log(p[i, k]) for i, k in enumerate(labels)]))


def said(count, **sizes):
    """An output of random numbers, and the arrays in it."""
    arrays = {name: RNG.normal(size=(count, n)) for name, n in sizes.items()}
    tensors = {name: Tensor(a, requires_grad=True) for name, a in arrays.items()}
    return gan.Output(Tensor(np.zeros((count, 1))), **tensors), arrays


def turn(player, real, fake, labels, condition=None, noise=None, latent=None):
    played = Game(generator(), heads(logits=1), "hinge", latent or Normal(LATENT))
    batch, draw = gan.Batch(pictures(len(labels)), labels), gan.Draw(noise, condition)
    return gan.Turn(player, played, batch, draw, None, None, real=real, fake=fake)


def test_classification_is_the_cross_entropy_of_real_and_fake_labels():
    real, r = said(4, class_logits=3)
    fake, f = said(4, class_logits=3)
    labels, wanted = np.array([0, 2, 1, 1]), np.array([1, 0, 0, 2])
    now = turn("discriminator", real, fake, labels, wanted)
    cure = gan.Classification(real=2.0, fake=0.5, generator_weight=3.0)
    on_real, on_fake = (cross_entropy(a["class_logits"], b) for a, b in ((r, labels), (f, wanted)))
    close(cure.discriminator(now), 2 * on_real + 0.5 * on_fake)
    close(cure.generator(replace(now, player="generator")), 3 * on_fake)


def test_images_without_a_label_are_left_out():
    real, r = said(4, class_logits=3)
    cure = gan.Classification(fake=0, generator_weight=0)
    now = turn("discriminator", real, real, np.array([-1, 2, -1, 1]))
    close(cure.discriminator(now), cross_entropy(r["class_logits"][[1, 3]], [2, 1]))
    assert cure.generator(now) is None
    none = replace(now, batch=now.batch._replace(labels=np.full(4, -1)))
    assert cure.discriminator(none).item() == 0


@pytest.mark.parametrize(
    "labels, words",
    [
        (np.array([0, 3, 1, 2]), r"labels: got 0 to 3, wanted 0 to 2, or -1 for none"),
        (np.array([0, 1, -2, 2]), r"labels: got -2 to 2, wanted 0 to 2"),
        (np.array([0.0, 1, 1, 2]), r"labels: got float64 \(4,\), wanted integers \(4,\)"),
        (np.eye(4, 3), r"labels: got float64 \(4, 3\), wanted integers"),
        (np.array([0, 1]), r"labels: got int64 \(2,\), wanted integers \(4,\)"),
    ],
)
def test_classes_that_are_none_of_the_heads_are_named(labels, words):
    real, _ = said(4, class_logits=3)
    now = turn("discriminator", real, real, labels)
    with pytest.raises(ValueError, match=words):
        gan.Classification(fake=0, generator_weight=0).discriminator(now)


@pytest.mark.parametrize(
    "head, latent, cure",
    [
        ("codes", Codes(2, (3,), 1), gan.Information()),
        ("class_logits", Normal(2), gan.Classification(fake=0, generator_weight=0)),
    ],
)
def test_a_pack_has_no_class_and_no_codes_of_its_own(head, latent, cure):
    judge = gan.Packed(heads(logits=1, **{head: 4}))
    played = Game(generator(), judge, "hinge", latent, cures=[cure])
    with pytest.raises(TypeError, match=f"Packed: got a discriminator with a head for {head}"):
        Trainer(played)


def test_fakes_have_no_class_without_conditioning():
    played = Game(
        generator(), heads(logits=1, class_logits=3), latent=Normal(LATENT),
        cures=[gan.Classification()],
    )  # fmt: skip
    with pytest.raises(ValueError, match="Classification: fakes have no class"):
        Trainer(played)


def test_a_discriminator_without_class_logits_says_which_head_is_missing():
    played = Game(
        generator(), heads(logits=1), latent=Normal(LATENT),
        cures=[gan.Classification(1, 0, 0)],
    )  # fmt: skip
    with pytest.raises(TypeError, match=r"gives no class logits.*class_logits=nn.Dense"):
        Trainer(played).step(labelled(8))


def test_a_head_of_another_number_of_classes_is_named():
    played = Game(
        Told(generator()), heads(logits=1, class_logits=CLASSES + 2), latent=Normal(LATENT),
        cures=[gan.Classification()], conditioning=gan.Labels(CLASSES, discriminator=False),
    )  # fmt: skip
    wanted = f"class logits are {CLASSES + 2}, but the game has {CLASSES} classes"
    with pytest.raises(TypeError, match=wanted):
        Trainer(played).step(labelled(8))


def test_semi_supervised_learning_with_k_plus_one_classes():
    played = Game(
        generator(), heads(class_logits=CLASSES), latent=Normal(LATENT),
        cures=[gan.Classification(1, 0, 0)],
    )  # fmt: skip
    images, labels = labelled(9)
    report = Trainer(played).fit([(images, np.where(np.arange(9) < 4, labels, -1))], 3)
    assert np.isfinite(report[1:]).all()


def test_the_logit_of_k_classes_is_the_log_of_their_sum():
    d = heads(class_logits=CLASSES)
    said = d(pictures(4))
    close(
        said.logits,
        np.log(np.exp(said.class_logits.numpy()).sum(axis=1, keepdims=True)).astype("float32"),
        1e-6,
    )
    assert said.features.shape == (4, 6)
    with pytest.raises(ValueError, match="Heads: got neither logits nor class_logits"):
        heads()


def test_codes_are_drawn_as_they_say():
    latent = Codes(4, (3, 2), 2)
    z = latent.draw(500, Stream(0))
    assert z.shape == (500, latent.size) == (500, 11)
    assert abs(z[:, :4].std() - 1) < 0.1
    for at, classes in ((4, 3), (7, 2)):
        part = z[:, at : at + classes]
        assert set(part.ravel()) == {0, 1} and (part.sum(axis=1) == 1).all()
        assert part.mean(axis=0).min() > 0.8 / classes
    assert z[:, 9:].min() >= -1 and z[:, 9:].max() < 1 and abs(z[:, 9:].mean()) < 0.1
    with pytest.raises(
        ValueError, match=r"categorical\[0\]: got 1, wanted a whole number of at least 2"
    ):
        Codes(4, (1,))
    with pytest.raises(TypeError, match="categorical: got 10, wanted numbers such as"):
        Codes(4, 10, 2)


def test_information_is_the_surprise_at_the_codes_and_reaches_both_players():
    latent = Codes(2, (3,), 2)
    fake, f = said(4, codes=5)
    noise = latent.draw(4, Stream(1)).astype(np.float64)
    now = turn("generator", None, fake, np.zeros(4, int), None, noise, latent)
    labels, gap = noise[:, 2:5].argmax(axis=1), f["codes"][:, 3:] - noise[:, 5:]
    wanted = cross_entropy(f["codes"][:, :3], labels) + 0.5 * 0.1 * (gap**2).sum(axis=1).mean()
    cure = gan.Information(2.0, 0.1)
    close(cure.generator(now), 2 * wanted)
    close(cure.discriminator(now), 2 * wanted)
    played = Game(generator(), heads(logits=1, codes=5), "hinge", latent, cures=[cure])
    run = Trainer(played)
    report = run.fit(pictures(), 3, 8)
    assert np.isfinite(report[1:]).all()
    fake = played.judge(played.generate(gan.Draw(latent.draw(4, Stream(2)))))
    term = cure.generator(replace(now, fake=fake))
    for g in mg.grad(term, played.generator.parameters()):  # its graph is not cut
        assert g.numpy().any()


def test_information_says_what_it_needs():
    with pytest.raises(ValueError, match=r"Information: got latent=Normal.*wanted Codes"):
        Trainer(Game(generator(), heads(logits=1), latent=Normal(3), cures=[gan.Information()]))
    played = Game(
        generator(), heads(logits=1, codes=4), "hinge", Codes(2, (3,), 2), cures=[gan.Information()]
    )
    with pytest.raises(TypeError, match=r"got codes \(8, 4\).*wanted \(8, 5\)"):
        Trainer(played).step(pictures(8))


# Put together


def test_packed_images_are_laid_over_each_other():
    class Sum(nn.Module):
        def forward(self, x):
            return mg.sum(x * np.arange(1.0, 5), axis=(1, 2))

    x = RNG.normal(size=(6, 2, 3, 2))
    said = gan.Packed(Sum(), 2)(x).numpy()
    for i in range(3):
        a, b = (x[2 * i + k].sum(axis=(0, 1)) for k in range(2))
        close(said[i], np.array([*a, *b]) * np.arange(1.0, 5))
    with pytest.raises(ValueError, match="Packed: got a batch of 5, wanted a multiple of 2"):
        gan.Packed(Sum(), 2)(x[:5])


@pytest.mark.parametrize("count", [2, 4])
def test_a_packed_game_trains_and_saves_its_discriminator(tmp_path, count):
    judge = nn.Sequential(nn.Flatten(), nn.Dense(6), nn.ReLU(), nn.Dense(1))
    played = Game(generator(), gan.Packed(judge, count), latent=Normal(LATENT), cures=[gan.R1()])
    run = Trainer(played)
    assert np.isfinite(run.fit(pictures(), 3, 8)[1:]).all()
    nn.save(played.discriminator, tmp_path / "d.npz")
    again = nn.load(tmp_path / "d.npz", gan.heads.MODULES)
    assert np.array_equal(
        again(pictures(8)).numpy(), played.discriminator.eval()(pictures(8)).numpy()
    )


def test_several_discriminators_each_learn():
    several = gan.Several(heads(logits=1), nn.Sequential(nn.Flatten(), nn.Dense(1)))
    loss = gan.SeveralDiscriminators(gan.NonSaturating(), 1.0)
    run = Trainer(Game(generator(), several, loss, Normal(LATENT)))
    before = run.state()
    assert np.isfinite(run.fit(pictures(), 2, 8)[1:]).all()
    after = run.state()
    for name in (
        "discriminator.discriminators.0.logits.weight",
        "discriminator.discriminators.1.1.bias",
    ):
        assert not np.array_equal(before[name], after[name])


def test_gradient_normalisation_is_of_the_logits_of_a_discriminator_with_heads():
    judge = heads(logits=1, class_logits=3, codes=2)
    module = nn.GradientNormalized(judge).build((None, *SHAPE), seed=0)
    x = Tensor(pictures(4), requires_grad=True)
    found, plain = module(x), judge(x)
    (slope,) = mg.grad(plain.logits, [x], np.ones((4, 1)), retain_graph=True)
    steepness = np.linalg.norm(slope.numpy().reshape(4, -1), axis=1)[:, None]
    logits = plain.logits.numpy()
    close(found.logits, logits / (steepness + abs(logits)), 1e-6)
    for kept, own in zip(found[1:], plain[1:], strict=True):
        assert np.array_equal(kept.numpy(), own.numpy()) and kept.requires_grad
    with mg.no_grad():
        unrecorded = module(x)
    for a, b in zip(unrecorded, found, strict=True):
        assert not a.requires_grad and np.array_equal(a.numpy(), b.numpy())


@pytest.mark.parametrize("kind", ["classes", "codes", "features", "several", "packed"])
def test_gradient_normalisation_goes_with_whatever_a_discriminator_gives(kind):
    loss, latent, cures, labels = "hinge", Normal(LATENT), [], None
    made = generator()
    judge = nn.GradientNormalized(
        heads(logits=1, **{"classes": {"class_logits": 3}, "codes": {"codes": 5}}.get(kind, {}))
    )
    if kind == "classes":
        made, cures, labels = Told(made), [gan.Classification()], Labels(3, discriminator=False)
    elif kind == "codes":
        latent, cures = Codes(3, (4,), 1), [gan.Information()]
    elif kind == "features":
        loss = gan.FeatureMatching(gan.LOSSES["hinge"])
    elif kind == "several":
        loss = gan.SeveralDiscriminators(gan.FeatureMatching())
        judge = gan.Several(judge, nn.GradientNormalized(heads(logits=1)))
    elif kind == "packed":
        judge = gan.Packed(judge, 2)
    run = Trainer(Game(made, judge, loss, latent, (-1, 1), cures, labels))
    before = run.state()
    report = run.fit([labelled(8)] * 2 if labels else pictures(), 2, 8)
    assert np.isfinite(report[1:]).all()
    assert all((before[n] != a).any() for n, a in run.state().items() if n.endswith("weight"))


def test_gradient_normalisation_around_several_discriminators_or_packs_is_refused():
    x = pictures(4)
    for judge in (gan.Several(heads(logits=1), heads(logits=1)), gan.Packed(heads(logits=1))):
        with pytest.raises(ValueError, match="goes into Several or Packed, not around them"):
            nn.GradientNormalized(judge)(x)


def test_virtual_batch_normalisation_goes_with_labels_and_heads():
    norm = nn.VirtualBatchNorm
    made = nn.Sequential(
        nn.LabelConcat(CLASSES), nn.Dense(16), norm(), nn.Reshape(*SHAPE), nn.Tanh()
    )
    body = nn.Sequential(nn.LabelConcat(CLASSES), nn.Flatten(), nn.Dense(6), norm(), nn.ReLU())
    judge = gan.Heads(body, nn.Dense(1), nn.Dense(CLASSES))
    game = Game(
        nn.VirtualBatch(made, 4, classes=CLASSES), nn.VirtualBatch(judge, 5, classes=CLASSES),
        gan.FeatureMatching(), Normal(LATENT), (-1, 1), [gan.Classification()], Labels(CLASSES),
    )  # fmt: skip
    run = Trainer(game)
    assert np.isfinite(run.fit([labelled(8)] * 2, 2)[1:]).all()
    assert run.sample(6).shape == (6, *SHAPE)
    output = game.judge(*labelled(8))
    assert [len(part) for part in output[:3]] == [8, 8, 8] and output.codes is None


def test_a_reference_batch_is_of_images_and_not_of_packs():
    judge = gan.Packed(nn.Sequential(nn.Flatten(), nn.Dense(1)), 2)
    with pytest.raises(ValueError, match="VirtualBatch goes into Packed, not around it"):
        nn.VirtualBatch(judge, 6)(pictures(8))


def test_several_judges_name_the_class_and_the_codes_together():
    a, b, c = (
        heads(logits=1, class_logits=3, codes=2),
        heads(logits=1, class_logits=3),
        heads(logits=1),
    )
    x = pictures(4)
    said, (one, two) = gan.Several(a, b, c)(x), (a(x), b(x))
    close(said.class_logits, (one.class_logits.numpy() + two.class_logits.numpy()) / 2, 1e-6)
    close(said.codes, one.codes, 1e-6)
    assert gan.Several(c, c)(x)[2:] == (None, None)
    with pytest.raises(ValueError, match=r"got codes of shapes \(1, 2\) and \(1, 5\), wanted one"):
        gan.Several(a, heads(logits=1, codes=5)).build((None, *SHAPE))


def test_several_judges_learn_classes():
    several = gan.Several(heads(logits=1, class_logits=CLASSES), heads(class_logits=CLASSES))
    run = Trainer(
        Game(
            Told(generator()), several, gan.SeveralDiscriminators(), Normal(LATENT), (-1, 1),
            [gan.Classification()], Labels(CLASSES, discriminator=False),
        )
    )  # fmt: skip
    before = run.state()
    assert np.isfinite(run.fit([labelled(8)] * 2, 2)[1:]).all()
    for k in range(2):
        name = f"discriminator.discriminators.{k}.class_logits.weight"
        assert not np.array_equal(before[name], run.state()[name])


@pytest.mark.parametrize("rates", [(0.1, 0.0), (0.0, 0.1), (0.1, 0.1)])
def test_networks_may_share_parameters(rates):
    """Either player moves them, and a run with such goes on with the same bits."""

    def run():
        shared = nn.Dense(16)
        g = nn.Sequential(nn.Dense(16), nn.ReLU(), shared, nn.Reshape(*SHAPE), nn.Tanh())
        d = nn.Sequential(nn.Flatten(), shared, nn.LeakyReLU(0.2), nn.Dense(1))
        assert g.build((None, LATENT), seed=0)[2] is d.build((None, *SHAPE), seed=1)[1]
        players = tuple(SGD(rate, momentum=0.5) for rate in rates)
        return Trainer(Game(g, d, latent=Normal(LATENT)), seed=0, optimizers=players)

    one, two = run(), run()
    before = one.state()
    one.fit(pictures(), 2, 8)
    state = one.state()
    assert not np.array_equal(state["generator.2.weight"], before["generator.2.weight"])
    assert np.array_equal(state["generator.2.weight"], state["discriminator.1.weight"])
    for own, rate in zip(("generator.0.weight", "discriminator.3.weight"), rates, strict=True):
        assert np.array_equal(state[own], before[own]) == (rate == 0)
    two.load_state(state)
    assert bits(one.state()) == bits(two.state())
    for trainer in (one, two):
        trainer.fit(pictures(), 2, 8)
    assert bits(one.state()) == bits(two.state())


# Asked for


def test_a_code_is_asked_for(tmp_path):
    latent = Codes(3, (4, 2), 1)
    plain = np.zeros((2, latent.size), "float32")
    assert latent.told(plain, np.array([3, 0]))[:, 3:7].tolist() == [[0, 0, 0, 1], [1, 0, 0, 0]]
    second = latent.told(plain, np.array([1, 0]), which=1)
    assert second[:, 7:9].tolist() == [[0, 1], [1, 0]]
    np.testing.assert_array_equal(np.delete(second, [7, 8], 1), np.delete(plain, [7, 8], 1))
    assert not plain.any()
    run = Trainer(Game(generator(), heads(logits=1), latent=latent), seed=1)
    gan.save_generator(run.sampler, latent, (-1, 1), tmp_path / "g.npz")
    saved = gan.load_generator(tmp_path / "g.npz")
    noise = gan.sampling.noise(latent, 70, 5)
    for code in (2, np.arange(70) % 4):
        told = latent.told(noise, np.broadcast_to(code, (70,)))
        with nn.training(False):
            wanted = run.sampler(told).numpy()
        assert np.allclose(run.sample(70, 5, code=code), wanted, atol=1e-6)
        assert np.array_equal(run.sample(70, 5, code=code), saved.sample(70, 5, code=code))
    drawn = noise[:, 3:7].argmax(1)
    assert np.array_equal(run.sample(70, 5, code=drawn), run.sample(70, 5))


@pytest.mark.parametrize(
    ("latent", "code", "words"),
    [
        (Codes(3, (4,), 0), 4, "code: got 4, wanted 0 to 3"),
        (Codes(3, (4,), 0), -1, "code: got -1, wanted 0 to 3"),
        (Codes(3, (4,), 0), 1.5, "code: got float64 of shape .*, wanted one integer, or 3"),
        (Codes(3, (4,), 0), [1, 2], r"code: got int64 of shape \(2,\), wanted one integer, or 3"),
        (Codes(3, (), 1), 1, "has no categorical code"),
        (Normal(LATENT), 1, r"code: got 1, but .* Normal\(size=\d+\), has no categorical code"),
    ],
)
def test_a_code_that_there_is_not(latent, code, words):
    run = Trainer(Game(generator(), heads(logits=1), latent=latent))
    with pytest.raises(ValueError, match=words):
        run.sample(3, code=code)
    with pytest.raises(ValueError, match="takes no labels; where its noise has Codes"):
        run.sample(3, label=1)


@pytest.mark.parametrize(
    ("told", "judged", "conditioning", "words"),
    [
        (False, True, Labels(CLASSES), "generator: the game tells.* begin it with nn.LabelConcat"),
        (True, False, Labels(CLASSES), "discriminator: the game .*LabelConcat.*nn.Projection"),
        (True, True, None, r"generator: it takes labels.* conditioning=gan.Labels\(10\)"),
        (True, True, Labels(CLASSES, False), "discriminator: it takes labels, but the game"),
        (True, True, Labels(CLASSES), None),
    ],
)
def test_networks_and_a_game_that_disagree_about_labels(told, judged, conditioning, words):
    maker = nn.Sequential(nn.LabelConcat(CLASSES), generator()) if told else generator()
    last = nn.Projection(CLASSES) if judged else nn.Dense(1)
    judge = nn.Sequential(nn.Flatten(), last)
    game = Game(maker, judge, latent=Normal(LATENT), conditioning=conditioning)
    with pytest.raises(TypeError, match=words) if words else nullcontext():
        Trainer(game)
