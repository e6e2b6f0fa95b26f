"""A PyTorch model: the verbs of `Model` on an eager, exported, scripted or Keras net."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar, cast, final

import array_api_compat.torch
import numpy as np
import torch
from numpy.typing import NDArray

from backlight.errors import InputTypeError, ModelError
from backlight.graph.dependence.cuts import Connection
from backlight.graph.graph import Graph
from backlight.graph.outputs import output_kind
from backlight.model.model import Gradient, Site
from backlight.model.net_model import NetModel, Question
from backlight.model.weights import Storage
from backlight.rules.operations import Operation
from backlight.rules.rules import Rules
from backlight.scores.scores import Score
from backlight.values.arrays import Array, Arrays, Channels
from backlight.values.inputs import Inputs
from backlight.values.outputs import Outputs, OutputSpec
from backlight.values.tree import Tree, leaves, map_nested
from backlight_torch.capture.graph import named_graph, named_run
from backlight_torch.engine.blocks import Block, blocks, joined, signature
from backlight_torch.engine.connection import connection
from backlight_torch.engine.passes import Found, Passes
from backlight_torch.engine.ruled import ruled_gradient, with_rows
from backlight_torch.engine.runs import Task, recorded
from backlight_torch.nets import identity, net_of  # noqa: F401  (how to read modules)
from backlight_torch.nets.styles import Net
from backlight_torch.nets.with_vectors import WithVectors
from backlight_torch.weights import storage

T = TypeVar("T")


@final
class TorchModel(NetModel):
    """A PyTorch net.

    Sites are the inner modules by their paths, also of modules that a plain function calls; layers
    by name for a Keras model; the modules that the graph remembers for an exported program. A
    TorchScript module has none, as its inner modules run outside of Python.
    """

    framework = "torch"
    version = torch.__version__
    arrays = cast(Arrays, array_api_compat.torch)
    keeps_forward = True
    attachable = True

    @property
    def net(self) -> Net:
        return self._passes.net

    @property
    def _passes(self) -> Passes:
        def make() -> Passes:
            net = net_of(self.given)
            if self.lookups is not None:
                net = WithVectors(net, self.lookups)
            return Passes(net, self.arrays, self.sites, self.attached)

        return self.recall("passes", self.attached, make)

    @property
    def signals(self) -> bool:  # type: ignore[override]
        return self.net.signals

    def _storage(self) -> Storage | None:
        return storage(self.net, self.given)

    def _channels(self) -> Channels:
        return self.net.channels

    def predict(self, inputs: Inputs | Tree) -> object:
        return self._joined(inputs, self._passes.outputs)

    def _outputs(self, inputs: Inputs) -> Outputs:
        return self._seen(inputs)[0]

    def _score(self, asked: Question, score: Score) -> Array:
        site = None if asked.value is None else asked.at

        def found(block: Block) -> torch.Tensor:
            return self._passes.score(block, score, site, block.taken(asked.value))

        return cast(Array, self._joined(asked.inputs, found))

    def _gradient(self, asked: Question, score: Score) -> Gradient:
        if asked.rules is None:
            (only,) = self._gradients(asked, score, (asked.at,))
            return only
        rules, operations = asked.rules, list[tuple[Operation, ...]]()

        def found(block: Block) -> tuple[Any, ...]:
            one = self._block_gradient(block, asked, score, rules)
            operations.append(resized_operations(one.operations, block, asked.inputs.count))
            return one.score, leaves(one.gradient), one.value, one.reference_score

        scores, gradients, value, there = self._joined(asked.inputs, found)
        return asked.answer(scores, gradients, value, operations[0], there)

    def _gradients(
        self, asked: Question, score: Score, sites: tuple[str | None, ...]
    ) -> tuple[Gradient, ...]:
        def found(block: Block) -> Found:
            return self._passes.gradients(block, score, sites, block.taken(asked.value))

        scores, gradients, values = cast(Any, self._joined(asked.inputs, found))
        return tuple(
            asked.answer(one, gradient, value)
            for one, of_sites in zip(scores, gradients, strict=True)
            for gradient, value in zip(of_sites, values, strict=True)
        )

    def _block_gradient(
        self, block: Block, asked: Question, score: Score, rules: Rules
    ) -> Gradient:
        reference = asked.reference
        if reference is not None and self.net.rows:
            reference = with_rows(reference, asked.inputs.count)
        task = Task(block, score, asked.at, block.taken(asked.value), rules)
        return ruled_gradient(self._passes, task, block.taken(reference))

    def _operations(
        self, asked: Question, score: Score | None, rules: Rules
    ) -> tuple[Operation, ...]:
        block = self._blocks(asked.inputs)[0]
        task = Task(block, score, asked.at, None, rules)
        with recorded(self._passes.unoptimised(), task) as run:
            return resized_operations(run.recognised.operations, block, asked.inputs.count)

    def _connection(self, asked: Question, score: Score) -> Connection:
        return connection(self._passes, self._blocks(asked.inputs)[0], score, asked.at)

    def graph(self, inputs: Inputs | Tree, score: Score | None = None) -> Graph | None:
        block = self._blocks(inputs)[0]
        # Of one example alone, none can be told from any other axis of length 1.
        return None if block.inputs.count == 1 else named_graph(self._passes, block, score)

    def _activations(self, inputs: Inputs, sites: tuple[str, ...]) -> tuple[Tree, ...]:
        found = self._joined(inputs, lambda block: self._passes.activations(block, sites))
        return cast(tuple[Tree, ...], tuple(found))

    def sites(self, inputs: Inputs | Tree) -> tuple[Site, ...]:
        return self._seen(self.prepare(inputs))[1]

    def detached(self, array: Array) -> Array:
        tensor = cast(torch.Tensor, array)
        return cast(Array, tensor.detach()) if tensor.requires_grad and not self.attached else array

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

    def _blocks(self, inputs: Inputs | Tree) -> list[Block]:
        return blocks(self.prepare(inputs), self.net.rows)

    def _joined(self, inputs: Inputs | Tree, found: Callable[[Block], T]) -> T:
        kept = self._blocks(inputs)
        return joined([found(block) for block in kept], kept)

    def _seen(self, inputs: Inputs) -> tuple[Outputs, tuple[Site, ...]]:
        """What one run shows of the outputs and of the values inside."""
        return self.recall("seen", signature(inputs), lambda: self._look(inputs))

    def _look(self, inputs: Inputs) -> tuple[Outputs, tuple[Site, ...]]:
        block = self._blocks(inputs)[0]
        run = named_run(self._passes, block, None)
        values = iter(run.graph.targets)

        def specification(array: object) -> object:
            if not isinstance(array, torch.Tensor):
                return ()  # None, a flag: nothing to explain
            shape = resized(tuple(array.shape), block.inputs.count, inputs.count)
            return OutputSpec(shape, output_kind(run.graph, next(values)))

        found = map_nested(cast(Callable[[Array], object], specification), run.outputs)
        whole = (replace(site, shape=(inputs.count, *site.shape[1:])) for site in run.sites)
        return cast(Outputs, found), tuple(whole)

    def _home(self, like: torch.Tensor | None) -> tuple[torch.dtype, torch.device]:
        """The floating dtype and the device of new arrays."""
        if like is not None and like.is_floating_point():
            return like.dtype, like.device
        number = next((one for one in self.net.numbers() if one.is_floating_point()), None)
        none = torch.float32, torch.device("cpu")
        dtype, device = none if number is None else (number.dtype, number.device)
        if device.type == "meta":
            raise ModelError(
                "The net's weights are on the device 'meta', whose tensors hold no numbers. Load them "
                "first: net.to_empty(device='cpu'), then net.load_state_dict(...)."
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
