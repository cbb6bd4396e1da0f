"""Layers that bound how steep a discriminator can be."""

from __future__ import annotations

from typing import Any

from ..arguments import instance, whole
from ..autograd import grad
from ..backend import Array, array_module
from ..ops import absolute, matmul, norm, reshape, where
from ..tensor import Tensor, TensorLike, as_tensor, enable_grad, recording
from .dense import Weighted
from .initializers import Normal
from .module import Module, Parameter, each_tensor

FIRST_ITERATIONS = 15
"""Steps from the random vector to the one that training starts from."""


class SpectralNorm(Module):
    """``layer`` with the weight W/σ(W), σ the largest singular value (Miyato et al., 2018, eq. 8).

    The layer is a Dense, an Embedding or a convolution. W is taken as a matrix (rest, outputs):
    all axes but the one of the outputs put together, which is the last, and for Conv2DTranspose
    (kh, kw, outputs, inputs) the last but one. Its singular vectors are found by power iteration
    (algorithm 1), a few steps when it is built, ``iterations`` in each forward pass in training
    and none in evaluation (so a weight that is written from outside is followed in training):

        v ← W·u / ‖W·u‖      u ← Wᵀ·v / ‖Wᵀ·v‖      σ = vᵀ·W·u

    u and v are kept with the parameters, not trained, and are constants to differentiation:
    ∂σ/∂W = v·uᵀ. The layer's own weight stays as it is, and each pass makes an array of its own
    of W/σ. A weight of zero is left alone.
    """

    per_sample = True

    u: Parameter
    v: Parameter

    def __init__(self, layer: Module, iterations: int = 1) -> None:
        linear = "one whose result is linear in its weight"
        kinds = "Dense, Embedding, Conv1D, Conv2D or Conv2DTranspose"
        instance("layer", layer, Weighted, f"{linear}: {kinds}")
        self.layer, self.iterations = layer, whole("iterations", iterations)

    @property
    def input_dtype(self) -> str | None:  # type: ignore[override]
        """What the layer takes."""
        return self.layer.input_dtype

    def create(self, *input_shapes: tuple[int, ...]) -> None:
        self.layer(*self.layer.trial_inputs(input_shapes))  # makes its weight
        matrix = self.layer.matrix()
        rest, outputs = matrix.shape
        self.add_parameter("u", (outputs,), Normal(1.0), trainable=False, dtype=matrix.dtype)
        self.add_parameter("v", (rest,), trainable=False, dtype=matrix.dtype)
        self._iterate(matrix._array, FIRST_ITERATIONS)

    def forward(self, x: TensorLike) -> Tensor:
        matrix = self.layer.matrix()
        if self.in_training:
            self._iterate(matrix._array, self.iterations)
        # Arrays of its own: later passes write to the parameters before this one goes backward.
        u, v = _unit(self.u._array), _unit(self.v._array)
        sigma = matmul(matmul(v, matrix), u)
        return self.layer(x, self.layer.weight / where(sigma > 0, sigma, 1.0))

    def _iterate(self, w: Array, steps: int) -> None:
        u = self.u._array
        for _ in range(steps):
            v = _unit(matmul(w, u)._array)
            u = _unit(matmul(v, w)._array)
        self.u.assign(u)
        self.v.assign(v)


def _unit(x: Array) -> Array:
    """x/‖x‖, zero if x is."""
    length = norm(x)._array
    return x / (length + (length == 0))


class GradientNormalized(Module):
    """D̂(x) = D(x)/(‖∇ₓD(x)‖ + |D(x)|), sample by sample, so that ‖∇ₓD̂‖ ≤ 1 for a D of pieces
    that are linear (Wu et al., 2021, with ζ = |D|).

    ``discriminator`` gives one logit a sample, (N,) or (N, 1). The gradient is taken of their sum,
    so no sample may change another's logit: layers that are known to mix the batch, such as batch
    norm, are refused; one's own that do must say ``mixes_batch``. The gradient is taken under
    ``no_grad`` too, and while gradients are recorded it can be differentiated again. Where D and
    its gradient are both zero, D̂ is zero.

    Of a discriminator with heads, whose result is a named tuple, ``logits`` are normalised and
    the rest stays as it is.
    """

    per_sample = True

    def __init__(self, discriminator: Module) -> None:
        instance("discriminator", discriminator, Module, "a Module")
        if discriminator.mixing:
            raise ValueError(
                f"discriminator: got one with {', '.join(discriminator.mixing)}, wanted each score "
                "to depend on its own sample alone, as it is divided by its own slope: take "
                "LayerNorm, SpectralNorm or none in place of batch norm, and no layer that looks "
                "at the batch"
            )
        self.discriminator = discriminator

    @property
    def takes_condition(self) -> bool:  # type: ignore[override]
        """Whether the discriminator does."""
        return self.discriminator.takes_condition

    def forward(self, x: TensorLike, *condition: Any) -> Any:
        x = as_tensor(x)
        if not x.requires_grad:
            x = Tensor(x, requires_grad=True)
        with enable_grad():
            judged = self.discriminator(x, *condition)
            y: Tensor = getattr(judged, "logits", judged)
            if y.size != len(x):
                raise ValueError(
                    f"{self.title}: got logits of shape {y.shape} for {len(x)} samples, wanted "
                    "one for each: GradientNormalized goes into Several or Packed, not around them"
                )
        ones = array_module(y._array).ones_like(y._array)
        (slope,) = grad(y, [x], ones, create_graph=recording.get())
        steepness = reshape(norm(slope, tuple(range(1, x.ndim))), y.shape)
        bound = steepness + absolute(y)
        normalised = y / where(bound > 0, bound, 1.0)
        if judged is y:
            return normalised
        rest = judged if recording.get() else each_tensor(Tensor.detach, judged)
        return rest._replace(logits=normalised)
