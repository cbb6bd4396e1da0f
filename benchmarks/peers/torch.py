"""PyTorch's side at its best: eager, and on a GPU also in a CUDA graph and compiled.

- Padding is its own. Keras's ``same`` at stride 2 pads one more after than before, PyTorch as much
  on either side and leaves the last pixel out. On maps turned by 180°, with kernels turned too,
  the two are equal, so every map and kernel is turned here, and the rows and columns of dense
  layers next to maps are put in that order.
- Both memory layouts are tried, and real and fake images in one batch or in two where no batch
  norm forbids that; the command times the fastest of these ``variants``.
- Adam is the fused one, activations are in place, gradients are set to None rather than zeroed.
- Each player's gradient is taken for its own parameters only.
- On a GPU cuDNN chooses its algorithms by timing them. "bf16" is automatic mixed precision.
- In a graph is the whole step, noise and optimisers with it, as ``torch.cuda.graph`` has it; what
  is compiled are the networks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from .. import networks as n
from ..workloads import PENALTY, Adam, Workload

LAYOUTS = {"nchw": torch.contiguous_format, "nhwc": torch.channels_last}
Tensor = torch.Tensor


mixed = False
"""Whether automatic mixed precision is in force; ``set_device`` says."""


def versions() -> dict[str, str]:
    return {"torch": torch.__version__}


def set_threads(count: int) -> None:
    torch.set_num_threads(count)


def set_device(name: str, precision: str) -> None:
    """For the rest of the process: compute on that GPU, and multiply float32 so."""
    global mixed
    torch.set_default_device(name)
    mixed = precision == "bf16"
    for backend in (torch.backends.cuda.matmul, torch.backends.cudnn):
        backend.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.benchmark = True


def event() -> Any:
    made = torch.cuda.Event(enable_timing=True)
    made.record()
    return made


def seconds(first: Any, second: Any) -> float:
    second.synchronize()
    return first.elapsed_time(second) / 1e3


def memory() -> int:
    free, total = torch.cuda.mem_get_info()
    return total - free


def cast() -> AbstractContextManager[Any]:
    """Where networks are called: mixed precision, if it is in force."""
    return torch.autocast(torch.get_default_device().type, torch.bfloat16, enabled=mixed)


def on_gpu() -> bool:
    return torch.get_default_device().type == "cuda"


def tensor(array: np.ndarray) -> Tensor:
    """On the device in force; on a CPU it is the array's memory."""
    return torch.from_numpy(array).to(torch.get_default_device())


def variants(workload: Workload) -> list[str]:
    """Words that ``build`` understands, "nhwc joined" for example."""
    maps = workload.convolutional or (workload.step == "layer" and len(workload.image) == 3)
    layouts = list(LAYOUTS) if maps else ["nchw"]
    if workload.step == "sample":
        ways = ["64", "256", "1024"]
    else:
        alone = workload.step in ("layer", "optimizer")
        ways = ["joined", "apart"] if workload.joinable and not alone else ["apart"]
    made = [f"{layout} {way}" for layout in layouts for way in ways]
    if not on_gpu():
        return made
    # PyTorch does not differentiate twice through what it compiled.
    launches = ["eager"] if workload.step in ("critic", "optimizer") else ["eager", "compiled"]
    launches += ["graph"] if workload.step in ("alternating", "simultaneous") else []
    return [f"{one} {launch}" for one in made for launch in launches]


def build(workload: Workload, weights: tuple[n.Weights, n.Weights], variant: str) -> Any:
    layout, way, *launch = variant.split()
    runner = runner_for(workload, weights, layout, way)
    if launch == ["compiled"]:
        for made in runner.networks():
            made.compile()
    return Graphed(runner) if launch == ["graph"] else runner


def runner_for(
    workload: Workload, weights: tuple[n.Weights, n.Weights], layout: str, way: str
) -> Any:
    if workload.step == "sample":
        return Sampler(workload, weights[0], layout, int(way))
    kind = {
        "alternating": Alternating,
        "critic": Critic,
        "layer": Layer,
        "optimizer": Optimizer,
        "simultaneous": Simultaneous,
    }
    return kind[workload.step](workload, weights, layout, way == "joined")


# Networks


