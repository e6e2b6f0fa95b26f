"""Whether a plugin's module is one that Backlight loads: `check_plugin`."""

from types import ModuleType

import pluggy

from backlight.errors import PluginError, reason
from backlight.evaluating.registry import METRICS
from backlight.explaining.registry import METHODS
from backlight.features.registry import FEATURES
from backlight.plugins import hooks
from backlight.plugins.entry_points import GROUP, check_api
from backlight.testing.checks import require
from backlight.version import API_VERSION


def check_plugin(module: ModuleType) -> None:
    """Check the module that an entry point of the group `backlight` names: which version of the API it
    says it was written for, whether its hooks are Backlight's, and whether its techniques, metrics and
    features are some.

    Raises:
        AssertionError: it breaks one of these; the message says which.
    """
    name = module.__name__
    require(
        hasattr(module, "backlight_api"),
        f"{name} does not say which API it was written for: backlight_api = {API_VERSION}",
    )
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hooks)
    try:
        check_api(module.backlight_api)
        manager.register(module, name=name)
        manager.check_pending()
        if hasattr(module, "backlight_methods"):
            METHODS.of(module.backlight_methods)
        if hasattr(module, "backlight_metrics"):
            METRICS.of(module.backlight_metrics)
        if hasattr(module, "backlight_features"):
            FEATURES.of(module.backlight_features)
    except PluginError as error:
        raise AssertionError(f"{name}: {reason(error)}.") from error
    except pluggy.PluginValidationError as error:
        raise AssertionError(f"{name}: {error}.") from error
    known = ", ".join(sorted(one for one in vars(hooks) if one.startswith("backlight_")))
    require(
        bool(manager.get_hookcallers(module)),
        f"{name} has no hook: a function that is marked with @backlight.hookimpl and called one of "
        f"{known}.",
    )
