"""A function of NumPy arrays as a Backlight model, which can be run and has no gradients."""

from collections.abc import Hashable
from copy import copy
from typing import Any, NoReturn, cast, final

import array_api_compat.numpy
import numpy as np
from numpy.typing import NDArray

from backlight.errors import BacklightError, CoverageError, ModelError, SiteError, message_of
from backlight.explaining.no_gradients import advice
from backlight.graph.dependence.cuts import Connection
from backlight.memory.memory import Memory
from backlight.model.model import Gradient, Model, Options, Site
from backlight.model.net_model import NetModel, Question
from backlight.rules.operations import Operation
from backlight.rules.rules import Rules
from backlight.scores.scores import Score
from backlight.values.arrays import Array, Arrays, Channels
from backlight.values.frame_columns import FrameColumns
from backlight.values.inputs import Inputs
from backlight.values.outputs import Outputs
from backlight.values.tree import Tree, leaves
from backlight_numpy.estimators import Estimator
from backlight_numpy.nets import Net, PlainFunction, given, hosted
from backlight_numpy.recognition import is_estimator, is_session, verb_of
from backlight_numpy.sessions import Session


@final
class NumpyModel(NetModel):
    """An estimator, a session of ONNX Runtime or a plain function, seen through Model's verbs.

    Arrays keep the dtype that they come in, float32 or float64, integers or Python's objects; a session
    gets those that it declares.
    """

    framework = "numpy"
    version = np.__version__
    arrays = cast(Arrays, array_api_compat.numpy)
    differentiable = False

    def __init__(self, net: object, options: Options) -> None:
        super().__init__(net, options)
        self._net = net_of(net)

    @property
    def class_names(self) -> tuple[str, ...] | None:  # type: ignore[override]
        return self._net.class_names

    def _channels(self) -> Channels:
        return self._net.channels

    def predict(self, inputs: Inputs | Tree) -> object:
        prepared = self.prepare(inputs)
        try:
            return hosted(self._net.outputs(prepared))
        except (BacklightError, MemoryError):
            raise
        except Exception as error:
            raise ModelError(
                f"The model raised {type(error).__name__}: {message_of(error)} (It was given "
                f"{given(prepared)}.)"
            ) from error

    def _outputs(self, inputs: Inputs) -> Outputs:
        arrays = map(np.asarray, leaves(inputs.attributed))
        key = tuple((one.shape, one.dtype.str) for one in arrays)
        return self.recall("outputs", key, lambda: self._net.specified(self.predict(inputs)))

    def _score(self, asked: Question, score: Score) -> Array:
        at = asked.at if asked.at is not None else score.site
        if at is not None:
            refuse_site(at)
        operands = [cast(Array, np.asarray(one)) for one in score.operands()]
        return score.evaluate(self.predict(asked.inputs), operands, self.arrays)

    def _gradient(self, asked: Question, score: Score) -> Gradient:
        refuse()

    def _operations(
        self, asked: Question, score: Score | None, rules: Rules
    ) -> tuple[Operation, ...]:
        refuse()

    def _connection(self, asked: Question, score: Score) -> Connection:
        refuse()

    def _activations(self, inputs: Inputs, sites: tuple[str, ...]) -> tuple[Tree, ...]:
        refuse_site(sites[0])

    def sites(self, inputs: Inputs | Tree) -> tuple[Site, ...]:
        return ()

    def identity(self) -> Hashable:
        return self._net.identity()

    def with_columns(self, columns: FrameColumns) -> Model:
        net = self._net.with_columns(columns)
        if net is None:
            return super().with_columns(columns)
        found = copy(self)
        found._net, found.memory = net, Memory(found.identity)
        return found

    def owns(self, array: object) -> bool:
        return isinstance(array, np.ndarray)

    def asarray(self, array: NDArray[np.generic], like: Array | None = None) -> Array:
        dtype = self._net.floating if like is None else np.asarray(like).dtype
        if dtype is None or (array.dtype.kind != "f" and dtype != np.object_):
            return cast(Array, array)
        return cast(Array, array.astype(dtype, copy=False) if dtype.kind in "fO" else array)

    def to_numpy(self, array: Array) -> NDArray[np.generic]:
        return np.asarray(array)

    def is_floating(self, array: Array) -> bool:
        return np.asarray(array).dtype.kind == "f"


def net_of(net: Any) -> Net:
    """What runs of a model that was given."""
    if is_session(net):
        return Session(net)
    if is_estimator(net):
        return Estimator(net)
    verb = verb_of(net)
    return PlainFunction(net) if verb is None else Estimator(net.__self__, verb)


def refuse() -> NoReturn:
    raise CoverageError(
        "A model of NumPy arrays can only be run: it has no gradients, and shows no operations. "
        f"{advice()}"
    )


def refuse_site(at: str) -> NoReturn:
    raise SiteError(
        f"There is no site {at!r}: a model of NumPy arrays can only be run, and nothing inside it has a "
        "name. Leave out `at` to explain its inputs, or wrap the net in the framework that it is from."
    )