class Unflatten(nn.Module):
    """Features to maps (N, C, H, W), in the layout's memory order without a copy."""

    def __init__(self, shape: n.Shape, layout: str) -> None:
        super().__init__()
        self.shape, self.layout = shape, layout

    def forward(self, x: Tensor) -> Tensor:
        h, w, c = self.shape
        if self.layout == "nhwc":
            return x.view(-1, h, w, c).permute(0, 3, 1, 2)
        return x.view(-1, c, h, w)


class Flatten(nn.Module):
    """Maps to features, in the layout's memory order without a copy."""

    def __init__(self, layout: str) -> None:
        super().__init__()
        self.layout = layout

    def forward(self, x: Tensor) -> Tensor:
        return (x.permute(0, 2, 3, 1) if self.layout == "nhwc" else x).flatten(1)


class GlobalAverage(nn.Module):
    """The mean of each channel."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))


def network(layers: n.Layers, shape: n.Shape, weights: n.Weights, layout: str) -> nn.Sequential:
    """The layers with these weights, maps turned by 180°."""
    shapes, orders = n.shapes(layers, shape), flat_orders(layers, shape, layout)
    modules = []
    for i, (layer, held) in enumerate(zip(layers, weights, strict=True)):
        made = module(layer, shapes[i], shapes[i + 1], layout)
        arrays = turned(layer, held, orders[i], orders[i + 1])
        made.load_state_dict({k: torch.from_numpy(v) for k, v in arrays.items()}, strict=False)
        modules.append(made)
    made = nn.Sequential(*modules).to(memory_format=LAYOUTS[layout])
    return made.to(torch.get_default_device())


def module(layer: n.Layer, shape: n.Shape, after: n.Shape, layout: str) -> nn.Module:
    """PyTorch's module for a neutral layer between maps or features of these shapes."""
    channels = shape[-1]
    match layer:
        case n.Dense(units, bias):
            return nn.Linear(channels, units, bias)
        case n.Conv(filters, taps, stride, bias):
            pad, _ = padding(shape[0], after[0], taps, stride)
            return nn.Conv2d(channels, filters, taps, stride, pad, bias=bias)
        case n.ConvTransposed(filters, taps, stride, bias):
            pad, rest = padding(after[0], shape[0], taps, stride)
            return nn.ConvTranspose2d(channels, filters, taps, stride, pad, rest, bias=bias)
        case n.BatchNorm(decay):
            kind = nn.BatchNorm2d if len(shape) == 3 else nn.BatchNorm1d
            return kind(channels, eps=1e-3, momentum=1 - decay)
        case n.LeakyReLU(slope):
            return nn.LeakyReLU(slope, inplace=True)
        case n.ReLU():
            return nn.ReLU(inplace=True)
        case n.Dropout(rate):
            return nn.Dropout(rate)
        case n.Upsample():
            return nn.Upsample(scale_factor=2)
        case n.Reshape():
            return Unflatten(layer.shape, layout)
        case n.Flatten():
            return Flatten(layout) if len(shape) == 3 else nn.Identity()
    return {n.Tanh: nn.Tanh, n.Sigmoid: nn.Sigmoid, n.GlobalAverage: GlobalAverage}[type(layer)]()


def padding(large: int, small: int, taps: int, stride: int) -> tuple[int, int]:
    """What to pad on either side for ``same`` on a turned map, and the pixels then left over.

    ``same`` pads t = (small − 1)·stride + taps − large in all, ⌊t/2⌋ before and ⌈t/2⌉ after;
    turned, ⌈t/2⌉ before, and PyTorch's other ⌈t/2⌉ after does no harm.
    """
    total = (small - 1) * stride + taps - large
    each = (total + 1) // 2
    return each, 2 * each - total


def flat_orders(layers: n.Layers, shape: n.Shape, layout: str) -> list[np.ndarray | None]:
    """At each boundary of layers, which of our features stands where in PyTorch's.

    None where they are in the same order, or where maps are. The order of a map's elements
    reaches from a ``Reshape`` or ``Flatten`` up to the next dense layer on its flat side.
    """
    shapes = n.shapes(layers, shape)
    orders: list[np.ndarray | None] = [None] * len(shapes)
    for i, layer in enumerate(layers):
        if isinstance(layer, n.Flatten) and len(shapes[i]) == 3:
            orders[i + 1] = _order(shapes[i], layout)
        elif orders[i] is not None and not isinstance(layer, n.Dense | n.Reshape):
            orders[i + 1] = orders[i]
    for i in reversed(range(len(layers))):
        layer = layers[i]
        if isinstance(layer, n.Reshape):
            orders[i] = _order(layer.shape, layout)
        elif len(shapes[i]) == 1 and not isinstance(layer, n.Dense) and orders[i] is None:
            orders[i] = orders[i + 1]
    return orders


