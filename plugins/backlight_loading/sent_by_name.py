"""What a pickle ships by its name, to be loaded where it is needed."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar


class SentByName(ABC):
    """What holds a thing of the user's, which may have a name: a pickle ships that in its place.

    Implementations are frozen dataclasses.
    """

    name: str | None
    """Of the thing; None where it has none, and is sent itself."""
    held: ClassVar[str]
    """The field that holds it."""

    @staticmethod
    @abstractmethod
    def load(name: str, /) -> object:
        """The thing of this name."""

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) if self.name is None else {**vars(self), self.held: None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        if self.name is not None:
            vars(self)[self.held] = self.load(self.name)
