"""A net that is given vectors in the place of ids."""

from collections.abc import Mapping, Sequence
from typing import Any, final

from backlight.engine.runner import Values
from backlight.values.inputs import Inputs
from backlight.values.lookups import Lookups
from backlight_mlx.capture import Trace, run
from backlight_mlx.nets import Calls, Net, Numbered, arrays_in, rebuilt


@final
class WithVectors(Net):
    """A net as a function of the vectors that it looks up for ids: its trace is run again.

    Args:
        net: it, called with ids.
        of_ids: its trace.
        lookups: where it looks them up.
        sites: the values of the trace that are the vectors.
    """

    def __init__(self, net: Net, of_ids: Trace, lookups: Lookups, sites: Mapping[str, int]) -> None:
        super().__init__(net.given)
        self.of_ids, self.lookups, self.sites = of_ids, lookups, sites

    def call(self, weights: Sequence[Any], calls: Calls, inputs: Inputs) -> Any:
        """The outputs; the calls of modules that there were are noted again."""
        graph = self.of_ids.graph
        held: Any = {at: one.constant for at, one in enumerate(graph.values)}
        values: Values = {at: one for at, one in held.items() if one is not None}
        arrays = [*weights, *arrays_in(self.lookups.without(inputs))]
        values.update(zip(self.of_ids.inputs, arrays, strict=True))
        vectors = {self.sites[site]: one for site, one in self.lookups.values(inputs).items()}
        for node in graph.nodes:
            run([node], values)
            values.update({one: vectors[one] for one in node.results if one in vectors})

        def array(one: Numbered) -> Any:
            return values[one.value]

        calls.made += [rebuilt(one, array) for one in self.of_ids.calls]
        return rebuilt(self.of_ids.outputs, array)
