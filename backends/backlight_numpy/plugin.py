"""The plugin: which models are only functions of NumPy arrays. Importing it imports no framework."""

from backlight.model.model import Model, Options
from backlight.plugins.hooks import hookimpl
from backlight_numpy.recognition import is_estimator, is_session, verb_of

backlight_api = 1


@hookimpl
def backlight_wrap(net: object, framework: str | None, options: Options) -> Model | None:
    known = is_session(net) or is_estimator(net) or verb_of(net) is not None
    asked = framework == "numpy" and callable(net)
    if not asked and not (known and framework in (None, "numpy")):
        return None
    from backlight_numpy.model import NumpyModel

    return NumpyModel(net, options)
