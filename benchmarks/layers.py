"""How long single layers and optimisers take, minigan against its peers.

    python -m benchmarks.layers [--layer NAME …] [--vs torch] [--json FILE]
                                [--threads N] [--blocks N] [--steps N] [--clock wall|processor]
    OPENBLAS_NUM_THREADS=1 python -m benchmarks.layers --calibrate [--minutes N]

A step of a layer is its forward pass in training and the gradients of its input and parameters; a
step of an optimiser is one update of a dense layer's parameters. Sides, parity, blocks and columns
are those of ``benchmarks.steps``. Shapes are those of DCGAN-28 and of the upsampling GAN.

``--calibrate`` times the convolution algorithms instead, and writes what they cost into
``minigan/kernels/choice.py``.
"""

from __future__ import annotations

import sys

from . import calibrate, steps
from .networks import (
    BatchNorm,
    Conv,
    ConvTransposed,
    Dense,
    Dropout,
    Layer,
    LeakyReLU,
    ReLU,
    Shape,
    Sigmoid,
    Tanh,
    Upsample,
)
from .workloads import Adam, RMSprop, Workload


def _layer(layer: Layer, shape: Shape, batch: int) -> Workload:
    return Workload("", batch, "layer", (), (layer,), shape, Adam(0.0))


def _optimizer(settings: Adam | RMSprop) -> Workload:
    return Workload("", 1, "optimizer", (), (Dense(1024),), (1024,), settings)


LAYERS: dict[str, Workload] = {
    "dense": _layer(Dense(7 * 7 * 256, bias=False), (100,), 128),
    "conv5-stride2-first": _layer(Conv(64, 5, 2), (28, 28, 1), 128),
    "conv5-stride2": _layer(Conv(128, 5, 2), (14, 14, 64), 128),
    "transposed5": _layer(ConvTransposed(128, 5, 1, bias=False), (7, 7, 256), 128),
    "transposed5-stride2": _layer(ConvTransposed(64, 5, 2, bias=False), (7, 7, 128), 128),
    "transposed5-stride2-last": _layer(ConvTransposed(1, 5, 2, bias=False), (14, 14, 64), 128),
    "conv3-first": _layer(Conv(64, 3), (28, 28, 3), 32),
    "conv3-last": _layer(Conv(3, 3), (28, 28, 128), 32),
    "conv3-128": _layer(Conv(128, 3), (28, 28, 64), 32),
    "conv3-256": _layer(Conv(256, 3), (28, 28, 128), 32),
    "conv3-512": _layer(Conv(512, 3), (28, 28, 256), 32),
    "batch-norm": _layer(BatchNorm(), (14, 14, 64), 128),
    "batch-norm-large": _layer(BatchNorm(), (28, 28, 256), 32),
    "leaky-relu": _layer(LeakyReLU(0.3), (14, 14, 64), 128),
    "relu": _layer(ReLU(), (14, 14, 64), 128),
    "tanh": _layer(Tanh(), (28, 28, 3), 128),
    "sigmoid": _layer(Sigmoid(), (28, 28, 3), 128),
    "dropout": _layer(Dropout(0.3), (14, 14, 64), 128),
    "upsample": _layer(Upsample(), (14, 14, 128), 32),
    "adam": _optimizer(Adam(1e-3)),
    "rmsprop": _optimizer(RMSprop(1e-3, 0.9)),
}
for _name, _workload in LAYERS.items():
    LAYERS[_name] = _workload.named(_name)


def main() -> None:
    if "--calibrate" in sys.argv:
        sys.argv.remove("--calibrate")
        calibrate.main(write=True)
        return
    parser = steps.parser("layers", __doc__)
    parser.add_argument("--layer", nargs="+", choices=LAYERS, default=list(LAYERS), metavar="NAME")
    arguments = parser.parse_args()
    steps.run([LAYERS[name] for name in arguments.layer], arguments)


if __name__ == "__main__":
    main()
