"""A PyTorch model: the verbs of `Model` on an eager, exported, scripted or Keras net."""

from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import cast, final

import array_api_compat.torch
import numpy as np
import torch
from numpy.typing import NDArray

from backlight.arrays import Array, Arrays, Channels
from backlight.errors import InputTypeError
from backlight.graph.graph import Graph
from backlight.graph.outputs import output_kind
from backlight.identity import identity_of
from backlight.inputs import Inputs
from backlight.model import Connection, Gradient, Model, Options, Site
from backlight.operations import Operation
from backlight.outputs import Outputs, OutputSpec
from backlight.rules import NoRules, Rules
from backlight.scores import Score
from backlight.tree import Tree, map_leaves, map_nested
from backlight_torch import identity  # noqa: F401  (how to read modules)
from backlight_torch.connection import connection
from backlight_torch.engine.blocks import (
    Block,
    blocks,
    joined,
    joined_outputs,
    joined_trees,
    signature,
)
from backlight_torch.engine.passes import Passes
from backlight_torch.engine.references import expanded
from backlight_torch.engine.ruled import ruled_gradient, ruled_operations
from backlight_torch.engine.runs import Task, captured
from backlight_torch.nets import Net, net_of
from backlight_torch.seen import named_graph


@final
class TorchModel(Model):
    """A PyTorch net.

    Sites are the inner modules by their paths, also of modules that a plain function calls; layers
    by name for a Keras model; the modules that the graph remembers for an exported program. A
    TorchScript module has none, as its inner modules run outside of Python.
    """

    framework = "torch"
    version = torch.__version__
    arrays = cast(Arrays, array_api_compat.torch)

    def __init__(self, net: object, options: Options) -> None:
        self.given = net
        self.options = options

    @property
    def net(self) -> Net:
        return self._passes.net

    @property
    def _passes(self) -> Passes:
        return self.recall(
            "passes", None, lambda: Passes(net_of(self.given), self.arrays, self.sites)
        )

    @property
    def channels(self) -> Channels:  # type: ignore[override]
        return self.options.channels or self.net.channels

    @property
    def signals(self) -> bool:  # type: ignore[override]
        return self.net.signals

    def predict(self, inputs: Inputs | Tree) -> object:
        kept = blocks(self.prepare(inputs), self.net.rows)
        return joined_outputs([self._passes.outputs(block) for block in kept], kept)

    def outputs(self, inputs: Inputs | Tree) -> Outputs:
        prepared = self.prepare(inputs)
        return self.recall("outputs", signature(prepared), lambda: self._outputs(prepared))

    def score(
        self,
        inputs: Inputs | Tree,
        score: Score,
        *,
        at: str | None = None,
        value: Tree | None = None,
    ) -> Array:
        kept = blocks(self.prepare(inputs), self.net.rows)
        site = None if value is None else at
        parts = [self._passes.score(block, score, site, value) for block in kept]
        return cast(Array, joined(parts, kept))

    def gradient(
        self,
        inputs: Inputs | Tree,
        score: Score,
        *,
        at: str | None = None,
        value: Tree | None = None,
        rules: Rules | None = None,
        reference: Tree | None = None,
    ) -> Gradient:
        prepared = self.prepare(inputs)
        kept = blocks(prepared, self.net.rows)
        if rules is not None or reference is not None:
            return self._ruled(prepared, kept, score, at, value, rules or NoRules(), reference)
        if at is None:
            found = [self._passes.at_input(block, score) for block in kept]
            values: Tree = prepared.attributed
        else:
            found = [self._passes.at_site(block, score, at, value) for block in kept]
            values = joined_trees([one.value for one in found], kept)
        scores = joined([cast(torch.Tensor, one.score) for one in found], kept)
        gradients = joined_trees([one.gradient for one in found], kept)
        return Gradient(cast(Array, scores), values, gradients)

    def operations(
        self,
        inputs: Inputs | Tree,
        *,
        score: Score | None = None,
        at: str | None = None,
        rules: Rules | None = None,
    ) -> tuple[Operation, ...]:
        prepared = self.prepare(inputs)
        block = blocks(prepared, self.net.rows)[0]
        found = ruled_operations(self._passes, Task(block, score, at, None, rules or NoRules()))
        return resized_operations(found, block, prepared.count)

    def connection(
        self, inputs: Inputs | Tree, score: Score, *, at: str | None = None
    ) -> Connection:
        block = blocks(self.prepare(inputs), self.net.rows)[0]
        return connection(self._passes, block, score, at)

    def graph(self, inputs: Inputs | Tree, score: Score | None = None) -> Graph | None:
        block = blocks(self.prepare(inputs), self.net.rows)[0]
        # Of one example alone, none can be told from any other axis of length 1.
        return None if block.inputs.count == 1 else named_graph(self._passes, block, score)

    def activation(self, inputs: Inputs | Tree, at: str) -> Array:
        kept = blocks(self.prepare(inputs), self.net.rows)
        return cast(Array, joined([self._passes.activation(block, at) for block in kept], kept))

    def sites(self, inputs: Inputs | Tree) -> tuple[Site, ...]:
        prepared = self.prepare(inputs)
        return self.recall("sites", signature(prepared), lambda: self._sites(prepared))

    def identity(self) -> Hashable:
        return identity_of(self.given)

    def detached(self, array: Array) -> Array:
        tensor = cast(torch.Tensor, array)
        return cast(Array, tensor.detach()) if tensor.requires_grad else array

    def owns(self, array: object) -> bool:
        return isinstance(array, torch.Tensor)

    def asarray(self, array: NDArray[np.generic], like: Array | None = None) -> Array:
        if array.dtype.kind not in "fiubc":
            raise InputTypeError(f"PyTorch has no arrays of NumPy's dtype {array.dtype}.")
        dtype, device = self._home(cast("torch.Tensor | None", like))
        # Always a copy, in native byte order and without negative strides, which torch lacks.
        native = torch.from_numpy(np.array(array, array.dtype.newbyteorder("="), order="C"))
        return cast(Array, native.to(device, dtype if native.is_floating_point() else None))

    def to_numpy(self, array: Array) -> NDArray[np.generic]:
        tensor = cast(torch.Tensor, array).detach().cpu().resolve_conj().resolve_neg()
        numpy_has_it = tensor.dtype in (torch.float16, torch.float32, torch.float64)
        if tensor.is_floating_point() and not numpy_has_it:  # bfloat16 and smaller
            tensor = tensor.float()
        return cast(NDArray[np.generic], tensor.numpy())

    def is_floating(self, array: Array) -> bool:
        return cast(torch.Tensor, array).is_floating_point()

    def _ruled(
        self,
        inputs: Inputs,
        kept: list[Block],
        score: Score,
        at: str | None,
        value: Tree | None,
        rules: Rules,
        reference: Tree | None,
    ) -> Gradient:
        if reference is not None:
            reference = expanded(reference, inputs.count) if self.net.rows else reference
        found = [
            ruled_gradient(
                self._passes,
                Task(block, score, at, value, rules),
                None if reference is None else map_leaves(block.take_rows, reference),
            )
            for block in kept
        ]
        values = inputs.attributed if at is None else joined_trees([f.value for f in found], kept)
        starts = [cast(torch.Tensor, one.reference_score) for one in found]
        return Gradient(
            cast(Array, joined([cast(torch.Tensor, one.score) for one in found], kept)),
            values,
            joined_trees([one.gradient for one in found], kept),
            resized_operations(found[0].operations, kept[0], inputs.count),
            None if reference is None else cast(Array, joined(starts, kept)),
        )

    def _outputs(self, inputs: Inputs) -> Outputs:
        block = blocks(inputs, self.net.rows)[0]
        with captured(self._passes, block) as (recorder, outputs):

            def specification(array: object) -> object:
                if not isinstance(array, torch.Tensor):
                    return ()  # None, a flag: nothing to explain
                shape = resized(tuple(array.shape), block.inputs.count, inputs.count)
                kind = self.options.outputs
                if kind is None:
                    kind = output_kind(recorder.graph, recorder.value_of(array))
                return OutputSpec(shape, kind)

            found = map_nested(cast(Callable[[Array], object], specification), outputs)
        return cast(Outputs, found)

    def _sites(self, inputs: Inputs) -> tuple[Site, ...]:
        block = blocks(inputs, self.net.rows)[0]
        return tuple(
            Site(site.name, (inputs.count, *site.shape[1:]), site.kind, site.pooled)
            for site in self._passes.sites(block)
        )

    def _home(self, like: torch.Tensor | None) -> tuple[torch.dtype, torch.device]:
        """The floating dtype and the device of new arrays."""
        if like is not None and like.is_floating_point():
            return like.dtype, like.device
        number = next((one for one in self.net.numbers() if one.is_floating_point()), None)
        dtype, device = (
            (torch.float32, torch.device("cpu"))
            if number is None
            else (
                number.dtype,
                number.device,
            )
        )
        return dtype, device if like is None else like.device


def resized_operations(
    found: tuple[Operation, ...], block: Block, count: int
) -> tuple[Operation, ...]:
    """The operations for as many examples as were asked about."""
    if block.rows is None:
        return found
    run = block.inputs.count
    return tuple(replace(one, shape=resized(one.shape, run, count)) for one in found)


def resized(shape: tuple[int, ...], run: int, asked: int) -> tuple[int, ...]:
    """The shape for as many examples as were asked about, where another number was run."""
    return (asked, *shape[1:]) if shape[:1] == (run,) else shape
