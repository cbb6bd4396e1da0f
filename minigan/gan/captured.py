"""Captured steps: a step of a trainer as one CUDA graph, launched as a whole.

A step on a GPU is hundreds of small operations, and to ask for one takes the CPU longer than many
of them take the GPU. Here they are asked for once, while the stream is *captured*: nothing is done,
and a graph remembers what was to be done with which memory. A launch of it is a step.

What a graph was given as a number it keeps for good, and what Python decided by then is decided:
code of one's own runs for the capture and not again. So what changes from step to step lies in the
GPU's memory, a table that is written before each launch: the number of the step, which with the
draw's own gives the random numbers, and what each move of an optimiser takes, computed by the CPU
as for any step. Batches are copied to where the graph reads them. The bits are those of steps that
are not captured.

Nobody waits for a launch: a step's report is read from the GPU once one of its numbers is asked
for, with those of the steps before it, and the CPU prepares the next steps in the meantime. After
``AT_MOST`` steps, before one that is taken without the graph, and before the run is sampled, saved
or moved it is read in any case. (Labels, and images that are not on the GPU, are sent to it step
by step, which waits.)

A bad loss or gradient is only seen by the CPU when it reads. By then the GPU has seen it too, and
has left weights and optimisers alone from that move on (``go``), in later launches as well. What
that step changed before, and what layers and cures keep, is put back from copies that the graph
makes first while all is well. Then the step is taken again without the graph, which says what went
wrong, as it does for any trainer, and the run is where it was before that step.

Before a capture some steps run as they are, on the stream and in the pool of memory that the graph
will have: kernels get compiled, and memory is there. Afterwards nobody else takes memory of that
pool, as the graph writes to it. Steps that the doctor watches are taken as they are. What can't be
captured makes the trainer go on without, and say so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ..backend import Array, array_module, capturing, library_on
from ..errors import CaptureWarning, NonFiniteError, NotCapturable, warn
from ..kernels import choice, cuda, gemm
from ..optim import Optimizer
from ..tensor import Tensor
from .cures import DISCRIMINATOR, GENERATOR, Cure, Moment
from .records import Batch, Move, Outcome, Report, Sums
from .update import Players, judged

if TYPE_CHECKING:
    from .trainer import Trainer

WARM_UP = 2
"""Steps alike that come before a capture."""

WIDTH = 8
"""Numbers in a row of the table: the first has the step and the average's share, each other one a
move's."""

AT_MOST = 32
"""Steps whose reports are not read."""

JOINED = 8
"""Arrays that can be put together in a capture; of more, CuPy copies a list to the GPU."""


class Captured:
    """Takes a trainer's steps, captured as soon as can be.

    ``reason`` says why not, if so, and ``tell`` is called with that line, by default to warn of it.
    """

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer
        self.tell: Callable[[str], None] = lambda line: warn(line, CaptureWarning)
        self.forget()

    def read(self) -> None:
        """Wait for the steps that were launched, so that all is known of them.

        Raises ``NonFiniteError`` for the first bad one, the run being as it was before that.
        """
        if self._graph is not None:
            self._graph.read()

    def forget(self) -> None:
        """All that was captured: networks are elsewhere now."""
        self.reason = ""
        self._kind: Any = None
        self._alike = 0  # steps of that kind, one after the other
        self._place: _Place | None = None  # that no graph has yet
        self._graph: _Graph | None = None

    def step(self, batches: Sequence[Batch], plain: Callable[[], Outcome]) -> Outcome | Unread:
        """One step; ``plain`` takes it without a graph."""
        if self.reason:
            return plain()
        kind = _kind(self.trainer, batches)
        if self._graph is None or self._graph.kind != kind:
            self.read()
            if kind != self._kind:  # of another shape, for example
                self._kind, self._alike = kind, 0
            place = self._place = self._place or _Place(library_on(self.trainer.device))
            if self._alike < WARM_UP:
                self._alike += 1
                with place.in_use():
                    return plain()
            try:
                self._graph, self._place = _Graph(self.trainer, batches, kind, place), None
            except Exception as error:  # whatever it is, the step can be taken as it is
                known = isinstance(error, NotCapturable)
                said = str(error) if known else f"{type(error).__name__}: {error}"
                self.reason, self._graph, self._place = said.partition("\n")[0], None, None
                self.tell(f"steps are not captured, as {self.reason}")
                return plain()
        self._kind = kind
        return self._graph.step(batches)


def _kind(trainer: Trainer, batches: Sequence[Batch]) -> Any:
    """What a graph is for: the same shapes, weights in the same memory and the same settings."""
    shapes = [(b.images.shape, None if b.condition is None else b.condition.shape) for b in batches]
    weights = [id(parameter._array) for parameter in trainer._parameters.values()]
    return shapes, weights, gemm.precision.get(), choice.forced.get()


