"""Sources that give what another one has."""

from abc import ABC

from backlight.values.layout import InputKind
from backlight_datasets.source import Source


class Derived(Source, ABC):
    """Candidates of another source, which are labelled and called as they are there."""

    def __init__(self, source: Source) -> None:
        """
        Args:
            source: they are read from it.
        """
        self._source = source

    @property
    def classes(self) -> tuple[str, ...]:
        return self._source.classes

    @property
    def labelled(self) -> bool:
        return self._source.labelled

    @property
    def kind(self) -> InputKind | None:
        return self._source.kind

    @property
    def features(self) -> tuple[str, ...]:
        return self._source.features
