"""The core's graph from all inputs to the score, its values named as sites are."""

from typing import TYPE_CHECKING, final

from backlight.graph.graph import Graph
from backlight.scores import Score
from backlight_torch.calls import is_call
from backlight_torch.capture.recorder import Recorder
from backlight_torch.engine.blocks import Block, copied_inputs
from backlight_torch.engine.runs import arrays_in, begin, step_by_step
from backlight_torch.sites import Place, SiteAccess, Visitor, results, usable

if TYPE_CHECKING:
    from backlight_torch.engine.passes import Passes


@final
class Names(Visitor):
    """Tells which value of a graph each place gives."""

    functions = True

    def __init__(self, recorder: Recorder, rows: int, access: SiteAccess | None) -> None:
        self.recorder = recorder
        self.rows = rows
        self.access = access
        self.modules: dict[str, int] = {}
        self.calls: dict[str, int] = {}

    def __call__(self, place: Place, value: object) -> object:
        found = self.calls if is_call(place.name) else self.modules
        for result, tensor in results(value).items():
            if usable(tensor, self.rows) and self.recorder.knows(tensor):
                found[place.name + result] = self.recorder.value_of(tensor)
        return value if self.access is None else self.access(place, value)


def named_graph(passes: "Passes", block: Block, score: Score | None) -> tuple[Graph, object]:
    """The operations from the inputs to the score, or to all outputs; and the outputs. Fused ones are as
    they are, but moves of blocks of places to channels and back, and of channels among groups, are
    opened."""
    passes = passes.unoptimised()
    with step_by_step(passes, graph=False) as places:
        arguments, starts = copied_inputs(block.inputs, differentiated=False)
        recorder = Recorder(places, passes.net.numbers(), draws=True)
        names = Names(recorder, block.inputs.count, passes.access(block, score))
        begin(recorder, arguments, starts, inside=False)
        with recorder:
            outputs = passes.call(arguments, names)
            if names.access is not None:
                outputs = names.access.read_from(outputs)
            scores = None if score is None else passes.evaluate(block, score, outputs)
        read = arrays_in(outputs)
        recorder.finish(read if scores is None else [scores])
        graph = recorder.graph
        if score is not None:
            graph.kept = frozenset(recorder.value_of(one) for one in read if recorder.knows(one))
        graph.sites = {**names.modules, **names.calls}
        recorder.graph = Graph()
        recorder.clear()
        return graph, outputs
