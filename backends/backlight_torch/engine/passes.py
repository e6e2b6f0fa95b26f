"""Forward and backward passes of a net, for examples that go through it together."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TypeAlias, cast, final

import torch

from backlight.errors import BacklightError, ModelError, UnknownNameError, message_of
from backlight.graph.axes.atoms import Axes
from backlight.interrupts import interruptible, unbroken_package
from backlight.memory.recent import Recent
from backlight.model.model import Site
from backlight.scores.scores import Score
from backlight.values.arrays import Array, Arrays
from backlight.values.inputs import Inputs
from backlight.values.tree import Tree, leaves, map_leaves
from backlight_torch.capture.steps import Before
from backlight_torch.engine.blocks import Block, copied_inputs, described
from backlight_torch.engine.running import running
from backlight_torch.nets.styles import Net
from backlight_torch.sites import Point, SiteAccess, Visitor, results

unbroken_package("keras")  # it puts back in `finally` blocks what it has altered before them

UNSEEN = (
    "A module is a site where it is called as a module, outside of TorchScript; where only its "
    "parts or weights are used, it is not."
)


Found: TypeAlias = tuple[
    list[torch.Tensor], list[list[list[torch.Tensor]]], list[Tree[torch.Tensor] | None]
]
"""Scores, the gradients of each at each site, and the values there; None for the inputs."""

KEPT = 32
"""How many kinds of run are remembered."""


@final
class Passes:
    """The passes of a net; `attached`: what they give can be differentiated once more."""

    def __init__(
        self,
        net: Net,
        arrays: Arrays,
        sites: Callable[[Inputs], tuple[Site, ...]],
        attached: bool = False,
    ) -> None:
        self.net = net
        self.attached = attached
        self.arrays = arrays
        self.sites_of = sites
        self.before: Recent[Before] = Recent(KEPT)
        """By what was asked for: what is known of a run by the one before."""
        self.axes: Recent[Mapping[int, Axes]] = Recent(KEPT)
        """By what was asked for and the operations of a run: the axes of its values."""
        self.unshared: set[Hashable] = set()
        """What was asked where a shared reference cannot run alone: the net folds the examples into
        another axis, other than as its first factor around a product."""

    def unoptimised(self) -> "Passes":
        """The passes of a net that runs all its operations one by one."""
        net = self.net.unoptimised()
        if net is self.net:
            return self
        other = Passes(net, self.arrays, self.sites_of, self.attached)
        other.before, other.unshared, other.axes = self.before, self.unshared, self.axes
        return other

    def outputs(self, block: Block) -> object:
        with running(self.net.roots(), graph=False, hooked=False):
            arguments, _ = copied_inputs(block.inputs, differentiated=False)
            return self.call(arguments)

    def score(self, block: Block, score: Score, at: str | None, value: Tree | None) -> torch.Tensor:
        access = self.access(block, score, (at,), value)
        with self._running(graph=False, hooked=access is not None):
            arguments, _ = self._inputs(block, differentiated=False)
            outputs = self.call(arguments, access)
            self.require(access, block)
            return self._given(self.evaluate(block, score, outputs))

    def gradients(
        self, block: Block, score: Score, sites: Sequence[str | None], value: Tree | None
    ) -> Found:
        """Of a score, or of each of several side by side, at each site; None is the inputs."""
        inside = None not in sites
        hooked = score.site is not None or any(site is not None for site in sites)
        with self._running(graph=not inside, hooked=hooked):
            # Before the first site no graph is recorded: the access switches gradients on there.
            access = self.access(block, score, sites, value, opens=inside)
            arguments, starts = self._inputs(block, differentiated=not inside)
            outputs = self.call(arguments, access)
            if inside and not (access and access.complete and torch.is_grad_enabled()):
                # Not reached without gradients, or reached inside a block of the net's own at whose
                # end they went off again: the whole net runs with gradients.
                torch.set_grad_enabled(True)
                arguments, _ = self._inputs(block, differentiated=False)
                access = self.access(block, score, sites, value)
                outputs = self.call(arguments, access)
            self.require(access, block)
            scores = self.evaluate(block, score, outputs)
            values = [None if site is None else self.started(access, site) for site in sites]
            each = [starts if one is None else leaves(one) for one in values]
            given = [None if one is None else map_leaves(self._given, one) for one in values]
            return *self.each(block, scores, each), given

    def started(self, access: SiteAccess | None, site: str) -> Tree[torch.Tensor]:
        """What is differentiated at a site, once the net has run."""
        assert access is not None
        return access.starts[Point.parse(site, self.net.places())]

    def activations(self, block: Block, sites: Sequence[str]) -> list[Tree[torch.Tensor]]:
        places = self.net.places()
        points = [Point.parse(site, places) for site in sites]
        access = SiteAccess(block.inputs.count, reads=points)
        with self._running(graph=False, hooked=True):
            arguments, _ = self._inputs(block, differentiated=False)
            self.call(arguments, access)
        for point in points:
            if point not in access.seen:
                raise self.unknown(point.name, block)
        return [access.seen[point] for point in points]

    def access(
        self,
        block: Block,
        score: Score | None,
        sites: Sequence[str | None] = (),
        value: Tree | None = None,
        opens: bool = False,
    ) -> SiteAccess | None:
        """What is done inside the net; None if nothing is."""
        read = None if score is None else score.site
        inner = [site for site in sites if site is not None]
        if not inner and read is None:
            return None
        places = self.net.places()
        return SiteAccess(
            block.inputs.count,
            cuts=[Point.parse(site, places) for site in inner],
            value=None if value is None else cast(list[torch.Tensor], leaves(value)),
            reads=[] if read is None else [Point.parse(read, places)],
            opens=opens,
            attached=self.attached,
        )

    def require(self, access: SiteAccess | None, block: Block) -> None:
        """Raise UnknownNameError for a site that the net did not come across."""
        for point in () if access is None else access.cuts:
            if point not in access.starts:  # type: ignore[union-attr]
                raise self.unknown(point.name, block)

    def _running(self, graph: bool, hooked: bool) -> AbstractContextManager[None]:
        roots = self.net.roots()
        return running(roots, graph=graph or self.attached, hooked=hooked, twice=self.attached)

    def _inputs(self, block: Block, differentiated: bool) -> tuple[Inputs, list[torch.Tensor]]:
        return copied_inputs(block.inputs, differentiated, self.attached)

    def _given(self, array: torch.Tensor) -> torch.Tensor:
        """A result, for those who asked."""
        return array if self.attached else array.detach()

    @interruptible
    def call(self, arguments: Inputs, visitor: Visitor | None = None) -> object:
        """The outputs, or what a visitor reads in their stead, who sees what is computed inside."""
        try:
            if visitor is None:
                return self.net.call(arguments)
            with self.net.seen(visitor):
                return visitor.read_from(self.net.call(arguments))
        except (BacklightError, torch.OutOfMemoryError):
            raise
        except Exception as error:
            raise ModelError(
                f"The model raised {type(error).__name__} when called with {described(arguments)}. "
                f"{self._wants()}It said: {message_of(error)}"
            ) from error

    def _wants(self) -> str:
        wants = self.net.wants()
        numbers = list(self.net.numbers())
        if any(number.is_inference() for number in numbers):
            wants += (
                " Its weights were made inside torch.inference_mode(), which forbids gradients; "
                "build or load it outside."
            )
        elif numbers:
            dtype = str(numbers[0].dtype).removeprefix("torch.")
            devices = dict.fromkeys(str(number.device) for number in numbers)
            wants += f" Its weights are {dtype} on {' and '.join(devices)}."
            if len(devices) > 1:
                wants += " A net on several devices moves its values from one to the next itself."
        return f"{wants.strip()} " if wants else ""

    @interruptible
    def evaluate(self, block: Block, score: Score, outputs: object) -> torch.Tensor:
        """The score from the outputs, or from the value at the site that it reads; None if the net
        did not come across that."""
        if block.rows is not None:
            score = score.take(block.rows)
        if score.site is not None and outputs is None:
            raise self.unknown(score.site, block)
        example = next(iter(results(outputs).values()), None)
        device = None if example is None else example.device
        operands = [torch.as_tensor(operand, device=device) for operand in score.operands()]
        given = cast(list[Array], operands)
        found = cast(torch.Tensor, score.evaluate(outputs, given, self.arrays))
        # A score of integers, an argmax say, is a score that does not depend on the value.
        kept = found.is_floating_point() or found.is_complex()
        return found if kept else found.to(torch.get_default_dtype())

    def each(
        self, block: Block, scores: torch.Tensor, starts: Sequence[list[torch.Tensor]]
    ) -> tuple[list[torch.Tensor], list[list[list[torch.Tensor]]]]:
        """A score, or each of several side by side; and the gradients of each at each of the starts."""
        columns = list(scores.unbind(1)) if scores.ndim == 2 else [scores]
        flat = [start for site in starts for start in site]
        found = []
        for column in columns:
            gradients = iter(self.backward(block, column, flat, column is not columns[-1]))
            found.append([[next(gradients) for _ in site] for site in starts])
        return [self._given(column) for column in columns], found

    def backward(
        self,
        block: Block,
        scores: torch.Tensor,
        starts: list[torch.Tensor],
        again: bool = False,
    ) -> list[torch.Tensor]:
        """The gradient at each start; zero where the scores do not depend on it.

        Args:
            again: whether gradients of other scores of the same pass are wanted after these.
        """
        wanted = [start for start in starts if start.requires_grad]
        if not wanted or not scores.requires_grad:
            return [torch.zeros_like(start) for start in starts]
        try:
            found = torch.autograd.grad(
                scores,
                wanted,
                grad_outputs=torch.ones_like(scores),
                retain_graph=again or self.attached,
                create_graph=self.attached,
                allow_unused=True,
            )
        except (BacklightError, torch.OutOfMemoryError):
            raise
        except Exception as error:
            raise ModelError(
                f"The model ran on {described(block.inputs)}, but its backward pass raised "
                f"{type(error).__name__}: {error}"
            ) from error
        gradients = dict(zip(map(id, wanted), found, strict=True))
        return [
            torch.zeros_like(start) if (gradient := gradients.get(id(start))) is None else gradient
            for start in starts
        ]

    def unknown(self, name: str, block: Block) -> BacklightError:
        """The error for a site that the net did not come across."""
        known = [site.name for site in self.sites_of(block.inputs)]
        place = Point.parse(name, self.net.places()).place
        return UnknownNameError("site", name, known, UNSEEN if place in self.net.places() else "")
