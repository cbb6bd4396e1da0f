"""Which modes were found, and how evenly: of mixtures in the plane, and of labelled images.

The protocol of VEEGAN (Srivastava et al., 2017) and PacGAN (Lin et al., 2018): a point of high
quality lies within 3 standard deviations of its nearest mode, a mode is captured by one such point,
and the reverse KL divergence is that of the captured modes' shares from the uniform ones. An exact
sampler of n points and m modes has about (m − 1)/2n of it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..arguments import whole
from ..data.mixtures import Mixture
from .checks import matrix

REACH = 3.0
"""Standard deviations from its mode, at most, of a point of high quality."""


class Modes(NamedTuple):
    """How many modes were captured, the share of high quality, and KL(made ‖ uniform) in nats."""

    captured: int
    high_quality: float
    reverse_kl: float


def mixture_modes(points: Any, mixture: Mixture) -> Modes:
    """The modes of ``mixture`` that ``points`` (N, D) capture.

    Without any point of high quality the divergence is NaN. ``evaluate_mixture`` puts beside it
    what the mixture's own points score.
    """
    x = matrix("points", points)
    if x.shape[1] != mixture.centres.shape[1]:
        raise ValueError(f"points: got shape {x.shape}, wanted (N, {mixture.centres.shape[1]})")
    squares = ((x[:, None] - mixture.centres) ** 2).sum(-1)
    good = squares.min(1) <= (REACH * mixture.std) ** 2
    found = label_modes(squares.argmin(1)[good], len(mixture.centres))
    return found._replace(high_quality=float(good.mean()))


def label_modes(labels: Any, modes: int) -> Modes:
    """The modes that ``labels`` (N,), numbers 0 … modes − 1, take: all count as high quality.

    Of stacked digits (N, 3) the labels are ``digits @ [100, 10, 1]``, of 1,000 modes.
    """
    whole("modes", modes)
    ids = np.asarray(labels)
    if ids.ndim != 1 or ids.dtype.kind not in "iu":
        raise ValueError(f"labels: got shape {ids.shape}, {ids.dtype}, wanted integers (N,)")
    if ids.size and not 0 <= ids.min() <= ids.max() < modes:
        raise ValueError(f"labels: got {ids.min()} to {ids.max()}, wanted 0 to {modes - 1}")
    counts = np.bincount(ids, minlength=modes)
    if not ids.size:
        return Modes(0, float("nan"), float("nan"))
    shares = counts[counts > 0] / len(ids)
    divergence = float((shares * np.log(shares * modes)).sum())
    return Modes(int((counts > 0).sum()), 1.0, divergence)
