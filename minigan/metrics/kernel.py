"""Kernel distance: the squared maximum mean discrepancy, without bias (Bińkowski et al., 2018).

With the kernel k(x, y) = (xᵀy/D + 1)³ and sets X of m rows and Y of n,

    d² = Σ_{i≠j} k(xᵢ, xⱼ)/(m(m − 1)) + Σ_{i≠j} k(yᵢ, yⱼ)/(n(n − 1)) − 2·Σ_{ij} k(xᵢ, yⱼ)/(mn)

(Gretton et al., 2012, eq. 3). As its mean is right for any m and n, it is 0 on average for two
sets of one distribution, and so it is negative about as often as not there.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arguments import whole
from ..random import Stream
from .checks import Array, Estimate, mean_of, pair

_ROOM = 1 << 22  # numbers in a block of the kernel's matrix: 32 MiB


def kernel_distance(
    *, real: Any, fake: Any, blocks: int = 1, degree: int = 3, seed: int = 0
) -> Estimate:
    """d² between features ``real`` (N, D) and ``fake`` (M, D), 2 rows or more of each.

    The sets, shuffled by ``seed``, are cut into that many ``blocks``, each of which gives an
    estimate of its own: their mean has no bias either, and their spread says how sure it is.
    """
    real, fake = pair(real, fake, least=2)
    whole("blocks", blocks, 1, min(len(real), len(fake)) // 2)
    orders = [Stream(seed, f"kernel {i}").permutation(len(x)) for i, x in enumerate((real, fake))]
    parts = zip(*(np.array_split(order, blocks) for order in orders), strict=True)
    return mean_of([_unbiased(real[i], fake[j], degree) for i, j in parts])


def _unbiased(x: Array, y: Array, degree: int) -> float:
    m, n = len(x), len(y)
    within_x = (_sum(x, x, degree) - _own(x, degree)) / (m * (m - 1))
    within_y = (_sum(y, y, degree) - _own(y, degree)) / (n * (n - 1))
    return within_x + within_y - 2 * _sum(x, y, degree) / (m * n)


def _sum(x: Array, y: Array, degree: int) -> float:
    """Σ_{ij} k(xᵢ, yⱼ), some rows at a time."""
    step = max(1, _ROOM // len(y))
    rows = (x[i : i + step] for i in range(0, len(x), step))
    return float(sum(((part @ y.T / x.shape[1] + 1) ** degree).sum() for part in rows))


def _own(x: Array, degree: int) -> float:
    """Σᵢ k(xᵢ, xᵢ)."""
    return float(((np.einsum("ij,ij->i", x, x) / x.shape[1] + 1) ** degree).sum())