class _Place:
    """A stream, and a pool of memory."""

    def __init__(self, xp: Any) -> None:
        self.xp, self.pool = xp, xp.cuda.MemoryPool()
        self.stream = xp.cuda.Stream(non_blocking=True)

    @contextmanager
    def in_use(self, pool: bool = True) -> Iterator[None]:
        """Within the block, work is done there: after what was asked for before the block, and
        before what is asked for after it.
        """
        outside, inside = self.xp.cuda.get_current_stream(), self.stream
        inside.wait_event(outside.record())
        memory = self.xp.cuda.using_allocator(self.pool.malloc) if pool else nullcontext()
        try:
            with inside, memory:
                yield
        finally:
            outside.wait_event(inside.record())


class Unread:
    """A ``Report`` of a step that was launched: its numbers are read once one is asked for.

    In a run that came upon a bad number in that step or before, that raises ``NonFiniteError``.
    """

    def __init__(self, graph: _Graph, counted: list[tuple[Any, dict[str, Array]]]) -> None:
        self._graph: _Graph | None = graph
        self._found: Report | Exception | None = None
        self.step = graph.trainer.step_count + 1
        self.counted = counted  # by the optimisers, before it

    def tell(self, found: Report | Exception) -> None:
        """Answer with this from now on."""
        self._found, self._graph, self.counted = found, None, []

    @property
    def is_told(self) -> bool:
        """Whether it is known."""
        return self._found is not None

    def report(self, step: int) -> Report:
        """Itself: it is one in all but its class."""
        return cast(Report, self)

    def _read(self) -> Report:
        if self._graph is not None:
            with suppress(NonFiniteError):  # which may be a later step's
                self._graph.read()
        if isinstance(self._found, Exception):
            raise self._found
        return cast(Report, self._found)

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
        return Report, tuple(self._read())  # a copy is one in its class, too


