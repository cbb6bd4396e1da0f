"""When a number turns NaN or infinite: which one was first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import random
from ..backend import array_module
from ..nn import Module, watch
from ..tensor import Tensor, no_grad
from .cures import Streams
from .game import Game
from .records import Batch
from .update import draw


def first_bad(game: Game, batches: Sequence[Batch], streams: Streams) -> str:
    """What to add to the error: the first tensor of a forward pass that is not finite, if any.

    Looks at the parameters, then at the batches, then runs the networks again, layer by layer,
    in training mode: statistics that layers keep are the caller's to put back.
    """
    networks = {"generator": game.generator, "discriminator": game.discriminator}
    for owner, network in networks.items():
        for name, parameter in network.named_state().items():
            if not _finite(parameter):
                return f"; the parameter {owner}.{name} is the first tensor that is not finite"
    if not all(_finite(batch.images) for batch in batches):
        return "; the batch of real images is the first tensor that is not finite"
    names = {
        id(module): f"{owner}.{path}" if path else owner
        for owner, network in networks.items()
        for path, module in network.named_modules()
    }
    found: list[str] = []

    def look(module: Module, result: Any) -> None:
        if not found and isinstance(result, Tensor) and not _finite(result):
            found.append(f"{names.get(id(module), 'module')} ({type(module).__name__})")

    with no_grad(), random.use(streams.dropout), watch(look):
        for batch in batches:
            game.judge(batch.images, batch.condition)
            game.judge(game.generate(draw(game, batch, streams)), batch.condition)
    return f"; the output of {found[0]} is the first tensor that is not finite" if found else ""


def _finite(value: Any) -> bool:
    array = value._array if isinstance(value, Tensor) else value
    return bool(array_module(array).isfinite(array).all())
