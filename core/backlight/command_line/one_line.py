"""Texts as one line of a terminal."""


def one_line(*texts: object) -> str:
    """The texts one after the other, every run of white space a space. What would move the cursor, change
    colours or turn the writing round, as names of files may, is written as an escape."""
    joined = " ".join(" ".join(map(str, texts)).split())
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in joined
    )
