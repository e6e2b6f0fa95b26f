"""What the graph of a net shows, for inputs of some shapes and a kind of score: found once."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import final

import numpy as np

from backlight.errors import BacklightError
from backlight.explaining.batch_mates import mates_matter, order_matters
from backlight.explaining.completeness import listed
from backlight.explaining.rows import take_rows
from backlight.graph.axes.axes import GraphAxes
from backlight.graph.axes.feature_map import FeatureMap, Places
from backlight.graph.axes.grids import Grid
from backlight.graph.comparison import changing
from backlight.graph.dependence.dependence import Dependence
from backlight.graph.graph import DType, Graph
from backlight.graph.outputs import as_if_differentiable
from backlight.model.host_random import drawn
from backlight.model.model import Model
from backlight.scores.scores import Score
from backlight.values.arrays import shape_of
from backlight.values.inputs import Inputs
from backlight.values.outputs import paths, single
from backlight.values.tree import leaves

FINDING = frozenset({"argmax", "argmin", "top_k", "sort"})


@final
class NetStructure:
    """See the module.

    Args:
        graph: of at least two examples, from all inputs to the scores.
        changing: the positions of its nodes whose numbers are others where there are more examples.
        more: where rows look at each other though this graph does not show it.
    """

    def __init__(
        self, graph: Graph, changing: Sequence[int] = (), more: tuple[str, ...] = ()
    ) -> None:
        self.graph = graph
        self._changing = changing
        self._more = more

    @cached_property
    def flow(self) -> Dependence:
        return Dependence(self.graph)

    @cached_property
    def axes(self) -> GraphAxes:
        return GraphAxes.of(self.graph)

    @cached_property
    def places(self) -> Places:
        """Where the inputs' places are; those of whole numbers are followed as if these had gradients."""
        values = self.graph.values
        floating = any(values[one].dtype.differentiable for one in self.graph.sources)
        flow = self.flow if floating else Dependence(as_if_differentiable(self.graph))
        return Places(self.axes, flow)

    @cached_property
    def feature_map(self) -> FeatureMap | None:
        """What class activation maps read; None where nothing has all places."""
        return self.places.feature_map()

    @cached_property
    def place_axes(self) -> tuple[int, ...]:
        """The axes of the first input that hold places, not channels."""
        return tuple(axis for number, axis in self.places.wanted if number == 0)

    @cached_property
    def grids(self) -> Mapping[str, Grid]:
        """How places lie in each value that can be asked for and has a whole grid of them."""
        found = {name: self.places.grid(value) for name, value in self.graph.sites.items()}
        return {name: grid for name, grid in found.items() if grid is not None}

    @cached_property
    def mixing(self) -> tuple[str, ...]:
        """The operations at which rows look at each other, with where they are."""
        return self._told(self.axes.mixing) or self._more

    @cached_property
    def doubtful(self) -> tuple[str, ...]:
        """The net's operations of which the graph does not show whether rows look at each other there."""
        net = set(self.graph.needed(self.graph.kept or self.graph.targets))
        return self._told([at for at in self.axes.doubtful if at in net])

    @cached_property
    def changing(self) -> tuple[str, ...]:
        """The operations whose numbers Python computes otherwise where there are more rows, unless that
        is seen elsewhere."""
        return () if self.mixing or self.random else self._told(self._changing)

    @property
    def needs_whole_batch(self) -> bool:
        """Whether what the net gives for an example depends on what others there are, or how many."""
        return bool(self.mixing or self.changing)

    @cached_property
    def random(self) -> tuple[str, ...]:
        """The operations that give other numbers in each run."""
        return self._told(self.axes.random)

    @cached_property
    def read_out(self) -> tuple[str, ...]:
        """Where what depends on the inputs leaves the framework for Python."""
        return self._told(self.axes.read_out)

    @cached_property
    def is_coarse(self) -> bool:
        """Whether the net computes in 16 bits somewhere: in bfloat16 or float16."""
        results = (
            self.graph.values[number] for node in self.graph.nodes for number in node.results
        )
        return any(one.dtype is DType.FLOAT and one.bits <= 16 for one in results)

    @cached_property
    def _needed(self) -> set[int]:
        """The positions of the nodes that the targets may depend on, also by way of Python."""
        left = [node.result for node in self.graph.nodes if node.primitive == "read_out"]
        return set(self.graph.needed([*self.graph.targets, *left]))

    @cached_property
    def operations(self) -> int:
        """How many operations lie between the inputs and the targets, the targets' own included."""
        flow = self.flow
        return max(1, sum(flow.is_touched(flow.nodes[at]) for at in flow.needed))

    @cached_property
    def choices(self) -> tuple[str, ...]:
        """The operations that find places by comparing what depends on the inputs, by which others pick
        numbers."""
        flow = self.flow
        return self._told(
            [
                at
                for at, node in enumerate(self.graph.nodes)
                if node.primitive in FINDING and flow.is_touched(node)
            ]
        )

    def _told(self, positions: Sequence[int]) -> tuple[str, ...]:
        nodes = [self.graph.nodes[at] for at in positions if at in self._needed]
        told = (f"{node.type} ({node.place})" if node.place else node.type for node in nodes)
        return tuple(dict.fromkeys(told))

    def leads_through(self, *sites: str, source: int | None = None) -> bool:
        """Whether all ways from the inputs to the targets lead through the values at these sites, none
        by way of Python.

        Args:
            source: the position of the one input that is asked about; None for all.
        """
        graph, flow = self.graph, self.flow
        through = {graph.sites.get(site) for site in sites}
        reached = set(graph.sources if source is None else graph.sources[source : source + 1])
        for node in flow.nodes:
            if not reached.isdisjoint(node.operands):
                reached |= {one for one in node.results if one in flow.touched} - through
        return not self.read_out and reached.isdisjoint(graph.targets)

    def choice_notes(self) -> tuple[str, ...]:
        """What may be behind a gap between the values' sum and the change of the score."""
        if not self.choices:
            return ()
        return (
            f"The input chooses by {listed(self.choices)}, other numbers than the baseline perhaps: what "
            "a choice changes is in no value, as no derivative passes there.",
        )

    def notes(self, count: int) -> tuple[str, ...]:
        """What deserves a second look in any attribution of this many examples."""
        found = []
        if self.mixing and count > 1:
            may = " may" if self._needed & {*self.axes.mixing} <= {*self.axes.read_out} else ""
            found.append(
                f"Rows of the batch{may} look at each other, at {listed(self.mixing)}: values depend on "
                "batch-mates, and each row's have what it does to the scores of others. The batch was "
                "run whole, whatever batch_size says."
            )
        if self.changing and count > 1:
            found.append(
                f"Numbers that Python computes were others for more rows, at {listed(self.changing)}: by "
                "how many there are, or drawn at random. Values are those for this number of "
                "batch-mates, or of one draw. The batch was run whole, whatever batch_size says."
            )
        if self.random:
            found.append(
                f"The net draws random numbers in each run, by {listed(self.random)}: values are "
                "those of one draw, or of several mixed. Give it fixed numbers, or switch this off."
            )
        if self.read_out:
            found.append(
                f"Python reads numbers that depend on the inputs, at {listed(self.read_out)}: what it "
                "computes by them is not in the values, and what it decides may be decided otherwise for "
                "other inputs."
            )
        return tuple(found)


