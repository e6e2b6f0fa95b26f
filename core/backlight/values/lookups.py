"""Ids that are given as the vectors which a net looks up for them, so that they can be differentiated."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from typing import cast, final

from backlight.values.arrays import Array, Arrays
from backlight.values.inputs import Inputs, PerExample, unwrapped
from backlight.values.tree import Tree, leaves, rebuild

IDS = "ids of input {}"
"""The name of the extra argument that holds the ids beside their vectors."""


@final
@dataclass(frozen=True)
class Lookup:
    """Where the ids of one input become vectors.

    Attributes:
        position: of the input among the attributed arrays.
        sites: whose values are the vectors, at least one, as there may be several tables: each of shape
            (..., D) for ids (...); or, by column, of ids (N, C), each of shape (N, D) for one column.
        widths: the length D of the vectors at each of the sites.
        columns: which one each of the sites has vectors of; None where each has those of all ids.
    """

    position: int
    sites: tuple[str, ...]
    widths: tuple[int, ...]
    columns: tuple[int, ...] | None = None

    def is_beside(self, other: "Lookup") -> bool:
        """Whether the vectors of both can be side by side."""
        return (self.columns is None) == (other.columns is None)

    def beside(self, other: "Lookup") -> "Lookup":
        """The sites of both, which are of one input, by column or not."""
        columns = None
        if self.columns is not None and other.columns is not None:
            columns = self.columns + other.columns
        return Lookup(self.position, self.sites + other.sites, self.widths + other.widths, columns)

    def parts(self, vectors: Array) -> list[Array]:
        """The vectors at each of the sites, which are side by side on the last axis."""
        found, start = [], 0
        for width in self.widths:
            found.append(vectors[..., start : start + width])
            start += width
        return found

    def summed(self, vectors: Array, arrays: Arrays) -> Array:
        """What belongs to the vectors of each id, summed: shaped like the ids."""
        sums = [arrays.sum(part, axis=-1) for part in self.parts(vectors)]
        if self.columns is None:
            return reduce(add, sums)
        whole = dict[int, Array]()
        for column, one in zip(self.columns, sums, strict=True):
            whole[column] = whole[column] + one if column in whole else one
        return arrays.concat([whole[column][..., None] for column in sorted(whole)], axis=-1)


@final
@dataclass(frozen=True)
class Lookups:
    """The inputs of a net whose ids are given as vectors: a `Lookup` for each of them.

    The others are what they are. `Inputs` with vectors have the structure of those with ids, and the ids
    among the extra arguments: a net may look at them elsewhere, for a mask say.
    """

    each: tuple[Lookup, ...]

    def at(self, position: int) -> Lookup | None:
        """That of the input in this position; None where it holds no ids."""
        return next((one for one in self.each if one.position == position), None)

    def with_more(self, other: Lookup) -> "Lookups":
        """The same with further sites of one input."""
        known = self.at(other.position)
        return self if known is None else self.with_instead(known.beside(other))

    def with_instead(self, other: Lookup) -> "Lookups":
        """The same with other sites of one input."""
        each = (other if one.position == other.position else one for one in self.each)
        return Lookups(tuple(each))

    @property
    def sites(self) -> tuple[str, ...]:
        return tuple(site for one in self.each for site in one.sites)

    def put_in(self, inputs: Inputs, values: Mapping[str, Array], arrays: Arrays) -> Inputs:
        """Inputs with vectors, from those with ids and the values at the sites."""
        attributed, ids = leaves(inputs.attributed), {}
        for one in self.each:
            ids[IDS.format(one.position)] = PerExample(attributed[one.position])
            parts = [values[site] for site in one.sites]
            attributed[one.position] = (
                parts[0] if len(parts) == 1 else arrays.concat(parts, axis=-1)
            )
        tree = rebuild(inputs.attributed, attributed)
        return replace(inputs, attributed=tree, keyword={**inputs.keyword, **ids})

    def without(self, inputs: Inputs) -> Inputs:
        """Inputs with ids, from those with vectors."""
        attributed, keyword = leaves(inputs.attributed), dict(inputs.keyword)
        for one in self.each:
            ids = unwrapped(keyword.pop(IDS.format(one.position)))
            attributed[one.position] = cast(Array, ids)
        tree = rebuild(inputs.attributed, attributed)
        return replace(inputs, attributed=tree, keyword=keyword)

    def values(self, inputs: Inputs) -> dict[str, Array]:
        """The values at the sites, from inputs with vectors."""
        attributed, found = leaves(inputs.attributed), dict[str, Array]()
        for one in self.each:
            found.update(zip(one.sites, one.parts(attributed[one.position]), strict=True))
        return found

    def with_ids(self, inputs: Inputs, position: int, ids: Array) -> Inputs:
        """Inputs with the same vectors and, beside them, other ids of one input."""
        return replace(inputs, keyword={**inputs.keyword, IDS.format(position): PerExample(ids)})

    def summed(self, tree: Tree, arrays: Arrays) -> Tree:
        """What belongs to inputs with vectors, summed over each vector."""
        found = leaves(tree)
        for one in self.each:
            found[one.position] = one.summed(found[one.position], arrays)
        return rebuild(tree, found)
