"""Asking plugins: one that fails costs only itself and is named, and two that offer the same are told
apart by the user."""

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar, final

import pluggy

from backlight.errors import BacklightError, BacklightWarning, PluginError, reason
from backlight.plugins.choices import DISABLE, PREFER, Choices, normalised

Answer = TypeVar("Answer")


@final
@dataclass(frozen=True)
class Plugin:
    """An entry point that was found.

    Attributes:
        name: of the entry point.
        module: where it points.
        distribution: the installed package it came with, and its version.
        error: why it could not be loaded; None if it was.
        disabled: whether the user switched it off.
    """

    name: str
    module: str
    distribution: str
    error: str | None = None
    disabled: bool = False

    def __str__(self) -> str:
        return f"{self.name} ({self.distribution})"

    @property
    def sentence(self) -> str | None:
        """Why it has nothing to offer; None where it was loaded."""
        if self.disabled:
            return f"The plugin {self} is switched off."
        return (
            None if self.error is None else f"The plugin {self} could not be loaded: {self.error}."
        )

    @property
    def package(self) -> str:
        """The installed package without its version."""
        return self.distribution.partition(" ")[0]

    @property
    def foreign(self) -> bool:
        """Whether another package than Backlight's own brought it."""
        return self.package != "backlight"


Offers = Sequence[tuple[Plugin, Answer]]
"""What several plugins have under one name."""


@final
@dataclass(frozen=True)
class Plugins:
    """The plugin manager, what was found on the way, and what the user chose.

    Attributes:
        failures: by plugin and hook, why the last call failed.
    """

    manager: pluggy.PluginManager
    found: tuple[Plugin, ...]
    choices: Choices = field(default_factory=Choices)
    failures: dict[tuple[Plugin, str], str] = field(default_factory=dict)

    @property
    def broken(self) -> tuple[Plugin, ...]:
        return tuple(plugin for plugin in self.found if plugin.error)

    def left_out(self, hook: str) -> tuple[str, ...]:
        """A sentence for each plugin for which an answer to this hook may be missing."""
        failed = [(plugin, why) for (plugin, one), why in self.failures.items() if one == hook]
        return (
            *(one.sentence for one in self.found if one.sentence),
            *(left_out(plugin, hook, why) for plugin, why in failed),
        )

    def each(
        self, hook: str, ask: Callable[[Callable[..., object]], Answer]
    ) -> list[tuple[Plugin, Answer]]:
        """What `ask` gets from every plugin's hook, which it is given to call.

        A plugin that fails, or that `ask` raises over, is named in a BacklightWarning and left out.
        """
        answers = []
        for plugin, function in self._implementations(hook):
            try:
                answers.append((plugin, ask(function)))
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # a foreign plugin may fail in any way
                self._failed(plugin, hook, reason(error))
        return answers

    def first(self, hook: str, kind: type[Answer], **arguments: object) -> Answer | None:
        """The answer of the one package that has one; None where none has.

        The plugins of a package are asked until one answers, the last by name first. One that fails,
        or gives something of another kind, is named in a BacklightWarning and left out.

        Raises:
            BacklightError: what a plugin raised on purpose, where no other has an answer.
            PluginError: plugins of several packages have one, and the user prefers none of them.
        """
        answers: list[tuple[Plugin, Answer]] = []
        refusals: list[tuple[Plugin, BacklightError]] = []
        for plugin, function in reversed(self._implementations(hook)):
            if any(plugin.package == other.package for other, _ in (*answers, *refusals)):
                continue
            try:
                answer = function(**arguments)
                if answer is None:
                    continue
                if isinstance(answer, kind):
                    answers.append((plugin, answer))
                else:
                    what = type(answer).__qualname__
                    self._failed(plugin, hook, f"it gave something of type {what}")
            except BacklightError as error:
                refusals.append((plugin, error))
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # a foreign plugin may fail in any way
                self._failed(plugin, hook, reason(error))
        if refusals and not answers:
            raise signed(refusals)
        for plugin, refusal in refusals:
            self._failed(plugin, hook, reason(refusal))
        return self.choose("An answer to", hook, answers) if answers else None

    def choose(self, what: str, name: str, offers: Offers[Answer]) -> Answer:
        """What is offered under a name: by one plugin, or by the one that the user prefers.

        Raises:
            PluginError: several offer it, and the user prefers none of them.
        """
        if len(offers) > 1:
            wanted = self.choices.prefer.get(normalised(name.removeprefix("backlight_")), "")
            preferred = meant(wanted, [plugin for plugin, _ in offers])
            offers = [offer for offer in offers if offer[0] in preferred] or offers
        if len(offers) > 1:
            raise PluginError(clash(what, name, [plugin for plugin, _ in offers]))
        return offers[0][1]

    def _implementations(self, hook: str) -> list[tuple[Plugin, Callable[..., object]]]:
        """Each plugin that implements a hook, by name, with its function, which takes keywords."""
        registered = {str(plugin): plugin for plugin in self.found if plugin.sentence is None}
        found: list[tuple[Plugin, Callable[..., object]]] = []
        for one in getattr(self.manager.hook, hook).get_hookimpls():
            plugin = registered[one.plugin_name]
            self.failures.pop((plugin, hook), None)
            found.append((plugin, partial(called, one)))
        return found

    def _failed(self, plugin: Plugin, hook: str, why: str) -> None:
        self.failures[plugin, hook] = why
        warnings.warn(left_out(plugin, hook, why), BacklightWarning, stacklevel=4)


def left_out(plugin: Plugin, hook: str, why: str) -> str:
    return f"The plugin {plugin} is left out, since its {hook} failed: {why}."


def called(implementation: pluggy.HookImpl, **arguments: object) -> object:
    """A hook's answer to those of the arguments that it takes."""
    return implementation.function(*map(arguments.get, implementation.argnames))


def meant(name: str, plugins: Iterable[Plugin]) -> list[Plugin]:
    """The plugins that a user means by the name of a package, or else of an entry point."""
    of_package, of_name = [], []
    for plugin in plugins:
        if normalised(plugin.package) == normalised(name):
            of_package.append(plugin)
        elif normalised(plugin.name) == normalised(name):
            of_name.append(plugin)
    return of_package or of_name


def clash(what: str, name: str, plugins: Sequence[Plugin]) -> str:
    """Who offers the same, and how to choose."""
    one = next((plugin for plugin in plugins if not plugin.foreign), plugins[0])
    told = one.package if len(meant(one.package, plugins)) == 1 else one.name
    choice = f"{normalised(name.removeprefix('backlight_'))}={told}"
    return (
        f"{what} {name} is offered by {' and '.join(map(str, plugins))}. Choose one with "
        f"{PREFER}={choice} or `backlight --prefer {choice}`, or switch a plugin off with {DISABLE} "
        "or `backlight --disable`."
    )


def signed(refusals: Sequence[tuple[Plugin, BacklightError]]) -> BacklightError:
    """The first of these errors, with a note of who raised it where that is a foreign plugin."""
    (plugin, first), *others = refusals
    if plugin.foreign:
        first.add_note(f"(Said by the plugin {plugin}.)")
    for other, error in others:
        first.add_note(f"(The plugin {other} says: {reason(error)})")
    return first