def _order(shape: n.Shape, layout: str) -> np.ndarray:
    index = np.arange(np.prod(shape)).reshape(shape)[::-1, ::-1]
    return (index if layout == "nhwc" else index.transpose(2, 0, 1)).ravel()


def turned(
    layer: n.Layer,
    held: dict[str, np.ndarray],
    before: np.ndarray | None,
    after: np.ndarray | None,
) -> dict[str, np.ndarray]:
    """A layer's arrays by PyTorch's names and in its order."""
    names = {"gamma": "weight", "beta": "bias"}
    arrays = {names.get(name, name): array for name, array in held.items()}
    if isinstance(layer, n.Conv | n.ConvTransposed):
        arrays["weight"] = arrays["weight"][::-1, ::-1].transpose(3, 2, 0, 1)
    elif isinstance(layer, n.Dense):
        weight = arrays["weight"] if before is None else arrays["weight"][before]
        arrays["weight"] = (weight if after is None else weight[:, after]).T
        if after is not None and "bias" in arrays:
            arrays["bias"] = arrays["bias"][after]
    elif after is not None:
        arrays = {name: array[after] for name, array in arrays.items()}
    return {name: np.ascontiguousarray(array) for name, array in arrays.items()}


def images(array: np.ndarray, layout: str) -> Tensor:
    """Maps (N, H, W, C) as turned ones (N, C, H, W); points as they are."""
    if array.ndim != 4:
        return tensor(array.copy())
    moved = tensor(np.ascontiguousarray(array[:, ::-1, ::-1].transpose(0, 3, 1, 2)))
    return moved.contiguous(memory_format=LAYOUTS[layout])


# Steps


def optimizer(workload: Workload, parameters: list[Tensor]) -> torch.optim.Optimizer:
    settings = workload.optimizer
    if isinstance(settings, Adam):
        betas = (settings.beta1, settings.beta2)
        made = torch.optim.Adam(parameters, settings.lr, betas, eps=1e-8, fused=True)
    else:
        made = torch.optim.RMSprop(parameters, settings.lr, alpha=settings.rho, eps=1e-7)
    for group in made.param_groups:
        group["capturable"] = on_gpu()  # its count of steps is there too
    return made


def noise(workload: Workload, draws: Tensor | None) -> Callable[[], Tensor]:
    """A function that gives noise for a batch: its own, or the next rows of ``draws``."""
    size = (workload.batch, workload.latent)
    if draws is not None:
        rows = iter(draws.split(workload.batch))
        return lambda: next(rows)
    if workload.noise == "uniform":
        return lambda: torch.empty(size).uniform_(-1, 1)
    return lambda: torch.randn(size)


class Losses:
    """The loss of each player, from the discriminator's outputs."""

    def __init__(self, workload: Workload) -> None:
        logits = workload.loss == "logits"
        self.entropy = (
            functional.binary_cross_entropy_with_logits
            if logits
            else functional.binary_cross_entropy
        )
        self.scale = 0.5 if workload.loss == "halved" else 1.0
        self.ones, self.zeros = torch.ones(workload.batch, 1), torch.zeros(workload.batch, 1)

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        total = self.entropy(real, self.ones) + self.entropy(fake, self.zeros)
        return total if self.scale == 1 else total * self.scale

    def generator(self, fake: Tensor) -> Tensor:
        return self.entropy(fake, self.ones)


class Player:
    """A network with its optimiser."""

    def __init__(self, workload: Workload, made: nn.Sequential) -> None:
        self.network: nn.Module = made
        self.parameters = list(made.parameters())
        self.optimizer = optimizer(workload, self.parameters)

    def differentiate(self, loss: Tensor, retain: bool = False) -> None:
        """Take the gradient with respect to this network's parameters only."""
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward(inputs=self.parameters, retain_graph=retain)

    def move(self, loss: Tensor) -> None:
        self.differentiate(loss)
        self.optimizer.step()


