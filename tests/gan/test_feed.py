"""Which images a step sees, in what range, and what may be data."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from games import LATENT, SHAPE, bits, pictures, trainer
from hypothesis import given
from hypothesis import strategies as st
from properties import plain
from strategies import examples

import minigan as mg
from minigan import nn
from minigan.data import Images, from_arrays
from minigan.gan import Batch, Game, Normal, Trainer
from minigan.gan.feed import Feed, as_batch, feed_of

RANGE = (-1.0, 1.0)


def numbered(count):
    """Images whose every pixel says which one it is, labelled with twice their number."""
    pixels = np.arange(count, dtype=np.uint8).reshape(-1, 1, 1, 1)
    return from_arrays(pixels, 2 * np.arange(count))


def numbers(batch):
    return np.rint(batch.images.ravel() * 255).astype(int).tolist()


@examples(40)
@given(count=st.integers(1, 40), batch=st.integers(1, 40), seed=st.integers(0, 99))
def test_an_epoch_shows_each_image_once(count, batch, seed):
    batch = min(batch, count)
    feed = Feed(numbered(count), batch, seed, (0.0, 1.0))
    an_epoch = count // batch
    orders = []
    for epoch in range(3):
        batches = [feed(epoch * an_epoch + i) for i in range(an_epoch)]
        assert all(len(b.images) == batch for b in batches)
        seen = [n for b in batches for n in numbers(b)]
        assert len(set(seen)) == len(seen) == an_epoch * batch  # a rest is left out
        for b in batches:
            assert b.labels.tolist() == [2 * n for n in numbers(b)]
        orders.append(seen)
    if batch * an_epoch > 8:
        assert orders[0] != orders[1] != orders[2] != orders[0]


@examples(30)
@given(ks=st.lists(st.integers(0, 30), min_size=1), seed=st.integers(0, 9))
def test_a_batch_is_a_function_of_seed_and_k(ks, seed):
    feed = Feed(numbered(17), 5, seed, RANGE)
    for k in ks:  # in any order, again and again
        fresh = Feed(numbered(17), 5, seed, RANGE)(k)
        assert feed(k).images.tobytes() == fresh.images.tobytes()
        assert feed(k).labels.tobytes() == fresh.labels.tobytes()


def test_seeds_give_other_orders():
    first, second = (numbers(Feed(numbered(40), 40, seed, (0.0, 1.0))(0)) for seed in (0, 1))
    assert first != second and sorted(first) == sorted(second)


def test_every_image_is_as_likely_anywhere():
    # 3,000 shuffles of 6: each image is at each place 500 times, give or take 6·√(500·5/6) = 122.
    feed = Feed(numbered(6), 6, 0, (0.0, 1.0))
    places = np.zeros((6, 6))
    for k in range(3000):
        places[np.arange(6), numbers(feed(k))] += 1
    assert np.abs(places - 500).max() < 122


def test_images_without_labels_have_none():
    assert Feed(from_arrays(pictures(6)), 3, 0, RANGE)(0).labels is None


@pytest.mark.parametrize("batch", [0, 25])
def test_a_batch_that_cannot_be_made_is_refused(batch):
    message = f"batch: got {batch}, wanted a whole number from 1 to 24, as many as there are images"
    with pytest.raises(ValueError, match=message):
        trainer().fit(pictures(), 1, batch=batch)


# The range of the pixels


@pytest.mark.parametrize("last, low", [(nn.Tanh(), -1.0), (nn.Sigmoid(), 0.0)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_images_are_scaled_to_the_generators_range(last, low, dtype):
    pixels = np.linspace(0, 255, 24 * 16).reshape(24, *SHAPE).astype(dtype)
    seen = []

    class Spy(nn.Module):
        def forward(self, x):
            seen.append(plain(x).copy())
            return x

    game = Game(
        nn.Sequential(nn.Dense(16), nn.Reshape(*SHAPE), last),
        nn.Sequential(Spy(), nn.Flatten(), nn.Dense(1)),
        latent=Normal(LATENT),
    )
    run = Trainer(game)
    seen.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run.fit(pixels, 1, 24)
    real = seen[0]
    assert real.dtype == np.float32
    assert real.min() == low and real.max() == 1.0


def test_images_are_never_written_to():
    pixels = pictures()
    pixels.flags.writeable = False
    trainer().fit(pixels, 2, 8)
    trainer().step(pixels)


def without_a_range():
    return Game(nn.Sequential(nn.Dense(16), nn.Reshape(*SHAPE)), nn.Dense(1), latent=Normal(LATENT))


def test_an_unknown_range_names_the_argument():
    game = without_a_range()
    game.discriminator = nn.Sequential(nn.Flatten(), nn.Dense(1))
    run = Trainer(game)
    with pytest.raises(ValueError, match=r"pass Game\(…, image_range=\(low, high\)\)"):
        run.fit(pictures(), 1, 8)
    with pytest.raises(ValueError, match="image_range"):
        run.image_range  # noqa: B018
    run.step(pictures(8) * 100)  # batches of one's own are taken as they are


@pytest.mark.parametrize(
    "images, message",
    [
        (pictures(8, low=0, high=1), "scale them with x / 0.5 - 1"),
        (pictures(8, low=0, high=255), "scale them with x / 127.5 - 1"),
        (pictures(8, low=-7, high=7), "scale the images to"),
        (pictures(8, low=0, high=255).astype(np.uint8), "scale them with x / 127.5 - 1"),
    ],
)
def test_a_batch_in_another_range_is_warned_of_once_in_one_line(images, message):
    run = trainer()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run.step(images)
        run.fit([images], 3)
    assert len(caught) == 1
    text = str(caught[0].message)
    assert message in text and "\n" not in text
    assert caught[0].filename == __file__  # it points at the caller, not into the library


def test_a_batch_in_the_right_range_is_not_warned_of():
    trainer().step(pictures(8))  # warnings are errors here


# What may be data


def batches():
    return [pictures(5, seed) for seed in range(6)]


def state_after(feed, steps=6, **settings):
    run = trainer(**settings)
    feed(run, steps)
    return bits(run.state())


def test_an_iterable_is_read_in_its_own_order():
    def by_hand(run, steps):
        for images in batches()[:steps]:
            run.step(images)

    expected = state_after(by_hand)
    assert state_after(lambda run, n: run.fit(batches(), n)) == expected
    assert state_after(lambda run, n: run.fit(iter(batches()), n)) == expected
    with_labels = [(images, np.zeros(5, int)) for images in batches()]
    assert state_after(lambda run, n: run.fit(with_labels, n)) == expected
    records = [Batch(images, np.zeros(5, int)) for images in batches()]
    assert state_after(lambda run, n: run.fit(records, n)) == expected


def test_a_list_starts_again_when_it_ends():
    def by_hand(run, steps):
        for images in [*batches(), *batches()]:
            run.step(images)

    assert state_after(lambda run, n: run.fit(batches(), 12)) == state_after(by_hand)


def test_an_endless_stream_is_read_no_further_than_needed():
    read = []

    def stream():
        while True:
            read.append(1)
            yield pictures(5)

    source = stream()
    run = trainer(discriminator_steps=2)
    run.fit(source, 3)
    assert len(read) == 6
    run.fit(source, 2)  # its position is the caller's
    assert len(read) == 10


def test_a_stream_that_ends_too_early_says_so():
    run = trainer()
    with pytest.raises(ValueError, match="data: the iterable has no more batches"):
        run.fit(iter(batches()[:2]), 3)
    assert run.step_count == 2
    with pytest.raises(ValueError, match="no more batches"):
        run.fit([], 1)


@pytest.mark.parametrize("data", [None, 7, "pictures/"])
def test_other_data_is_refused(data):
    with pytest.raises(TypeError, match=r"data: got \w+, wanted Images, an array \(N, H, W, C\)"):
        trainer().fit(data, 1)


def test_a_tensor_is_as_good_as_its_array():
    by_array, by_tensor = trainer(), trainer()
    by_array.step(pictures(5))
    by_tensor.step(mg.Tensor(pictures(5)))
    assert bits(by_array.state()) == bits(by_tensor.state())


def test_a_pair_becomes_images_and_labels():
    batch = as_batch((pictures(2), [3, 4]))
    assert batch.images.shape == (2, *SHAPE) and batch.labels.tolist() == [3, 4]
    assert as_batch(batch) is batch


def test_an_array_of_grey_pictures_may_lack_its_last_axis():
    flat, full = feed_of(pictures()[..., 0], 8, 0, RANGE), feed_of(pictures(), 8, 0, RANGE)
    assert flat(2).images.tobytes() == full(2).images.tobytes()


def test_real_digits_come_whole(data_folder):
    images = mg.data.load(data_folder / "mnist")
    assert isinstance(images, Images)
    feed = Feed(images, 100, 0, RANGE)
    seen = [feed(k) for k in range(0, 600, 60)]
    assert all(b.images.shape == (100, 28, 28, 1) for b in seen)
    assert min(b.images.min() for b in seen) == -1 and max(b.images.max() for b in seen) == 1
    assert sorted(set(np.concatenate([b.labels for b in seen]).tolist())) == list(range(10))


def test_a_pair_of_images_and_labels_is_a_set_of_them():
    labels = np.arange(24) % 3
    pairs, alone = trainer(), trainer()
    pairs.fit((pictures(), labels), 3, batch=8, held_out=(pictures(12, 1), labels[:12]))
    alone.fit(from_arrays(pictures(), labels), 3, batch=8)
    assert bits(pairs.state()) == bits(alone.state())


def test_a_batch_may_say_that_it_has_no_labels():
    with_none, alone = trainer(), trainer()
    with_none.step((pictures(8), None))
    alone.step(pictures(8))
    assert bits(with_none.state()) == bits(alone.state())


def test_images_that_are_not_real_numbers_are_refused():
    with pytest.raises(TypeError, match="images of dtype complex64, wanted real numbers"):
        trainer().step(pictures(8).astype("complex64"))