@final
@dataclass(frozen=True)
class UnknownStructure:
    """A net whose graph tells nothing.

    Attributes:
        why: as a clause for messages.
        needs_whole_batch: whether an example was seen to have other outputs beside others than alone.
    """

    why: str
    needs_whole_batch: bool = False

    def note(self) -> str:
        """What is not known of the net, as a sentence for the user."""
        return (
            f"The net could not be looked into, as {self.why}: whether rows look at each other and "
            "whether it draws random numbers is unknown."
        )

    def notes(self, count: int) -> tuple[str, ...]:
        """What was seen of a net that can be run, for so many examples."""
        if not self.needs_whole_batch or count == 1:
            return ()
        return (
            "The net gives an example other outputs beside others than alone: values are those for these "
            "batch-mates. The batch was run whole, whatever batch_size says.",
        )


def net_structure(
    model: Model, inputs: Inputs, score: Score | None
) -> NetStructure | UnknownStructure:
    """What the graph shows from these inputs to their score, or to the outputs.

    Raises:
        Exception: the net can be run, but not be captured.
    """
    told = model.differentiable or inputs.count > 1
    key = (form(inputs), score and (score.site, score.recipe), told)

    def make() -> NetStructure | UnknownStructure:
        graph = captured(model, inputs, score)
        if isinstance(graph, UnknownStructure):
            return graph
        found = NetStructure(bare(graph))
        return found if found.mixing else compared(model, inputs, score, graph, found)

    return model.recall("structure", key, make)


