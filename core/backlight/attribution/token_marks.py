"""The marks that tokenizers write into tokens: spaces, what goes on with a word, bytes of letters."""

import re
from codecs import getincrementaldecoder
from collections.abc import Mapping, Sequence
from functools import cache

from backlight.attribution.described import NO_WORD

CONTINUES = "##"
"""WordPiece's mark of a token that goes on with the word before it."""

BEGINS = ("\N{LOWER ONE EIGHTH BLOCK}", "\N{LATIN CAPITAL LETTER G WITH DOT ABOVE}")
"""The marks of SentencePiece and of byte-level BPE for a space before a token, and so for a word's
first one."""

LINE = "\N{LATIN CAPITAL LETTER C WITH DOT ABOVE}"
"""Byte-level BPE's mark of a line's end."""

BYTE = re.compile(r"<0x([0-9A-F]{2})>")
"""How SentencePiece writes a byte of a letter that it has no token for."""


def unmarked(
    row: Sequence[str], apart: Sequence[bool], mark: str
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Tokens without marks, and the words that they are of.

    Args:
        row: tokens with marks.
        apart: which of them are of no word.
        mark: what says where words begin; none where marks say where they go on.
    """
    tokens: list[str] = []
    words: list[int] = []
    word, follows = -1, False
    # A letter's bytes may be several tokens: it is then in the last of them.
    letters = getincrementaldecoder("utf-8")("replace")
    for token, alone, ends in zip(row, apart, (*apart[1:], True), strict=True):
        if mark:
            own, continues = token, not token.startswith((*BEGINS, LINE))
        else:
            continues = token.startswith(CONTINUES) and len(token) > len(CONTINUES)
            own = token.removeprefix(CONTINUES) if continues else token
        text = letters.decode(encoded(own, mark), final=alone or ends)
        tokens.append(text.strip(" ") or text)
        word += not alone and not (continues and follows)
        words.append(NO_WORD if alone else word)
        follows = not alone
    return tuple(tokens), tuple(words)


def encoded(token: str, mark: str) -> bytes:
    """A token's text in UTF-8, which may begin or end within a letter.

    Args:
        mark: of spaces in its vocabulary, if there is one: that tells how bytes are written, too.
    """
    sentence_piece, byte_level = BEGINS
    if mark == sentence_piece:
        byte = BYTE.fullmatch(token)
        return bytes.fromhex(byte[1]) if byte else token.replace(mark, " ").encode()
    known = byte_letters()
    if mark == byte_level and all(letter in known for letter in token):
        return bytes(known[letter] for letter in token)
    return token.encode()


@cache
def byte_letters() -> Mapping[str, int]:
    """The letter that byte-level BPE writes for each byte: those of Latin-1 that are seen for themselves,
    and the others from U+0100 on, in order (Radford et al. 2019, the code of GPT-2)."""
    seen = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(0x100) if byte not in seen]
    letters = [*seen, *range(0x100, 0x100 + len(others))]
    return {chr(letter): byte for letter, byte in zip(letters, [*seen, *others], strict=True)}
