"""Discriminators put together of networks: several outputs, several judges, several images."""

from __future__ import annotations

from typing import Any

from ..arguments import instance, whole
from ..nn import Module
from ..nn.context import building
from ..nn.sequential import conditioned
from ..ops import concatenate, logsumexp, mean, reshape, stack, transpose
from ..tensor import Tensor, TensorLike, as_tensor
from .records import Output


class Heads(Module):
    """A body f with heads on it: what each of them makes of f(x) is one part of the ``Output``.

    The features are f(x). Called with (x, labels), it hands the labels to those of its parts that
    take them, such as a ``Projection`` for ``logits``. Without a head for ``logits`` the score is
    ln Σ exp(class logits): the image is then real with the probability Z/(Z + 1), Z = Σ exp lₖ,
    that of K classes against one more for fakes, whose logit is fixed at 0 (Salimans et al., 2016,
    section 5).
    """

    def __init__(
        self,
        body: Module,
        logits: Module | None = None,
        class_logits: Module | None = None,
        codes: Module | None = None,
    ) -> None:
        if logits is None and class_logits is None:
            raise ValueError("Heads: got neither logits nor class_logits, wanted one at least")
        self.body, self.logits, self.class_logits, self.codes = body, logits, class_logits, codes

    per_sample = True

    @property
    def takes_condition(self) -> bool:  # type: ignore[override]
        """Whether the body or a head does."""
        return _one_takes_condition(self)

    def forward(self, x: TensorLike, *condition: Any) -> Output:
        features = _told(self, self.body, x, condition)
        heads = (self.logits, self.class_logits, self.codes)
        scores, classes, codes = (
            None if head is None else conditioned(head, features, condition) for head in heads
        )
        if scores is None:
            scores = logsumexp(classes, axis=-1, keepdims=True)
        return Output(scores, features, classes, codes)


class Packed(Module):
    """PacGAN: judges ``count`` images at a time, laid over each other as channels.

    Images i·count … i·count + count − 1 of a batch get one logit together, so a generator that
    makes the same again and again is found out (Lin et al., 2018, section 2). A batch must be a
    multiple of ``count``. Where images have labels, put a ``LabelConcat`` before it. A pack has no
    class and no codes of its own, so heads for those are refused.
    """

    def __init__(self, discriminator: Module, count: int = 2) -> None:
        self.discriminator = instance("discriminator", discriminator, Module, "a Module")
        self.count = whole("count", count, 2)

    def forward(self, x: TensorLike, *condition: Any) -> Any:
        if condition:
            raise TypeError(
                "Packed: a pack has images of several classes, so it takes no labels: put "
                "LabelConcat before it, or pass Labels(…, discriminator=False)"
            )
        x = as_tensor(x)
        if building.get() is not None and len(x) < self.count:
            x = concatenate([x] * self.count)  # the trial batch of one
        if len(x) % self.count:
            raise ValueError(
                f"Packed: got a batch of {len(x)}, wanted a multiple of {self.count}, the images "
                "to a pack"
            )
        *inner, channels = x.shape[1:]
        packs = reshape(x, (len(x) // self.count, self.count, *x.shape[1:]))
        last = packs.ndim - 1
        packs = transpose(packs, (0, *range(2, last), 1, last))
        judged = self.discriminator(reshape(packs, (len(packs), *inner, self.count * channels)))
        for head in ("class_logits", "codes"):
            if getattr(judged, head, None) is not None:
                raise TypeError(
                    f"Packed: got a discriminator with a head for {head}, but the images of a pack "
                    "are of several classes and codes: leave the head away, or judge images one "
                    "by one"
                )
        return judged


def images_together(discriminator: Module) -> int:
    """How many images are judged together: those of a pack, or 1."""
    modules = (module for _, module in discriminator.named_modules())
    return next((module.count for module in modules if isinstance(module, Packed)), 1)


def judges_side_by_side(discriminator: Module) -> int:
    """How many columns of logits it gives, those of as many judges: see ``Several``."""
    modules = (module for _, module in discriminator.named_modules())
    several = next((module for module in modules if isinstance(module, Several)), None)
    return sum(map(judges_side_by_side, several.discriminators)) if several else 1


class Several(Module):
    """K discriminators on the same images: one column of logits each, and a list of features.

    Class logits and codes are the mean of those that judges with such heads give, which must be as
    many each: so they name the class together, by the geometric mean of their probabilities.

    Play it with the loss ``SeveralDiscriminators`` (Durugkar, Gemp and Mahadevan, 2017).
    """

    per_sample = True

    def __init__(self, *discriminators: Module) -> None:
        if not discriminators:
            raise ValueError("Several: got no discriminators, wanted one at least")
        for i, one in enumerate(discriminators):
            instance(f"discriminators[{i}]", one, Module, "a Module")
        self.discriminators = discriminators
        packs = sorted({images_together(one) for one in discriminators})
        if len(packs) > 1:
            raise ValueError(
                f"Several: got discriminators that judge {' and '.join(map(str, packs))} images "
                "together, wanted one number for all, as their logits stand side by side: put "
                "Packed(…, count) of the same count around each, or around none"
            )

    @property
    def takes_condition(self) -> bool:  # type: ignore[override]
        """Whether a discriminator does."""
        return _one_takes_condition(self)

    def forward(self, x: TensorLike, *condition: Any) -> Output:
        judged = [_told(self, one, x, condition) for one in self.discriminators]
        outputs = [one if isinstance(one, Output) else Output(one) for one in judged]
        logits: list[Tensor] = [output.logits for output in outputs]
        return Output(
            concatenate(logits, axis=-1),
            [features for output in outputs for features in output.features_of_each],
            _mean("class_logits", [output.class_logits for output in outputs]),
            _mean("codes", [output.codes for output in outputs]),
        )


def _mean(head: str, parts: list[Tensor | None]) -> Tensor | None:
    """What the judges that have this head say together; None if none has."""
    found = [part for part in parts if part is not None]
    shapes = sorted({part.shape for part in found})
    if len(shapes) > 1:
        raise ValueError(
            f"Several: got {head} of shapes {' and '.join(map(str, shapes))}, wanted one shape, as "
            "their mean is taken"
        )
    return mean(stack(found), axis=0) if found else None


def _one_takes_condition(network: Module) -> bool:
    parts = (part for _, part in network.children() if isinstance(part, Module))
    return any(part.takes_condition for part in parts)


def _told(network: Module, part: Module, x: Any, condition: tuple[Any, ...]) -> Any:
    """The part's result for x, told the condition if it takes one, or if no part says so."""
    return conditioned(part, x, condition) if network.takes_condition else part(x, *condition)


MODULES = {module.__name__: module for module in (Heads, Packed, Several)}
"""What ``nn.load`` needs as ``custom`` to read a discriminator that is made of these."""
