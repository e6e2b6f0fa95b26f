"""A network that is given vectors in the place of ids."""

from typing import TYPE_CHECKING, Any, cast, final

import tensorflow as tf

from backlight.values.inputs import Inputs
from backlight.values.lookups import Lookups
from backlight.values.tree import leaves
from backlight_tensorflow.capture.flattening import Tensor
from backlight_tensorflow.sites import Named, named_site

if TYPE_CHECKING:
    from backlight_tensorflow.capture.tracing import Trace


@final
class WithVectors:
    """A copy of a trace, called with the vectors that it looks up for ids.

    Args:
        of_ids: the trace, of ids.
        lookups: where it looks them up.
    """

    def __init__(self, of_ids: "Trace", lookups: Lookups) -> None:
        self.of_ids, self.lookups = of_ids, lookups
        self.copied: dict[str, Tensor] = {}

    def __call__(self, attributed: Any, positional: Any, keyword: Any) -> object:
        """The outputs, while it is traced."""
        inputs: Inputs[Any] = Inputs(attributed, positional, keyword)
        given = self.lookups.without(inputs)
        extra = tf.nest.flatten([*given.positional, *given.keyword.values()])
        tensors = [*leaves(given.attributed), *(one for one in extra if tf.is_tensor(one))]
        copy = self.of_ids.copy(tensors)  # in the order of a `Request`
        for site, array in self.lookups.values(inputs).items():
            copy.put(named_site(self.of_ids, site).value, cast(Tensor, array))
        for name, one in self.of_ids.named.items():
            self.copied[name] = copy.tensor(one.value)
        return self.of_ids.outputs_with(copy.tensor)

    def name(self, made: "Trace") -> None:
        """Give the inner values of what was traced the names that they had."""
        made.operations = {**made.operations, **made.named}
        made.named, made.by_operation = {}, self.of_ids.by_operation
        for name, tensor in self.copied.items():
            was, (value, *_) = self.of_ids.named[name], made.flat.of(tensor)
            made.named[name] = Named(name, value, was.kind, was.pooled)
