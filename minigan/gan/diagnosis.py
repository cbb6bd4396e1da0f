"""When a number turns NaN or infinite: which tensor was first, and what operation made it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

import numpy as np

from .. import autograd, primitives, random
from ..backend import array_module, is_array
from ..errors import NonFiniteError
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

    # What overflows is what is looked for; NumPy's warnings would only repeat it.
    with no_grad(), random.use(streams.dropout), watch(look), np.errstate(all="ignore"):
        for batch in batches:
            game.judge(batch.images, batch.condition)
            game.judge(game.generate(draw(game, batch, streams)), batch.condition)
    return f"; the output of {found[0]} is the first tensor that is not finite" if found else ""


_APPLY = primitives.add.__code__  # the same for every primitive
_BACKWARD = (autograd._unrecorded.__code__, autograd._recorded.__code__)


def first_operation(step: Callable[[], Any]) -> str:
    """What to add to the error: the operation that makes a number which is not finite of such as
    are, if one does while ``step`` is taken again.

    The interpreter tells of every call meanwhile, so that operations need not look themselves,
    which would cost every other step something.
    """
    backward: list[str] = []  # the operations whose gradient is being computed
    found: list[str] = []

    def look(frame: FrameType, event: str, result: Any) -> None:
        code = frame.f_code
        if found or event not in ("call", "return"):
            return
        if code in _BACKWARD:
            seen = frame.f_locals
            if event == "call":
                backward.append(seen["node"].primitive.name)
                return
            name, kept = backward.pop(), (seen["node"].kept or {}).values()
            if not backward and _spoilt([seen["g"], *kept], result):
                found.append(f"the backward pass of {name}")
        elif code is _APPLY and event == "return" and not backward:
            seen = frame.f_locals
            if _spoilt(seen.get("arrays"), [result]):
                found.append(seen["spec"].name)

    alone = watch(lambda module, result: None)  # who watched the step has seen it
    with np.errstate(all="ignore"), alone, suppress(NonFiniteError), _told_to(look):
        step()
    return f"; {found[0]} is the first to make such a number of finite ones" if found else ""


@contextmanager
def _told_to(look: Callable[[FrameType, str, Any], None]) -> Iterator[None]:
    """Within the block the interpreter tells ``look`` of every call and return of this thread."""
    before = sys.getprofile()
    sys.setprofile(look)
    try:
        yield
    finally:
        sys.setprofile(before)


def _spoilt(given: Any, made: Any) -> bool:
    """Whether something is not finite that was made of finite numbers; None stands for nothing."""
    bad = any(not _finite(one) for one in made or () if one is not None)
    return bad and given is not None and all(map(_finite, given))


def _finite(value: Any) -> bool:
    array = value._array if isinstance(value, Tensor) else value
    return not is_array(array) or bool(array_module(array).isfinite(array).all())
