"""What travels between the data, the two networks and the losses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from ..backend import Array
from ..errors import NonFiniteError
from ..nn.module import each_tensor
from ..tensor import Tensor


class Batch(NamedTuple):
    """Real data for one turn: images (N, H, W, C), and labels (N,) or a condition if there are."""

    images: Array
    labels: Array | None = None
    condition: Any = None


class Draw(NamedTuple):
    """What a generator starts from: noise (N, size), and a condition if there is one."""

    noise: Array
    condition: Any = None


class Output(NamedTuple):
    """What a discriminator says of a batch. A plain tensor stands for ``Output(logits=tensor)``.

    ``logits`` (N, 1) are raw scores, or probabilities for a loss on probabilities;
    ``class_logits`` (N, K) those of classes, ``codes`` what it takes the noise's codes for.
    """

    logits: Tensor
    features: Any = None
    class_logits: Tensor | None = None
    codes: Tensor | None = None

    @property
    def features_of_each(self) -> list[Any]:
        """The features, or those of each of ``Several`` judges."""
        return self.features if isinstance(self.features, list) else [self.features]

    def rows(self, chosen: Any) -> Output:
        """What it says of some samples: those of an index along the batch."""
        return each_tensor(lambda tensor: tensor[chosen], self)


class Sums(NamedTuple):
    """What a move is judged by before it is made: a player's loss and then Σg², by parameter."""

    player: str
    parameters: tuple[str, ...]
    arrays: list[Array]


class Move(NamedTuple):
    """A player's move: its loss, and its gradient's norm before any clipping."""

    loss: float
    gradient: float


class Report(NamedTuple):
    """What one step of training saw, as plain numbers, for callbacks and logs.

    ``real_score`` and ``fake_score`` are D(x) and D(G(z)), averaged over the batch: probabilities
    of being real where the loss defines them, raw scores otherwise. The gradients are √Σg² over
    all of a player's parameters, at its last move and before any clipping.
    """

    step: int
    discriminator_loss: float
    generator_loss: float
    real_score: float
    fake_score: float
    discriminator_gradient: float
    generator_gradient: float


class Outcome(NamedTuple):
    """A step in plain numbers: both players' last moves, and the mean scores."""

    discriminator: Move
    generator: Move
    real_score: float
    fake_score: float

    def report(self, step: int) -> Report:
        """What is said of it."""
        (d_loss, d_gradient), (g_loss, g_gradient), real, fake = self
        return Report(step, d_loss, g_loss, real, fake, d_gradient, g_gradient)


class Unread:
    """A step's report whose numbers are not known yet: ``read`` finds out, once one is asked for.

    It answers as a ``Report`` does, by name, by place or in order, and is equal to one; or with the
    ``NonFiniteError`` of a step that went badly, its own or one before it.
    """

    def __init__(self, step: int, read: Callable[[Unread], None]) -> None:
        self.step, self._find_out = step, read
        self._found: Report | str | None = None

    @property
    def is_told(self) -> bool:
        """Whether it is known."""
        return self._found is not None

    def tell(self, found: Report | str) -> None:
        """Answer with these numbers from now on, or with an error of this message."""
        self._found, self._find_out = found, _nothing

    def _read(self) -> Report:
        if self._found is None:
            self._find_out(self)
        if not isinstance(self._found, Report):
            raise NonFiniteError(self._found)
        return self._found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._read(), name)

    def __getitem__(self, place: Any) -> Any:
        return self._read()[place]

    def __iter__(self) -> Iterator[float]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(Report._fields)

    def __eq__(self, other: object) -> bool:
        return self._read() == other

    def __hash__(self) -> int:
        return hash(self._read())

    def __repr__(self) -> str:
        return repr(self._read())

    def __reduce__(self) -> Any:
        return Report, tuple(self._read())  # a copy has that class


def _nothing(report: Unread) -> None:
    """There is nothing to find out any more."""


class Finding(NamedTuple):
    """What is wrong with a run, in words: a check's name, the step, what was seen, what to try."""

    name: str
    step: int
    message: str
    advice: str

    def __str__(self) -> str:
        return f"step {self.step}: {self.name}: {self.message}; {self.advice}"
