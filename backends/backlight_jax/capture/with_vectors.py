"""A net that is given vectors in the place of ids."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name

from backlight.values.inputs import Inputs
from backlight.values.lookups import Lookups
from backlight_jax.capture import program
from backlight_jax.capture.scored import scored
from backlight_jax.nets.arrays import split
from backlight_jax.nets.calls import read
from backlight_jax.nets.styles import Net, State

if TYPE_CHECKING:
    from backlight_jax.capture.trace import Trace


def with_vectors(net: Net, of_ids: "Trace", lookups: Lookups) -> Net:
    """The net as a function of the vectors that it looks up for ids: its trace is run again.

    Args:
        net: it, called with ids.
        of_ids: its trace.
        lookups: where it looks them up.
    """
    places = {site: of_ids.sites.place(site) for site in lookups.sites}
    built = scored(of_ids, None, *places.values(), whole=False)
    numbers = {site: built.program.number_of(place.key) for site, place in places.items()}
    constants = built.constants  # here, outside of what is traced

    def run(trees: Sequence[Any], attributed: Any, *positional: Any, **keyword: Any) -> Any:
        weights, _ = split(jax.tree.leaves(tuple(trees)))
        inputs = Inputs(attributed, positional, keyword)
        _, arrays = read(State(weights, None), lookups.without(inputs))
        values = built.start(constants, arrays, None)
        put = {}
        for site, array in lookups.values(inputs).items():
            moved = jnp.moveaxis(cast(Any, array), 0, places[site].axis or 0)
            # What it stands for goes by the same name.
            put[numbers[site]] = checkpoint_name(moved, site)  # type: ignore[no-untyped-call]
        for node in built.program.nodes:
            program.run([node], values)
            values.update({one: put[one] for one in node.outputs if one in put})
        found = [program.read(values, one) for one in built.program.outputs]
        return jax.tree.unflatten(of_ids.structure_of_outputs, found)

    return replace(net, run=run, structured=True)
