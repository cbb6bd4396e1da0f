"""Streams: the same bits for the same (seed, name, step), other bits for any other."""

import threading

import numpy as np
import pytest

from minigan import random
from minigan.random import Stream

MASK = 2**64 - 1
FLOATS = ("float16", "float32", "float64")


def philox(counter, key):
    """Philox4x64-10 in Python's integers, from the definition in the paper (section 4)."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        p, q = 0xD2E7470EE14C6C93 * c0, 0xCA5A826395121157 * c2
        c0, c1, c2, c3 = (q >> 64) ^ c1 ^ k0, q & MASK, (p >> 64) ^ c3 ^ k1, p & MASK
        k0, k1 = (k0 + 0x9E3779B97F4A7C15) & MASK, (k1 + 0xBB67AE8584CAA73B) & MASK
    return [c0, c1, c2, c3]


KNOWN = [  # the known answers that come with Random123
    (
        [0] * 4,
        [0] * 2,
        "16554d9eca36314c db20fe9d672d0fdc d7e772cee186176b 7e68b68aec7ba23b",
    ),
    (
        [MASK] * 4,
        [MASK] * 2,
        "87b092c3013fe90b 438c3c67be8d0224 9cc7d7c69cd777b6 a09caebf594f0ba0",
    ),
    (
        [0x243F6A8885A308D3, 0x13198A2E03707344, 0xA4093822299F31D0, 0x082EFA98EC4E6C89],
        [0x452821E638D01377, 0xBE5466CF34E90C6C],
        "a528f45403e61d95 38c72dbd566e9788 a5a1610e72fd18b5 57bd43b5e52b7fe6",
    ),
]


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN)
def test_the_reference_gives_the_known_answers(counter, key, answer):
    assert " ".join(f"{word:016x}" for word in philox(counter, key)) == answer


def test_words_are_philox_of_block_draw_and_step():
    stream = Stream(7, "latent", step=5)
    key = [int(k) for k in stream._key]
    for draw in range(3):
        # NumPy counts up before it makes a block, so that the first one is number 1.
        expected = [w for block in (1, 2, 3) for w in philox([block, draw, 5, 0], key)]
        assert stream.words(11).tolist() == expected[:11]


def test_words_are_numpys_philox():
    stream = Stream(3, "data", step=2)
    generator = np.random.Philox(counter=[0, 0, 2, 0], key=stream._key)
    assert np.array_equal(stream.words(9), generator.random_raw(9))


def test_threads_that_draw_at_once_get_the_words_that_one_gets():
    count, alone = 20_000, [Stream(k).words(20_000) for k in range(4)]
    found = [[] for _ in alone]

    def draw(k):
        stream = Stream(k)
        found[k] += [stream.words(n) for n in (count, 5, count)]

    threads = [threading.Thread(target=draw, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k, (first, few, last) in enumerate(found):
        again = Stream(k)
        assert np.array_equal(first, alone[k])
        assert np.array_equal(first, again.words(count))
        assert np.array_equal(few, again.words(5))
        assert np.array_equal(last, again.words(count))


def test_the_key_is_the_hash_of_seed_and_name():
    # Written down, so that a state saved by one version gives the same numbers in the next.
    assert [hex(k) for k in Stream(0, "latent")._key.tolist()] == [
        "0x28a79917e709303f",
        "0x353ea0f3d8b08d08",
    ]
    assert hex(Stream(0, "latent").words(1)[0]) == "0xd30b4fdf7f4f29f7"


def test_a_name_is_what_it_is_written_as():
    class Purpose(str):
        def __format__(self, spec):
            return "another"

    plain, other = Stream(0, "latent"), Stream(0, Purpose("latent"))
    assert np.array_equal(other.words(3), Stream(0, "another").words(3))
    assert not np.array_equal(other.words(3), plain.words(3))


DRAWS = {
    "words": lambda s: s.words(8),
    "uniform": lambda s: s.uniform((2, 4)),
    "uniform64": lambda s: s.uniform((2, 4), dtype="float64"),
    "normal": lambda s: s.normal((2, 4)),
    "normal64": lambda s: s.normal((2, 4), dtype="float64"),
    "keep_mask": lambda s: s.keep_mask((16, 4), 0.5),
    "integers": lambda s: s.integers(10**6, (8,)),
    "permutation": lambda s: s.permutation(20),
}


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_the_same_seed_name_and_step_give_the_same_bits(draw):
    one, two = Stream(5, "a", 3), Stream(5, "a", 3)
    for _ in range(3):
        assert draw(one).tobytes() == draw(two).tobytes()


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_any_other_seed_name_step_or_draw_gives_other_bits(draw):
    again = Stream(5, "a", 3)
    draw(again)
    others = [Stream(5, "a", 3), Stream(6, "a", 3), Stream(5, "b", 3), Stream(5, "a", 4), again]
    assert len({draw(s).tobytes() for s in others}) == 5


def test_a_later_draw_does_not_depend_on_the_size_of_an_earlier_one():
    one, two = Stream(0), Stream(0)
    one.normal(1000)
    two.keep_mask(1, 0.5)
    assert np.array_equal(one.words(4), two.words(4))


def test_seeds_and_names_run_into_each_other_nowhere():
    names = [(1, "2/a"), (12, "a"), (1, "2a"), (1, "/2/a"), (0, "12/a")]
    assert len({Stream(*pair).words(2).tobytes() for pair in names}) == len(names)


def test_numpy_integers_are_seeds_and_steps_like_pythons():
    plain = Stream(3, "a", 2).words(4)
    assert np.array_equal(Stream(np.int64(3), "a", np.uint8(2)).words(4), plain)
    assert np.array_equal(Stream(3, "a", np.array(2)).words(4), plain)
    assert np.array_equal(Stream(True).words(4), Stream(1).words(4))


@pytest.mark.parametrize("value", [-1, np.int64(-5)])
def test_negative_seeds_and_steps_are_refused(value):
    with pytest.raises(ValueError, match="negative"):
        Stream(value)
    with pytest.raises(ValueError, match="negative"):
        Stream(0, step=value)


@pytest.mark.parametrize("value", [0.5, 1.0, "1", None])
def test_seeds_and_steps_are_integers(value):
    with pytest.raises(TypeError):
        Stream(value)
    with pytest.raises(TypeError):
        Stream(0, step=value)


def test_any_size_of_seed_is_a_different_stream():
    assert len({Stream(s).words(2).tobytes() for s in (0, 2**32, 2**64, 2**128)}) == 4


# Shapes and dtypes


@pytest.mark.parametrize("shape", [(), 0, 1, 7, (0, 3), (3, 0), (2, 3), (1, 1, 1), [4, 5]])
def test_any_shape(shape):
    wanted = (shape,) if isinstance(shape, int) else tuple(shape)
    stream = Stream(0)
    for dtype in FLOATS:
        assert stream.uniform(shape, dtype=dtype).shape == wanted
        assert stream.normal(shape, dtype=dtype).shape == wanted
    assert stream.keep_mask(shape, 0.5).shape == wanted
    assert stream.integers(3, shape).shape == wanted


@pytest.mark.parametrize("count", range(10))
def test_counts_that_fill_no_whole_word_or_block(count):
    assert Stream(0).words(count).shape == (count,)
    assert sorted(Stream(0).permutation(count)) == list(range(count))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(), (3,), (0,)])
@pytest.mark.parametrize("scale", [2, 2.0, np.float64(2), np.array(2.0)])
def test_draws_have_the_dtype_asked_for_and_constants_never_widen(dtype, shape, scale):
    uniform, normal = (
        Stream(0).uniform(shape, 0, scale, dtype),
        Stream(0).normal(shape, 1, scale, dtype),
    )
    assert isinstance(uniform, np.ndarray) and uniform.dtype == dtype
    assert isinstance(normal, np.ndarray) and normal.dtype == dtype
    # Not only the dtype but each bit, or a run would depend on how a number was written.
    assert uniform.tobytes() == Stream(0).uniform(shape, 0, 2, dtype).tobytes()
    assert normal.tobytes() == Stream(0).normal(shape, 1, 2, dtype).tobytes()


@pytest.mark.parametrize("dtype", FLOATS)
def test_odd_bounds_give_the_same_bits_from_any_kind_of_number(dtype):
    draws = [Stream(0).uniform(99, kind(0.1), kind(0.7), dtype) for kind in (float, np.float64)]
    assert draws[0].tobytes() == draws[1].tobytes()
    draws = [Stream(0).normal(99, kind(0.1), kind(0.7), dtype) for kind in (float, np.float64)]
    assert draws[0].tobytes() == draws[1].tobytes()


def test_a_longer_draw_starts_with_the_shorter_one():
    # Not so for normal, whose cosines and sines are the two halves of the draw.
    for draw in (
        lambda n: Stream(0).words(n),
        lambda n: Stream(0).uniform(n),
        lambda n: Stream(0).uniform(n, dtype="float64"),
        lambda n: Stream(0).keep_mask(n, 0.3),
        lambda n: Stream(0).integers(100, n),
    ):
        assert np.array_equal(draw(5), draw(23)[:5])


# Distributions, at fixed seeds: five standard errors


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_normal_moments(dtype):
    n = 200_000
    x = Stream(0, "normal").normal(n, dtype=dtype).astype(np.float64)
    assert abs(x.mean()) < 5 / np.sqrt(n)
    assert abs(x.var() - 1) < 5 * np.sqrt(2 / n)
    assert abs((x**3).mean()) < 5 * np.sqrt(15 / n)
    assert abs((x**4).mean() - 3) < 5 * np.sqrt(96 / n)
    # The two halves are the cosines and the sines of the same angles: not correlated.
    assert abs((x[: n // 2] * x[n // 2 :]).mean()) < 5 / np.sqrt(n // 2)
    assert 4.2 < np.abs(x).max() < 5.8


def test_normal_mean_and_std():
    x = Stream(0).normal(50_000, mean=3.0, std=0.5)
    assert abs(x.mean() - 3) < 5 * 0.5 / np.sqrt(50_000)
    assert abs(x.std() - 0.5) < 5 * 0.5 / np.sqrt(100_000)


@pytest.mark.parametrize("dtype", FLOATS)
def test_uniform_is_even(dtype):
    n = 100_000
    counts, _ = np.histogram(Stream(1).uniform(n, -1, 3, dtype), bins=16, range=(-1, 3))
    chi_square = ((counts - n / 16) ** 2 / (n / 16)).sum()
    assert chi_square < 45  # 15 degrees of freedom: exceeded once in 10⁴


def constant_words(monkeypatch, word):
    full = np.uint64(word)
    monkeypatch.setattr(Stream, "_words", lambda _, count, *place: np.full(count, full))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("bounds", [(0, 1), (1, 2), (-1, 1), (-3.3, -0.1), (0.1, 0.7), (1e3, 1e4)])
def test_uniform_reaches_low_but_never_high(monkeypatch, dtype, bounds):
    low, high = np.dtype(dtype).type(bounds)
    constant_words(monkeypatch, 0)
    assert Stream(0).uniform(3, *bounds, dtype).tolist() == [low] * 3
    constant_words(monkeypatch, MASK)
    top = Stream(0).uniform(3, *bounds, dtype)
    assert (top < high).all() and (top > high - (high - low) / 100).all()


def test_uniform_float16_of_many_numbers_stays_below_one():
    assert Stream(0).uniform(50_000, dtype="float16").max() < 1


def test_uniform_bounds_must_be_in_order():
    with pytest.raises(ValueError, match="low"):
        Stream(0).uniform(3, 1.0, 0.0)


def test_uniform_of_an_empty_interval_is_its_bound():
    assert Stream(0).uniform(3, 2.0, 2.0).tolist() == [2, 2, 2]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("word", [0, MASK])
def test_normal_is_finite_at_the_extreme_words(monkeypatch, dtype, word):
    constant_words(monkeypatch, word)
    assert np.isfinite(Stream(0).normal(4, dtype=dtype)).all()


@pytest.mark.parametrize("drop", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_keep_mask_drops_at_the_rate_asked(drop):
    n = 100_000
    mask = Stream(2).keep_mask((n,), drop)
    assert mask.dtype == bool
    assert abs((1 - mask.mean()) - drop) <= 5 * np.sqrt(drop * (1 - drop) / n)


@pytest.mark.parametrize(("bits", "kept"), [(0, 0.0), (0x7FFF, 0.25), (0x8000, 0.5)])
def test_keep_mask_keeps_from_the_very_threshold_on(monkeypatch, bits, kept):
    # 16 bits below drop · 2¹⁶ mean dropped: none at 0, and exactly half of them at a half.
    constant_words(monkeypatch, bits * 0x0001000100010001)
    assert Stream(0).keep_mask(6, kept).all()
    assert not Stream(0).keep_mask(6, (bits + 1) / 65536).any()


@pytest.mark.parametrize(
    "count", [0, 1, 7, random.AT_A_TIME, random.AT_A_TIME + 1, 100_003, 400_003]
)
def test_a_mask_is_made_of_successive_words_whatever_its_size(count):
    bits = Stream(4, "mask").words(-(-count // 4)).view(np.uint16)[:count]
    stream = Stream(4, "mask")
    assert np.array_equal(stream.keep_mask((count, 1), 0.3)[:, 0], bits >= round(0.3 * 65536))
    later = Stream(4, "mask")
    later.words(1)
    assert np.array_equal(stream.words(5), later.words(5))  # a mask is one draw


def test_integers_cover_their_range_evenly():
    n = 70_000
    x = Stream(3).integers(7, (n,))
    assert x.dtype == np.int64
    counts = np.bincount(x, minlength=7)
    assert counts.size == 7 and ((counts - n / 7) ** 2 / (n / 7)).sum() < 28  # 6 degrees, 10⁻⁴


def test_integers_below_one_is_zero_and_below_none_is_refused():
    assert Stream(0).integers(1, 5).tolist() == [0] * 5
    with pytest.raises(ValueError, match="high"):
        Stream(0).integers(0, 5)


def test_permutations_of_three_are_equally_likely():
    seen = [tuple(Stream(0, step=i).permutation(3)) for i in range(1200)]
    counts = np.array([seen.count(order) for order in set(seen)])
    assert counts.size == 6 and ((counts - 200) ** 2 / 200).sum() < 26  # 5 degrees, 10⁻⁴


# The stream in force


def test_use_puts_a_stream_in_force_within_its_block():
    outer, inner = Stream(0), Stream(1)
    with random.use(outer) as given:
        assert given is outer and random.current() is outer
        with random.use(inner):
            assert random.current() is inner
        assert random.current() is outer
    assert random.current() is not outer


def test_use_is_undone_by_an_exception():
    stream = Stream(0)
    with pytest.raises(KeyError), random.use(stream):
        raise KeyError
    assert random.current() is not stream


def test_an_integer_is_short_for_a_stream():
    with random.use(5):
        assert np.array_equal(random.current().words(4), Stream(5).words(4))


def test_successive_draws_within_one_block_differ():
    with random.use(5):
        assert random.current().words(1) != random.current().words(1)


def test_outside_any_block_numbers_are_fresh():
    assert not np.array_equal(random.current().words(4), random.current().words(4))


def test_use_does_not_reach_other_threads():
    seen = []
    stream = Stream(0)
    with random.use(stream):
        thread = threading.Thread(target=lambda: seen.append(random.current()))
        thread.start()
        thread.join()
    assert seen[0] is not stream and seen[0].name == "entropy"