class _Graph:
    """A captured step, and all memory that it uses."""

    def __init__(
        self, trainer: Trainer, batches: Sequence[Batch], kind: Any, place: _Place
    ) -> None:
        self.trainer, self.kind, self.place = trainer, kind, place
        self.sums: list[Sums] = []
        self.moves: list[Optimizer] = []
        self.unread: list[Unread] = []
        moves = trainer.discriminator_steps + 1
        self.numbers = np.zeros((1 + moves, WIDTH))
        self.rows: list[np.ndarray] = []  # where each move's parameters lie
        # Alive as long as the graph, which only knows their addresses.
        self.weights = [parameter._array for parameter in trainer._parameters.values()]
        self.cublas = gemm._handle(place.xp)
        with place.in_use():
            self.table = place.xp.asarray(self.numbers)
            self.go = place.xp.ones(1)
            most = max(len(player.parameters) for player in trainer.players)
            self.where = place.xp.zeros((moves, most, cuda.WIDTH), "uint64")
            self.batches = [_copied(batch) for batch in batches]
            live = trainer._live_state()
            self.before = {name: live[name].copy() for name in _unguarded(trainer)}
            one = place.xp.ones((), np.result_type(trainer.game.dtype, "float32"))
            cuda.go_if_finite(_joined([one] * 9), self.go)  # loads what no other step has used,
            cuda.keep(one.reshape(1), one, self.go)  # as does this
            place.stream.begin_capture()
            token = capturing.set(True)
            try:
                self.found = self._captured()
            except BaseException:
                with suppress(RuntimeError):  # it is over, and may say once more why
                    place.stream.end_capture()
                raise
            finally:
                capturing.reset(token)
            self.graph = place.stream.end_capture()
            for where, rows in zip(self.where, self.rows, strict=True):
                where[: len(rows)].set(rows)
        self.kept = place.xp.empty((AT_MOST, self.found.size), self.found.dtype)

    def _captured(self) -> Array:
        """Ask for a step, with copies of what it may spoil; returns its figures."""
        trainer, live = self.trainer, self.trainer._live_state()
        for name, copy in self.before.items():
            cuda.keep(copy, live[name], self.go)
        streams = trainer._streams().later(self.table[0, :1])
        moment = Moment(trainer.step_count, streams, trainer._memories, judged=self._judged)
        later: list[Any] = [_Later(player, self) for player in trainer.players]
        scores = trainer._move(self.batches, moment, Players(*later))
        if trainer.average is not None:
            share = self.table[0, 1:2]
            trainer.average.update_later(trainer.game.generator, share, self.go)
        of_moves = [array for sums in self.sums for array in sums.arrays]
        return _joined([*of_moves, *trainer._mean_scores(scores)])

    def _judged(self, sums: Sums) -> Move:
        """Let the GPU judge a move; what it is worth is known when the step is over."""
        cuda.go_if_finite(_joined(sums.arrays), self.go)
        self.sums.append(sums)
        return Move(float("nan"), float("nan"))

    def step(self, batches: Sequence[Batch]) -> Unread:
        """Launch a step."""
        if len(self.unread) == AT_MOST:
            self.read()
        trainer, place = self.trainer, self.place
        counted = [(p.state, {n: p.state[n].copy() for n in ("lr", "steps")}) for p in self.moves]
        share = 0.0 if trainer.average is None else trainer.average.share(trainer.step_count)
        self.numbers[0, :2] = trainer.step_count, share
        for row, optimizer in zip(self.numbers[1:], self.moves, strict=True):
            optimizer.advance()
            numbers = optimizer.numbers(optimizer.dtype)
            row[: len(numbers)] = numbers
        with place.in_use(pool=False):
            for own, batch in zip(self.batches, batches, strict=True):
                cuda.keep(own.images, batch.images, self.go)
                if batch.condition is not None:
                    cuda.keep(own.condition, batch.condition, self.go)
            self.table.set(self.numbers)
            self.graph.launch()
            self.kept[len(self.unread)] = self.found
        for parameter in trainer._parameters.values():
            if parameter._version is not None:
                parameter._version[0] += 1
        self.unread.append(Unread(self, counted))
        return self.unread[-1]

    def read(self) -> None:
        """Read the reports of all steps that were launched."""
        if not self.unread:
            return
        with self.place.in_use(pool=False):
            figures = self.kept[: len(self.unread)].tolist()
        unread, self.unread = self.unread, []
        for k, (one, values) in enumerate(zip(unread, figures, strict=True)):
            try:
                outcome = self._outcome(values)
            except NonFiniteError:
                later = unread[k + 1 :]
                self._go_back(one)
                try:
                    self._again(one, later)
                except Exception as error:
                    for untaken in later if one.is_told else (one, *later):
                        untaken.tell(error)
                    raise
                return
            one.tell(outcome.report(one.step))

    def _outcome(self, values: Sequence[float]) -> Outcome:
        """A step's figures as what they are, if all of them are finite that must be."""
        rest = iter(values)
        moves = {s.player: judged(s, [next(rest) for _ in s.arrays])[0] for s in self.sums}
        return Outcome(moves[DISCRIMINATOR], moves[GENERATOR], *rest)

    def _go_back(self, bad: Unread) -> None:
        """Make the run what it was before a step that came upon a bad number."""
        trainer, steps = self.trainer, self.trainer.step_count - bad.step + 1
        trainer._write(self.before)
        for state, counted in bad.counted:
            for name, array in counted.items():
                state[name][...] = array
        trainer._count(-steps)
        if trainer.doctor is not None:
            trainer.doctor.forget(bad.step)
        with self.place.in_use(pool=False):
            self.go.fill(1)

    def _again(self, bad: Unread, later: Sequence[Unread]) -> None:
        """Take that step without the graph, which raises what there is to say."""
        bad.tell(self.trainer._taken(self.batches).report(bad.step))
        self.trainer._count(1)
        if later:
            raise NonFiniteError(
                f"step {bad.step}: it came upon a number that is not finite, and did not when it "
                f"was repeated; the {len(later)} steps after it were not taken"
            )


class _Later:
    """A player's optimiser in a captured step: its numbers are a row of the table."""

    def __init__(self, optimizer: Optimizer, graph: _Graph) -> None:
        self.optimizer, self.graph, self.parameters = optimizer, graph, optimizer.parameters

    def step(self, gradients: Sequence[Tensor | None]) -> None:
        graph, place = self.graph, len(self.graph.moves)
        numbers, where = graph.table[1 + place], graph.where[place]
        graph.moves.append(self.optimizer)
        rows = self.optimizer.step_later(gradients, numbers, graph.go, where)
        graph.rows.append(rows)


def _unguarded(trainer: Trainer) -> list[str]:
    """What a step may have changed on the GPU by the time that ``go`` is 0, or changes after."""
    names, live = list(trainer._at_risk), trainer._live_state()
    if any(type(cure).moved is not Cure.moved for cure in trainer.game.cures):
        names += trainer._parameters
    return [name for name in dict.fromkeys(names) if array_module(live[name]) is not np]


def _copied(batch: Batch) -> Batch:
    condition = None if batch.condition is None else batch.condition.copy()
    return batch._replace(images=batch.images.copy(), condition=condition)


def _joined(arrays: Sequence[Array]) -> Array:
    """Numbers in arrays of no axes as one array of them."""
    xp, parts = array_module(arrays[0]), [array.reshape(-1) for array in arrays]
    while len(parts) > 1:
        parts = [xp.concatenate(parts[i : i + JOINED]) for i in range(0, len(parts), JOINED)]
    return parts[0]