class Game:
    """Two players; what its two kinds of step share."""

    def __init__(
        self, workload: Workload, weights: tuple[n.Weights, n.Weights], layout: str, joined: bool
    ) -> None:
        self.workload, self.layout, self.joined = workload, layout, joined
        shape = (workload.latent,)
        made = network(workload.generator, shape, weights[0], layout)
        judge = network(workload.discriminator, workload.image, weights[1], layout)
        self.generator, self.discriminator = Player(workload, made), Player(workload, judge)
        self.losses = Losses(workload)

    def place(self, batch: tuple[np.ndarray, ...]) -> Tensor:
        return images(batch[0], self.layout)

    def judge(self, real: Tensor, fake: Tensor) -> Sequence[Tensor]:
        """The discriminator's outputs on both batches, in one call or in two."""
        if self.joined:
            return self.scores(torch.cat([real, fake])).split(len(real))
        return self.scores(real), self.scores(fake)

    def scores(self, images: Tensor) -> Tensor:
        with cast():
            return self.discriminator.network(images).float()

    def generate(self, z: Tensor) -> Tensor:
        with cast():
            return self.generator.network(z)

    def step(self, real: Tensor, draws: np.ndarray | None = None) -> tuple[float, float]:
        first, second = self.play(real, None if draws is None else tensor(draws))
        return first.item(), second.item()

    def play(self, real: Tensor, draws: Tensor | None) -> tuple[Tensor, Tensor]:
        """A step, up to both losses."""
        raise NotImplementedError

    def figures(self, losses: tuple[float, float]) -> Sequence[float]:
        return losses

    def networks(self) -> list[nn.Module]:
        return [self.generator.network, self.discriminator.network]


class Alternating(Game):
    """The discriminator's move, then the generator's."""

    def play(self, real: Tensor, draws: Tensor | None) -> tuple[Tensor, Tensor]:
        draw = noise(self.workload, draws)
        with torch.no_grad():
            fake = self.generate(draw())
        first = self.losses.discriminator(*self.judge(real, fake))
        self.discriminator.move(first)
        second = self.losses.generator(self.scores(self.generate(draw())))
        self.generator.move(second)
        return first.detach(), second.detach()


class Simultaneous(Game):
    """Both gradients from one forward pass, then both moves."""

    def play(self, real: Tensor, draws: Tensor | None) -> tuple[Tensor, Tensor]:
        judged = self.judge(real, self.generate(noise(self.workload, draws)()))
        first, second = self.losses.discriminator(*judged), self.losses.generator(judged[1])
        self.discriminator.differentiate(first, retain=True)
        self.generator.differentiate(second)
        self.generator.optimizer.step()
        self.discriminator.optimizer.step()
        return first.detach(), second.detach()


class Graphed:
    """A game whose step, after a few eager ones, is one CUDA graph."""

    EAGER = 3

    def __init__(self, game: Game) -> None:
        self.game, self.place, self.figures = game, game.place, game.figures
        self.taken, self.stream = 0, torch.cuda.Stream()
        self.graph: torch.cuda.CUDAGraph | None = None

    def step(self, real: Tensor, draws: np.ndarray | None = None) -> tuple[float, float]:
        given = None if draws is None else tensor(draws)
        if not self.taken:
            self.real, self.draws = real.clone(), given
        self.real.copy_(real)
        if given is not None:
            self.draws.copy_(given)
        if self.taken < self.EAGER:
            self.stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self.stream):
                self.losses = self.game.play(self.real, self.draws)
            torch.cuda.current_stream().wait_stream(self.stream)
        else:
            if self.graph is None:
                self.graph = torch.cuda.CUDAGraph()
                with torch.cuda.graph(self.graph):
                    self.losses = self.game.play(self.real, self.draws)
            self.graph.replay()
        self.taken += 1
        return self.losses[0].item(), self.losses[1].item()


