"""Real handwritten digits that come with the package, for runs without a download."""

from __future__ import annotations

from importlib import resources

import numpy as np

from .images import Images


def digits() -> Images:
    """1,797 handwritten digits, 8x8, grey, with labels: uint8 0 to 255, ink white on black.

    They are the test set of "Optical Recognition of Handwritten Digits" by E. Alpaydin and
    C. Kaynak (UCI Machine Learning Repository, CC BY 4.0), from scikit-learn's copy. Each pixel
    counts the ink in a 4x4 block of a 32x32 scan, 0 to 16; here it is scaled to 0 to 255.
    """
    with (
        resources.files("minigan.data").joinpath("digits.npz").open("rb") as file,
        np.load(file, allow_pickle=False) as stored,
    ):
        ink, labels = stored["pixels"], stored["labels"]
    levels = np.rint(np.arange(17) * (255 / 16)).astype(np.uint8)
    return Images(
        levels[ink][..., None],
        labels.astype(np.int64),
        tuple("0123456789"),
        "UCI handwritten digits, 8x8",
    )
