"""The baseline of a text: another token in the place of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from backlight.by_value import ByValue
from backlight.errors import is_whole, require


@final
@dataclass(frozen=True)
class TokenBaseline(ByValue):
    """A token that stands for "nothing said" in the place of each: padding, a mask, the unknown one.

    Where ids are explained at their vectors, it is the vector that it has there.

    Args:
        id: of the token, from 0.
        keep: ids that stay as they are, such as those of special tokens: what is the same in an example
            and its baseline is given no part of the score.

    >>> baseline = TokenBaseline(tokenizer.pad_token_id, keep=tokenizer.all_special_ids)
    >>> backlight.explain(net, tokenizer(texts, return_tensors="pt"), 1, baseline=baseline)
    """

    id: int
    keep: Sequence[int] = ()

    def __post_init__(self) -> None:
        require(is_whole(self.id) and self.id >= 0, self, "id", "a whole number from 0")
        require(all(map(is_whole, self.keep)), self, "keep", "a list of ids")
