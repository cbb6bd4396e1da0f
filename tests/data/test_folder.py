from __future__ import annotations

import builtins
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minigan.data import image_folder, load
from minigan.data.folder import reading
from minigan.files import FileError

Image = pytest.importorskip("PIL.Image", reason="pictures need Pillow")


def paint(path: Path, colour: Any, mode: str = "RGB", size: tuple[int, int] = (4, 4)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path)


def test_pictures_come_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name, level in (("b", 20), ("c", 30), ("a", 10), ("B", 5)):
        paint(tmp_path / f"{name}.png", (level, 0, 0))
    (tmp_path / ".DS_Store").write_bytes(b"litter")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "Thumbs.db").write_bytes(b"litter")
    images = image_folder(tmp_path, (4, 4))
    assert images.pixels[:, 0, 0, 0].tolist() == [5, 10, 20, 30]
    assert images.labels is images.classes is None
    assert images.shape == (4, 4, 3)
    assert images.source == tmp_path.name


def test_class_folders(tmp_path: Path) -> None:
    paint(tmp_path / "dog" / "1.png", (1, 1, 1))
    paint(tmp_path / "cat" / "2.jpg", (2, 2, 2))
    paint(tmp_path / "cat" / "1.bmp", (3, 3, 3))
    images = image_folder(tmp_path, channels=1)
    assert images.classes == ("cat", "dog")
    assert images.labels is not None
    assert images.labels.tolist() == [0, 0, 1]
    assert images.pixels[:, 0, 0, 0].tolist() == [3, 2, 1]


@pytest.mark.parametrize(
    ("mode", "colour", "suffix", "wanted"),
    [
        ("1", 1, "png", (255, 255, 255)),
        ("L", 77, "png", (77, 77, 77)),
        ("P", 0, "gif", (0, 0, 0)),
        ("RGB", (10, 20, 30), "png", (10, 20, 30)),
        ("CMYK", (0, 255, 255, 0), "tif", (255, 0, 0)),
        ("LA", (50, 255), "png", (50, 50, 50)),
        ("LA", (50, 0), "png", (255, 255, 255)),
        ("RGBA", (10, 20, 30, 0), "png", (255, 255, 255)),
        ("RGBA", (0, 0, 0, 51), "png", (204, 204, 204)),
        ("I;16", 65535, "png", (255, 255, 255)),
        ("I;16", 2570, "tif", (10, 10, 10)),
        ("I", 32896, "tif", (128, 128, 128)),
    ],
)
def test_every_mode(
    tmp_path: Path, mode: str, colour: Any, suffix: str, wanted: tuple[int, ...]
) -> None:
    paint(tmp_path / f"a.{suffix}", colour, mode)
    images = image_folder(tmp_path)
    assert images.pixels.dtype == np.uint8
    assert tuple(images.pixels[0, 1, 2].tolist()) == wanted
    grey = image_folder(tmp_path, channels=1)
    assert grey.shape == (4, 4, 1)
    if len(set(wanted)) == 1:
        assert grey.pixels[0, 1, 2, 0] == wanted[0]


@pytest.mark.parametrize("alpha", [b"\x00\xff", 0])
def test_a_palette_with_transparency(tmp_path: Path, alpha: Any) -> None:
    picture = Image.fromarray(np.array([[0, 1], [1, 0]], np.uint8))
    picture = picture.convert("P")
    picture.putpalette([255, 0, 0, 0, 0, 255])
    picture.save(tmp_path / "a.png", transparency=alpha)
    pixels = image_folder(tmp_path).pixels[0]
    assert pixels[0].tolist() == [[255, 255, 255], [0, 0, 255]]
    pixels = image_folder(tmp_path, background=0).pixels[0]
    assert pixels[0].tolist() == [[0, 0, 0], [0, 0, 255]]


def test_16_bits_with_a_transparent_level(tmp_path: Path) -> None:
    picture = Image.fromarray(np.array([[1000, 51400]], np.uint16))
    picture.save(tmp_path / "a.png", transparency=1000)
    assert image_folder(tmp_path, channels=1).pixels.ravel().tolist() == [255, 200]


def test_photos_are_turned_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (6, 2)).save(tmp_path / "a.jpg", exif=exif)
    assert image_folder(tmp_path).shape == (6, 2, 3)


def test_resize_stretches_and_crop_cuts(tmp_path: Path) -> None:
    pixels = np.zeros((4, 12, 3), np.uint8)
    pixels[:, 4:8] = 255  # a white square in the middle of a wide black picture
    Image.fromarray(pixels).save(tmp_path / "a.png")
    cropped = image_folder(tmp_path, (4, 4), fit="crop")
    assert (cropped.pixels == 255).all()
    stretched = image_folder(tmp_path, (4, 4), fit="resize")
    ends, middle = stretched.pixels[:, :, [0, 3]], stretched.pixels[:, :, 1:3]
    assert ends.max() < middle.min()
    assert image_folder(tmp_path, (8, 5), fit="crop").shape == (8, 5, 3)
    assert image_folder(tmp_path, 7).shape == (7, 7, 3)