def form(inputs: Inputs) -> Hashable:
    """What decides what a net does with inputs: their shapes and dtypes, and which others are passed
    through."""
    arrays = tuple((shape_of(leaf)[1:], str(leaf.dtype)) for leaf in leaves(inputs.attributed))
    return arrays, len(inputs.positional), frozenset(inputs.keyword)


def rows_mix(model: Model, inputs: Inputs) -> bool:
    """Whether rows of the outputs look at each other, so that a batch must not be cut."""
    found = net_structure(model, inputs, None)
    return found.needs_whole_batch


def captured(model: Model, inputs: Inputs, score: Score | None) -> Graph | UnknownStructure:
    """The graph for two examples: of one alone, none can be told from an axis of length 1. For all of
    them, where the net or the score takes no other number."""
    rows = np.arange(2) if inputs.count > 1 else np.zeros(2, np.int64)
    two = take_rows(model, inputs, rows)
    try:
        graph = model.graph(two, score and score.take(rows))
    except Exception as error:
        if not isinstance(error, BacklightError) and gives_rows(model, two):
            raise
        graph = model.graph(inputs, score)  # what fails with all examples too is raised
        if inputs.count == 1:
            return UnknownStructure("it takes one example at a time")
    if graph is not None:
        return graph
    if model.differentiable:
        return UnknownStructure("its backend does not tell its operations")
    key = (form(inputs), inputs.count > 1)  # one example has no other to be run beside
    mixing = model.recall("mates matter", key, lambda: mates_matter(model, inputs))
    return UnknownStructure("it can only be run", mixing)


def compared(
    model: Model, inputs: Inputs, score: Score | None, graph: Graph, found: NetStructure
) -> NetStructure:
    """The structure with what is seen of more examples: rows that look at each other there, and numbers
    that are others there; and, where the graph leaves it in doubt, what is seen of another order."""
    rows = np.arange(4) % inputs.count
    more = take_rows(model, inputs, rows)
    try:
        other = model.graph(more, score and score.take(rows))
    except Exception as error:
        if not isinstance(error, BacklightError) and gives_rows(model, more):
            raise
        return found  # it takes no other number of them
    if other is None:
        return found
    mixing = NetStructure(bare(other)).mixing
    numbers = () if drawn(model) else changing(graph, other)
    if not mixing and not numbers and found.doubtful:
        mixing = found.doubtful if order_matters(model, more) else ()
    return NetStructure(found.graph, numbers, mixing)


def gives_rows(model: Model, inputs: Inputs) -> bool:
    """Whether the net gives a row for each of these examples."""
    try:
        outputs = model.outputs(inputs)
    except BacklightError:
        return False
    return all(single(outputs, path).shape[:1] == (inputs.count,) for path in paths(outputs))


def bare(graph: Graph) -> Graph:
    """The graph without what the backend knows its nodes and constants by, which may be large."""
    return replace(
        graph,
        values=[replace(value, constant=None) for value in graph.values],
        nodes=[replace(node, native=None) for node in graph.nodes],
    )
