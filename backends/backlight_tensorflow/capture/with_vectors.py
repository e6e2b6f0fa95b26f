"""The trace of a network that is given vectors in the place of ids."""

from typing import Any, cast

import tensorflow as tf

from backlight.values.inputs import Inputs
from backlight.values.lookups import Lookups
from backlight.values.tree import leaves
from backlight_tensorflow.capture.flattening import Tensor
from backlight_tensorflow.capture.tracing import Trace, trace
from backlight_tensorflow.engine.copying import LOCK
from backlight_tensorflow.nets.calls import Request
from backlight_tensorflow.sites import Named, named_site


def trace_with_vectors(of_ids: Trace, lookups: Lookups, request: Request, few: int) -> Trace:
    """A copy of a trace, whose arguments are the vectors that it looks up for ids; its inner values have
    the names that they have there.

    Args:
        of_ids: the trace, of ids.
        lookups: where it looks them up.
        request: inputs with vectors.
        few: for how many of them lengths are inferred.
    """
    copied: dict[str, Tensor] = {}

    def call(attributed: Any, positional: Any, keyword: Any) -> object:
        inputs: Inputs[Any] = Inputs(attributed, positional, keyword)
        given = lookups.without(inputs)
        extra = tf.nest.flatten([*given.positional, *given.keyword.values()])
        tensors = [*leaves(given.attributed), *(one for one in extra if tf.is_tensor(one))]
        copy = of_ids.copy(tensors)  # in the order of a `Request`
        for site, array in lookups.values(inputs).items():
            copy.put(named_site(of_ids, site).value, cast(Tensor, array))
        for name, one in of_ids.named.items():
            copied[name] = copy.tensor(one.value)
        return of_ids.outputs_with(copy.tensor)

    with LOCK:
        made = trace(call, request, of_ids.count, few, None)
    made.operations = {**made.operations, **made.named}
    made.named = {}
    for name, tensor in copied.items():
        (value, *_) = made.flat.of(tensor)
        was = of_ids.named[name]
        made.named[name] = Named(name, value, was.kind, was.pooled)
    made.by_operation = of_ids.by_operation
    return made