class Critic:
    """E s(fake) − E s(real) + 10·E(‖∇s(x̂)‖ − 1)², x̂ on the lines between real and fake."""

    def __init__(
        self, workload: Workload, weights: tuple[n.Weights, n.Weights], layout: str, joined: bool
    ) -> None:
        self.layout, self.joined = layout, joined
        made = network(workload.discriminator, workload.image, weights[1], layout)
        self.player = Player(workload, made)

    def place(self, batch: tuple[np.ndarray, ...]) -> tuple[Tensor, ...]:
        return tuple(images(array, self.layout) for array in batch)

    def step(self, batch: tuple[Tensor, Tensor], draws: np.ndarray | None = None) -> float:
        (real, fake), critic = batch, self.scores
        places = torch.rand(len(real), 1) if draws is None else tensor(draws)
        between = torch.lerp(fake, real, places.view(-1, 1, 1, 1)).requires_grad_()
        (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
        norms = torch.linalg.vector_norm(slope, dim=(1, 2, 3))
        if self.joined:
            of_real, of_fake = critic(torch.cat(batch)).split(len(real))
        else:
            of_real, of_fake = critic(real), critic(fake)
        loss = PENALTY * (norms - 1).square().mean() + of_fake.mean() - of_real.mean()
        self.player.move(loss)
        return loss.item()

    def scores(self, images: Tensor) -> Tensor:
        with cast():
            return self.player.network(images).float()

    def figures(self, loss: float) -> Sequence[float]:
        return (loss,)


class Sampler:
    """Images from a generator, ``group`` at a time."""

    def __init__(self, workload: Workload, weights: n.Weights, layout: str, group: int) -> None:
        self.workload, self.group = workload, group
        shape = (workload.latent,)
        self.generator = network(workload.generator, shape, weights, layout).eval()

    def place(self, batch: tuple[np.ndarray, ...]) -> None:
        return None

    def step(self, _: None, draws: np.ndarray | None = None) -> Tensor:
        given = None if draws is None else tensor(draws)
        with torch.inference_mode(), cast():
            z = noise(self.workload, given)()
            return torch.cat([self.generator(rows) for rows in z.split(self.group)]).cpu()

    def figures(self, made: Tensor) -> np.ndarray:
        ours = made.permute(0, 2, 3, 1).numpy()[:, ::-1, ::-1]
        return ours.reshape(len(ours), -1)[:: max(1, len(ours) // 16)].ravel()

    def networks(self) -> list[nn.Module]:
        return [self.generator]


class Layer:
    """A layer's forward pass and gradients."""

    def __init__(
        self, workload: Workload, weights: tuple[n.Weights, n.Weights], layout: str, joined: bool
    ) -> None:
        self.layout = layout
        self.network = network(workload.discriminator, workload.image, weights[1], layout)
        for module in self.network:
            if hasattr(module, "inplace"):
                module.inplace = False  # its input is a leaf
        self.parameters = list(self.network.parameters())

    def place(self, batch: tuple[np.ndarray, ...]) -> tuple[Tensor, Tensor]:
        x, g = (images(array, self.layout) for array in batch)
        return x.requires_grad_(), g

    def step(self, batch: Any, draws: np.ndarray | None = None) -> tuple[Tensor, ...]:
        x, g = batch
        with cast():
            y = self.network(x)
        return y, *torch.autograd.grad(y, [x, *self.parameters], g.to(y.dtype))

    def networks(self) -> list[nn.Module]:
        return [self.network]

    def figures(self, found: tuple[Tensor, ...]) -> Sequence[float]:
        y, of_x, *rest = (t.detach().cpu() for t in found)
        return [*_some(y), *_some(of_x), *(float(torch.linalg.vector_norm(g)) for g in rest)]


class Optimizer:
    """An optimiser's update by given gradients."""

    def __init__(
        self, workload: Workload, weights: tuple[n.Weights, n.Weights], layout: str, joined: bool
    ) -> None:
        made = network(workload.discriminator, workload.image, weights[1], layout)
        self.player = Player(workload, made)

    def place(self, batch: tuple[np.ndarray, ...]) -> tuple[Tensor, ...]:
        return tuple(
            tensor(np.ascontiguousarray(array.T)) for array in batch
        )  # a dense layer's weights are turned

    def step(self, batch: Any, draws: np.ndarray | None = None) -> None:
        for parameter, gradient in zip(self.player.parameters, batch, strict=True):
            parameter.grad = gradient
        self.player.optimizer.step()

    def figures(self, _: None) -> Sequence[float]:
        return [float(torch.linalg.vector_norm(p.detach())) for p in self.player.parameters]


def _some(values: Tensor) -> np.ndarray:
    """A few of the numbers in the order of our maps, spread over all."""
    ours = values.permute(0, 2, 3, 1).flip(1, 2) if values.ndim == 4 else values
    return ours.reshape(-1)[:: max(1, ours.numel() // 16)].numpy()
