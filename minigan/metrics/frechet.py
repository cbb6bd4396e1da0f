"""Fréchet distance: how far apart two sets are if each is taken for a Gaussian.

Between N(μ₁, Σ₁) and N(μ₂, Σ₂) (Dowson and Landau, 1982; of features, Heusel et al., 2017, eq. 6):

    d² = ‖μ₁ − μ₂‖² + tr Σ₁ + tr Σ₂ − 2·tr (Σ₁Σ₂)^½

With any factors Σ₁ = AᵀA and Σ₂ = BᵀB, the eigenvalues of Σ₁Σ₂ = AᵀA·BᵀB that are not 0 are those
of (ABᵀ)ᵀ(ABᵀ), so tr (Σ₁Σ₂)^½ is the sum of the singular values of ABᵀ. That is a real number that
is not negative, whatever the ranks: no root of a matrix is taken, no covariance is inverted or
nudged, and fewer samples than dimensions are no special case.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from .checks import Array, matrix, pair

_SLACK = 1e-10  # of the largest eigenvalue: how negative rounding may make one that is 0


def frechet_distance(*, real: Any, fake: Any) -> float:
    """d² between features ``real`` (N, D) and ``fake`` (M, D), 2 rows or more of each.

    Covariances are divided by N − 1. The estimate is biased upwards, the more so the fewer samples
    there are: only values from as many samples, with the same features, can be compared.
    """
    real, fake = pair(real, fake, least=2)
    return _distance(real.mean(0), _factor(real), fake.mean(0), _factor(fake))


def frechet_of_moments(mean1: Any, cov1: Any, mean2: Any, cov2: Any) -> float:
    """d² between Gaussians of means (D,) and covariances (D, D)."""
    means = [np.asarray(mean, np.float64) for mean in (mean1, mean2)]
    factors = []
    for name, mean, cov in (("1", means[0], cov1), ("2", means[1], cov2)):
        if mean.ndim != 1 or mean.shape != means[0].shape:
            raise ValueError(f"mean{name}: got shape {mean.shape}, wanted (D,), alike for both")
        factors.append(_root(f"cov{name}", matrix(f"cov{name}", cov), len(mean)))
    return _distance(means[0], factors[0], means[1], factors[1])


def _distance(mean1: Array, factor1: Array, mean2: Array, factor2: Array) -> float:
    overlap = np.linalg.svd(factor1 @ factor2.T, compute_uv=False).sum()
    shift = ((mean1 - mean2) ** 2).sum()
    return max(0.0, float(shift + (factor1**2).sum() + (factor2**2).sum() - 2 * overlap))


def _factor(x: Array) -> Array:
    """R of at most D rows with RᵀR = the covariance of x: of the centred rows' QR."""
    return cast(Array, np.linalg.qr((x - x.mean(0)) / np.sqrt(len(x) - 1), mode="r"))


def _root(name: str, cov: Array, size: int) -> Array:
    """R with RᵀR = ``cov``, from its eigenvectors."""
    if cov.shape != (size, size) or not np.allclose(cov, cov.T, rtol=1e-10, atol=0):
        raise ValueError(f"{name}: got shape {cov.shape}, wanted ({size}, {size}), symmetric")
    values, vectors = np.linalg.eigh(cov)
    if values[0] < -_SLACK * max(abs(values[-1]), abs(values[0])):
        raise ValueError(f"{name}: has the eigenvalue {values[0]:g}, wanted none below 0")
    return (np.sqrt(np.maximum(values, 0)) * vectors).T
