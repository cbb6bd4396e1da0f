"""The grid of samples, pixel by pixel, and the curves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from minigan.cli.pictures import curves, grid, save_curves, save_grid


def random_images(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)


def test_every_image_is_in_its_place_enlarged_in_whole_pixels() -> None:
    images = random_images(64, 8, 8, 1)
    page = grid(images, (-1.0, 1.0))
    assert page.dtype == np.uint8
    assert page.shape == (548, 548, 1)
    levels = np.rint((images.astype(np.float64) + 1) / 2 * 255).astype(np.uint8)
    for i in range(64):
        top, left = 4 + i // 8 * 68, 4 + i % 8 * 68
        tile = page[top : top + 64, left : left + 64]
        np.testing.assert_array_equal(tile, np.kron(levels[i, ..., 0], np.ones((8, 8)))[..., None])
    assert np.unique(page[:4]).size == np.unique(page[:, -4:]).size == 1


@pytest.mark.parametrize(
    "count, side, shape",
    [
        (64, 28, (484, 484)),
        (64, 64, (548, 548)),
        (9, 256, (784, 784)),  # large images are never made smaller
        (1, 28, (596, 596)),
        (3, 8, (588, 588)),
        (10, 28, (436, 580)),
    ],
)
def test_size(count: int, side: int, shape: tuple[int, int]) -> None:
    page = grid(np.zeros((count, side, side, 3)), (0.0, 1.0))
    assert page.shape == (*shape, 3)


def test_the_range_is_black_to_white_and_what_is_beyond_is_cut() -> None:
    images = np.array([-9, -2, 1, 4, 9, np.nan]).reshape(6, 1, 1, 1)
    page = grid(images, (-2.0, 4.0))
    shades = [page[20 + 202 * (i // 3), 20 + 198 * (i % 3), 0] for i in range(6)]
    assert shades == [0, 0, 128, 255, 255, 0]


@pytest.mark.parametrize("shape", [(4, 8, 8, 2), (4, 8, 8), (4, 64)])
def test_what_is_no_picture_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"images: .*save them as \.npy"):
        grid(np.zeros(shape), (0.0, 1.0))


@pytest.mark.parametrize("channels, mode", [(1, "L"), (3, "RGB")])
def test_the_file_holds_the_grid(tmp_path: Path, channels: int, mode: str) -> None:
    images = random_images(4, 8, 8, channels)
    save_grid(images, (-1.0, 1.0), tmp_path / "grid.png")
    with Image.open(tmp_path / "grid.png") as picture:
        assert picture.mode == mode
        pixels = np.asarray(picture).reshape(grid(images, (-1.0, 1.0)).shape)
    np.testing.assert_array_equal(pixels, grid(images, (-1.0, 1.0)))


def log(count: int, score: float = 0.5) -> list[dict[str, Any]]:
    return [
        {
            "step": 10 * (i + 1),
            "discriminator_loss": 1.0 + i % 3,
            "generator_loss": 0.5 + i % 2,
            "real_score": score,
            "fake_score": -score,
        }
        for i in range(count)
    ]


@pytest.mark.parametrize("count", [0, 1, 100])
def test_curves(tmp_path: Path, count: int) -> None:
    save_curves(log(count), "a title", tmp_path / "curves.png")
    save_curves(log(count), "a title", tmp_path / "again.png")
    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.size == (800, 600)
        colours = {colour for _, colour in picture.convert("RGB").getcolors(1 << 20)}
    # The inks of both losses and both scores, in the legend at least.
    assert {(31, 111, 178), (209, 102, 42), (47, 143, 78), (160, 55, 155)} <= colours
    assert (tmp_path / "curves.png").read_bytes() == (tmp_path / "again.png").read_bytes()


def test_curves_show_the_log(tmp_path: Path) -> None:
    save_curves(log(30), "a title", tmp_path / "a.png")
    save_curves(log(30, score=0.6), "a title", tmp_path / "b.png")
    save_curves(log(30), "another title", tmp_path / "c.png")
    assert len({(tmp_path / name).read_bytes() for name in ("a.png", "b.png", "c.png")}) == 3


def test_raw_scores_have_no_half_to_aim_at() -> None:
    for raw in (False, True):
        below = curves(log(3, score=0.0), "a title", raw).axes[1]
        assert (below.get_ylim() == (-0.02, 1.02)) is not raw
        assert len(below.lines) == (2 if raw else 3)
        assert ("raw scores" in below.get_ylabel()) is raw


@pytest.mark.parametrize("last", [1, 2, 3, 10, 2500])
def test_the_steps_go_from_zero_to_the_last_in_whole_numbers(last: int) -> None:
    line = {**log(1)[0], "step": last}
    below = curves([line], "a title", raw=True).axes[1]
    assert below.get_xlim() == (0, last)
    ticks = [tick for tick in below.get_xticks() if 0 <= tick <= last]
    assert len(ticks) > 1
    assert all(tick == int(tick) for tick in ticks)