@pytest.mark.parametrize("fit", ["resize", "crop"])
def test_photos_of_any_size_fit(tmp_path: Path, fit: Any) -> None:
    # Cut to 28x28, three of these get an offset of -1e-14 or so, by rounding.
    for width, height in ((600, 450), (450, 600), (51, 29), (29, 57), (17, 1), (640, 427)):
        paint(tmp_path / f"{width}x{height}.jpg", (9, 9, 9), size=(width, height))
    for size in (28, 13, (7, 49), (60, 11)):
        images = image_folder(tmp_path, size, fit=fit)
        assert len(images) == 6
        assert (images.pixels == 9).all()


def test_our_own_errors_are_not_put_on_the_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise ValueError("resizing is broken")

    paint(tmp_path / "a.png", 0, "L")
    monkeypatch.setattr("minigan.data.folder.fitted", broken)
    with pytest.raises(ValueError, match=r"^resizing is broken$"):
        image_folder(tmp_path, 2)


def test_one_size_for_all_or_size_is_needed(tmp_path: Path) -> None:
    paint(tmp_path / "a.png", 0, "L", (5, 3))
    assert image_folder(tmp_path).shape == (3, 5, 3)
    paint(tmp_path / "b.png", 0, "L", (4, 3))
    with pytest.raises(FileError, match=r"3x5 .*b\.png' is 3x4; give size="):
        image_folder(tmp_path)


def test_files_that_are_no_pictures(tmp_path: Path) -> None:
    paint(tmp_path / "a.png", 0, "L")
    (tmp_path / "notes.txt").write_text("hello")
    whole = (tmp_path / "a.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "none.png").write_bytes(b"")
    with pytest.raises(FileError) as caught:
        image_folder(tmp_path)
    message = str(caught.value)
    assert "notes.txt' (not a picture)" in message
    assert "cut.png" in message
    assert "none.png" in message
    assert "a.png" not in message
    for number in range(9):
        (tmp_path / f"{number}.txt").write_text("hello")
    with pytest.raises(FileError) as caught:
        image_folder(tmp_path)
    assert str(caught.value).count(".txt") == 5


def test_pixels_of_unknown_brightness(tmp_path: Path) -> None:
    paint(tmp_path / "a.tif", 0.5, "F")
    with pytest.raises(FileError, match=r"a\.tif.*convert it to 8 bits"):
        image_folder(tmp_path)
    paint(tmp_path / "a.tif", 70_000, "I")
    with pytest.raises(FileError, match="beyond 16 bits"):
        image_folder(tmp_path)


def test_a_picture_too_large_to_be_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paint(tmp_path / "a.png", 0, "L", (50, 50))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(FileError, match=r"a\.png.*exceeds limit"):
        image_folder(tmp_path)


def test_folders_that_are_not_right(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no folder"):
        image_folder(tmp_path / "none")
    with pytest.raises(FileError, match="is empty"):
        image_folder(tmp_path)
    (tmp_path / "a.zip").write_bytes(b"PK")
    with pytest.raises(FileError, match="unpack it"):
        image_folder(tmp_path / "a.zip")
    (tmp_path / "cat").mkdir()
    with pytest.raises(
        FileError, match=r"files such as 'a\.zip'; name .*cat', or remove the files"
    ):
        image_folder(tmp_path)
    (tmp_path / "a.zip").unlink()
    with pytest.raises(FileError, match="class folder .*cat' is empty"):
        image_folder(tmp_path)
    (tmp_path / "cat" / "old").mkdir()
    with pytest.raises(FileError, match="folder within a class folder"):
        image_folder(tmp_path)


def test_arguments(tmp_path: Path) -> None:
    paint(tmp_path / "a.png", 0, "L")
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"size": (0, 4)}, r"size must be \(height, width\)"),
        ({"size": 2.5}, "size must be"),
        ({"size": (1, 2, 3)}, "size must be"),
        ({"channels": 4}, "channels: got 4, wanted 1"),
        ({"fit": "pad"}, "fit: got 'pad', wanted"),
        ({"background": 256}, "background must be"),
    ]
    for arguments, words in wrong:
        with pytest.raises(ValueError, match=words):
            image_folder(tmp_path, **arguments)


def test_progress_sees_every_file(tmp_path: Path) -> None:
    for name in "ab":
        paint(tmp_path / f"{name}.png", 0, "L")
    seen: list[str] = []

    def progress(files: Iterable[Path]) -> Iterator[Path]:
        for file in files:
            seen.append(file.name)
            yield file

    image_folder(tmp_path, progress=progress)
    assert seen == ["a.png", "b.png"]


def test_without_pillow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def without(name: str, *args: Any) -> Any:
        if name.startswith("PIL"):
            raise ModuleNotFoundError("No module named 'PIL'")
        return original(name, *args)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r'pip install "\.\[cli\]"'):
        image_folder(tmp_path)


def test_who_reads_a_folder_far_below_may_look_on(tmp_path):
    seen = []
    for i in range(3):
        paint(tmp_path / f"{i}.png", (i, 0, 0))
    token = reading.set(lambda files: (seen.append(file.name) or file for file in files))
    try:
        load(tmp_path)
    finally:
        reading.reset(token)
    assert seen == ["0.png", "1.png", "2.png"]
