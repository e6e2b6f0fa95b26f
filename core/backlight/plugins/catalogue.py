"""What plugins offer by name: things as they are, and techniques and metrics that are made."""

import inspect
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar, cast, final

from backlight.by_value import own_first
from backlight.errors import (
    BacklightError,
    BacklightWarning,
    HyperParameterError,
    PluginError,
    UnknownNameError,
    reason,
    shown,
)
from backlight.plugins.choices import normalised
from backlight.plugins.entry_points import plugins
from backlight.plugins.plugins import Offers, Plugin

T = TypeVar("T")


@final
@dataclass(frozen=True)
class Listing(Generic[T]):
    """What plugins list under names.

    Attributes:
        hook: that they implement.
        word: what one thing is called.
        fault: why a thing is none, as the end of a sentence; None where it is one.
    """

    hook: str
    word: str
    fault: Callable[[object], str | None]

    def all(self) -> Mapping[str, T]:
        """Every one by name, alphabetical.

        A plugin that fails to list its own is named in a warning and left out, and so is a name that
        several plugins offer, unless the user prefers one of them.
        """
        found: dict[str, T] = {}
        for name, offers in self.offered().items():
            try:
                found[name] = plugins().choose(f"The {self.word}", name, offers)
            except PluginError as clash:
                warnings.warn(f"{clash} Until then it is left out.", BacklightWarning, stacklevel=4)
        return found

    def offered(self) -> Mapping[str, Offers[T]]:
        """Every one by name, alphabetical, with the plugins that offer it."""
        found: dict[str, list[tuple[Plugin, T]]] = {}
        for plugin, things in plugins().each(self.hook, self.of):
            for name, thing in things.items():
                found.setdefault(name, []).append((plugin, thing))
        return dict(sorted(found.items()))

    def of(self, hook: Callable[..., object]) -> dict[str, T]:
        """What a plugin offers, by names in one spelling; PluginError where that is something else."""
        answer, word = hook(), self.word
        if not isinstance(answer, Mapping):
            raise PluginError(
                f"it gave something of type {type(answer).__qualname__}, not a mapping of {word}s"
            )
        found: dict[str, T] = {}
        for name, thing in answer.items():
            key = normalised(name) if isinstance(name, str) else ""
            if not re.fullmatch(r"\w+", key) or key in found:
                raise PluginError(
                    f"it names a {word} {shown(name)}; a name has letters, digits and _, and is "
                    f"another for each {word} in any spelling"
                )
            fault = self.fault(thing)
            if fault is not None:
                raise PluginError(f"its {word} {name} is {fault}")
            found[key] = cast(T, thing)
        return found


@final
@dataclass(frozen=True)
class Catalogue(Generic[T]):
    """All that plugins offer of one kind, each made from hyper-parameters.

    Attributes:
        hook: that they implement.
        word: what one is called.
        base: what each is an instance of, once it is made.
        example: how one is made, for messages.
    """

    hook: str
    word: str
    base: type[T]
    example: str

    @property
    def listing(self) -> Listing[Callable[..., T]]:
        return Listing(self.hook, self.word, self._fault)

    def all(self) -> Mapping[str, Callable[..., T]]:
        """Every one by name, alphabetical; see `Listing.all`."""
        return self.listing.all()

    def offered(self) -> Mapping[str, Offers[Callable[..., T]]]:
        """Every one by name, alphabetical, with the plugins that offer it."""
        return self.listing.offered()

    def of(self, hook: Callable[..., object]) -> dict[str, Callable[..., T]]:
        """What a plugin offers; see `Listing.of`."""
        return self.listing.of(hook)

    def make(self, given: str | T, hyper_parameters: Mapping[str, object]) -> T:
        """One from its name and hyper-parameters.

        Raises:
            UnknownNameError: no such name, with the nearest ones, and with the plugins that failed.
            PluginError: several plugins offer it, or it fails in a way that no hyper-parameter
                explains.
            HyperParameterError: it has no such hyper-parameter, needs another, or not in that range.
        """
        if isinstance(given, self.base):
            if hyper_parameters:
                raise HyperParameterError(
                    f"{shown(given)} has its hyper-parameters already; "
                    f"put {', '.join(hyper_parameters)} into it."
                )
            return given
        if not isinstance(given, str):
            raise HyperParameterError(
                f"A {self.word} is a name or a {self.base.__name__} with its hyper-parameters, such "
                f"as {self.example}; got {shown(given)}."
            )
        known = self.offered()
        name = normalised(given)
        if name not in known:
            what = self.base.__name__.lower()
            raise UnknownNameError(what, given, known, " ".join(plugins().left_out(self.hook)))
        return self._made(
            name, plugins().choose(f"The {self.word}", name, known[name]), hyper_parameters
        )

    @property
    def _kind(self) -> str:
        """The base as it is imported."""
        return f"{self.base.__module__.partition('.')[0]}.{self.base.__name__}"

    def _fault(self, make: object) -> str | None:
        """Why something is no maker."""
        if isinstance(make, self.base):
            return f"made already; offer {type(make).__name__}"
        if self._makes(make):
            return None
        of_type = f"of type {type(make).__qualname__}"
        kind = make.__qualname__ if isinstance(make, type) else of_type
        return (
            f"{kind}, neither a subclass of {self._kind} nor a function with named hyper-parameters that "
            "makes one"
        )

    def _makes(self, make: object) -> bool:
        if isinstance(make, type):
            return issubclass(make, self.base)
        try:
            inspect.signature(cast(Callable[..., T], make))
        except (TypeError, ValueError):  # not callable, or written in C without a signature
            return False
        return True

    def _made(self, name: str, make: Callable[..., T], hyper_parameters: Mapping[str, object]) -> T:
        """Whatever its constructor refuses is an error that names it."""
        try:
            check_parameters(name, parameters_of(make), hyper_parameters)
            made: object = make(**hyper_parameters)
        except BacklightError:
            raise
        except (TypeError, ValueError) as error:
            given = ", ".join(f"{key}={shown(value)}" for key, value in hyper_parameters.items())
            raise HyperParameterError(
                f"{name}({given}) cannot be made: {reason(error)}."
            ) from error
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a foreign one may fail in any way
            raise PluginError(
                f"The {self.word} {name} failed when it was made: {reason(error)}."
            ) from error
        if not isinstance(made, self.base):
            raise PluginError(
                f"The {self.word} {name} made something of type {type(made).__qualname__}, not a "
                f"{self._kind}."
            )
        return made


def parameters_of(make: Callable[..., object]) -> dict[str, inspect.Parameter]:
    """What something can be made from, a class's own first."""
    found = inspect.signature(make).parameters
    return {name: found[name] for name in own_first(make, found)}


def check_parameters(
    name: str, accepted: Mapping[str, inspect.Parameter], given: Mapping[str, object]
) -> None:
    """Raise HyperParameterError for one that is not there, and for one that must be said and is not."""
    kinds = {parameter.kind for parameter in accepted.values()}
    for parameter in given:
        if parameter not in accepted and inspect.Parameter.VAR_KEYWORD not in kinds:
            raise HyperParameterError(
                f"{name} has no hyper-parameter {parameter!r}; it has "
                f"{', '.join(accepted) or 'none'}."
            )
    missing = [key for key, one in accepted.items() if is_required(one) and key not in given]
    if missing:
        raise HyperParameterError(f"{name} has no default for {', '.join(missing)}; say it.")


def is_required(parameter: inspect.Parameter) -> bool:
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return parameter.default is inspect.Parameter.empty and parameter.kind not in variable
