"""Operations with the values that went through them, as rules see them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast, final

import jax
import jax.numpy as jnp

from backlight.arrays import Array
from backlight.errors import CoverageError
from backlight.operations import Kind
from backlight.rules import Application
from backlight_jax import maxima, weights
from backlight_jax.passes import ARRAYS
from backlight_jax.units import Unit


@final
class Applied(Application):
    """A unit in one pass."""

    def __init__(
        self, unit: Unit, known: Mapping[int, Any], reference: "Applied | None" = None
    ) -> None:
        """The unit for the values of a pass, by number."""
        self.unit = unit
        self.operation = unit.described
        self.arrays = ARRAYS
        self.known = known
        self.inputs = tuple(known[value] for value in unit.inputs)
        self.output = known[unit.output]
        self.params = Params(unit, known)
        self.reference = reference
        self.parts = tuple(
            Applied(part, known, None if reference is None else reference.parts[at])  # type: ignore[arg-type]
            for at, part in enumerate(unit.parts)
        )

    def vjp(
        self,
        grad: Array,
        *,
        inputs: Sequence[Array] | None = None,
        params: Mapping[str, Array] | None = None,
        frozen: bool = False,
    ) -> tuple[Array, ...]:
        given = self._given(inputs, "differentiated")
        like = cast(Any, self.output)
        seed = jnp.broadcast_to(cast(Any, grad), like.shape).astype(like.dtype)
        if params is None and not frozen:
            found = convention(self.unit, given, seed, self.known)
            if found is not None:
                return (cast(Array, found),)

        def function(*operands: Any) -> Any:
            if params is not None:
                return weights.applied(self.unit, self.known, operands[0], params)
            return self.unit.results(self.known, operands, frozen)[0]

        _, pullback = jax.vjp(function, *given)
        return tuple(pullback(seed))

    def replay(
        self,
        *,
        inputs: Sequence[Array] | None = None,
        params: Mapping[str, Array] | None = None,
    ) -> Array:
        if inputs is None and params is None:
            return self.output
        given = self._given(inputs, "run again")
        if params is not None:
            return cast(Array, weights.applied(self.unit, self.known, given[0], params))
        return cast(Array, self.unit.results(self.known, given)[0])

    def _given(self, inputs: Sequence[Array] | None, what: str) -> list[Any]:
        if inputs is None:
            return list(self.inputs)
        if not self.unit.replayable:
            raise CoverageError(
                f"The operation {self.operation.type} at {self.operation.name or 'an unnamed place'} "
                f"cannot be {what} at other values, as it calls back to Python. Choose a technique "
                "that does not need this, or differentiate behind it with at=."
            )
        return [
            jnp.broadcast_to(one, like.shape).astype(like.dtype)
            for one, like in zip(cast(Any, inputs), cast(Any, self.inputs), strict=True)
        ]


@final
class Params(Mapping[str, Array]):
    """The weights of a linear operation, folded only when a rule looks at them."""

    def __init__(self, unit: Unit, known: Mapping[int, Any]) -> None:
        self.unit = unit
        self.known = known

    def __getitem__(self, name: str) -> Array:
        if name not in self.names:
            raise KeyError(name)
        compute = weights.weight if name == "weight" else weights.bias
        return cast(Array, compute(self.unit, self.known))

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    @property
    def names(self) -> tuple[str, ...]:
        if self.unit.linear is None:
            return ()
        return ("weight", "bias") if weights.has_bias(self.unit) else ("weight",)


def convention(
    unit: Unit, inputs: Sequence[Any], grad: Any, known: Mapping[int, Any]
) -> Any | None:
    """The gradient where derivatives are a convention at kinks and ties; None where there are none."""
    x = inputs[0]
    node = unit.nodes[0]
    zeros = jnp.zeros_like(grad)
    custom = any("custom_vjp" in each.primitive for each in unit.nodes)
    match unit.kind:
        case Kind.RELU if not custom:
            return jnp.where(x > 0, grad, zeros)
        case Kind.RELU6 if not custom and unit.activation is not None:
            return jnp.where((x > 0) & (x < unit.activation.constant), grad, zeros)
        case Kind.LEAKY_RELU if not custom and unit.activation is not None:
            return jnp.where(x > 0, grad, grad * unit.activation.constant)
        case Kind.ABS if not custom:
            return grad * jnp.sign(x)
        case Kind.MAX_POOL:
            (y,) = unit.results(known, inputs)
            return maxima.windows_gradient(node, x, y, grad)
        case Kind.MAX | Kind.MIN if node.primitive in ("reduce_max", "reduce_min"):
            smallest = unit.kind is Kind.MIN
            return maxima.axes_gradient(x, grad, tuple(node.params["axes"]), smallest)
        case Kind.MAX | Kind.MIN if len(inputs) == 1 and node.primitive in ("max", "min"):
            (found,) = unit.results(known, inputs)
            (at,) = (at for at, value in enumerate(node.inputs) if value == unit.arguments[0])
            other = node.inputs[1 - at]
            bound = known[other] if isinstance(other, int) else other.val
            if found.shape != x.shape:
                return None
            return jnp.where(x > bound if unit.kind is Kind.MAX else x < bound, grad, zeros)
    return None
