"""The result: what it says of itself, and that it survives being written to a file."""

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import array_api_strict as strict
import numpy as np
import pytest

from backlight import Attribution, __version__
from backlight.attribution import COLUMNS, NOTES
from backlight.errors import InputError
from backlight.tree import leaves, names
from backlight_methods import Gradient, IntegratedGradients, Smooth
from tests.reference import ReferenceModel, polynomial

X = np.random.default_rng(0).normal(size=(3, 2))
WEIGHTS = np.random.default_rng(1).normal(size=(3, 2, 2))
MODEL = ReferenceModel(("mix", polynomial(np.eye(2))), ("head", polynomial(*WEIGHTS)))


def made() -> Attribution:
    return IntegratedGradients(steps=4)(MODEL, X, [0, 1, 0])


def test_it_says_what_was_done() -> None:
    found = Smooth(samples=2, seed=7)(MODEL, X, at="mix")
    assert found.method.startswith("Smooth(inner=Gradient(), samples=2, noise=0.15")
    assert found.target.startswith("Class(")
    assert (found.framework, found.framework_version) == ("reference", strict.__version__)
    assert (found.version, found.seed, found.at) == (__version__, 7, "mix")
    assert found.predicted
    assert found.seconds > 0
    assert found.warnings == ()


def test_it_shows_itself_in_a_line() -> None:
    line = repr(replace(made(), gap=np.array([0.0, 0.5, 0.0])))
    for part in ("IntegratedGradients(", " of Class([0, 1, 0])", "values (3, 2)", "reference"):
        assert part in line
    assert (
        f"worst relative gap {replace(made(), gap=np.array([0, 0.5, 0])).relative_gap[1]:.2g}"
        in line
    )
    assert "predicted" not in line
    other = repr(Gradient()(MODEL, X, at="mix"))
    assert "predicted class" in other
    assert "at 'mix'" in other
    assert "gap" not in other


def test_several_values_are_shown_with_all_their_shapes() -> None:
    assert "values (3, 2), (3, 5)" in repr(replace(made(), values=(X, np.zeros((3, 5)))))


@pytest.mark.parametrize(
    ("gap", "score", "baseline", "expected"),
    [
        (0.5, 3.0, 1.0, 0.25),
        (0.5, 1.0, 3.0, 0.25),
        (0.0, 1.0, 1.0, 0.0),
        (0.5, 1.0, 1.0, np.inf),
        (0.0, 2.0, 1.0, 0.0),
    ],
)
def test_the_relative_gap_divides_by_no_zero(
    gap: float, score: float, baseline: float, expected: float
) -> None:
    found = replace(
        made(),
        gap=np.array([gap]),
        score=np.array([score]),
        baseline_score=np.array([baseline]),
    )
    np.testing.assert_allclose(found.relative_gap, [expected], rtol=1e-15, atol=0)


def test_without_a_gap_there_is_no_relative_one() -> None:
    assert Gradient()(MODEL, X, 0).relative_gap is None


def test_it_is_drawn_as_text_where_nothing_can_draw_it(install: Callable) -> None:
    assert made().numpy() is not None
    assert "IntegratedGradients" in made()._repr_html_()


# Saving

VALUES = {
    "one": X,
    "float32": X.astype(np.float32),
    "tuple": (X, np.arange(6.0).reshape(3, 2)),
    "tuple of one": (X,),
    "many": tuple(np.full((3, 1), float(number)) for number in range(12)),
    "dict": {"b": X, "a": np.zeros((3, 4)), "with/slash": X, "file": X, "values/x": X},
    "dict of one": {"x": X},
}


@pytest.mark.parametrize("name", VALUES)
def test_what_is_saved_is_loaded(name: str, tmp_path: Path) -> None:
    saved = replace(made(), values=VALUES[name], warnings=("a", "b"), at="mix", seed=3)
    saved.save(tmp_path / "it.npz")
    loaded = Attribution.load(tmp_path / "it.npz")
    assert type(loaded.values) is type(saved.values)
    assert names(loaded.values) == names(saved.values)
    for one, other in zip(leaves(loaded.values), leaves(saved.values), strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    for column in ("score", "baseline_score", "gap", "classes"):
        np.testing.assert_array_equal(getattr(loaded, column), getattr(saved, column))
        assert getattr(loaded, column).dtype == getattr(saved, column).dtype
    for note in NOTES:
        assert getattr(loaded, note) == getattr(saved, note)
        assert type(getattr(loaded, note)) is type(getattr(saved, note))


def test_what_is_missing_stays_missing(tmp_path: Path) -> None:
    saved = Gradient()(MODEL, X, lambda out, _: out[:, 0])
    saved.save(str(tmp_path / "without suffix"))
    loaded = Attribution.load(str(tmp_path / "without suffix"))
    for column in ("baseline_score", "gap", "classes", "at", "seed"):
        assert getattr(loaded, column) is None


def test_native_values_are_saved_as_numpy(tmp_path: Path) -> None:
    saved = Gradient()(MODEL, strict.asarray(X), 0)
    saved.save(tmp_path / "it.npz")
    loaded = Attribution.load(tmp_path / "it.npz")
    assert type(loaded.values) is np.ndarray
    np.testing.assert_array_equal(loaded.values, saved.numpy())


def test_every_field_is_saved() -> None:
    fields = set(Attribution.__dataclass_fields__)
    assert fields == {*NOTES, "values", *COLUMNS}


def content(**changes: object) -> bytes:
    """A saved file whose notes are changed; None leaves one out."""
    file = io.BytesIO()
    about: dict[str, object] = {"format": 1, "structure": "", **dict.fromkeys(NOTES, "")}
    about.update(changes)
    kept = {name: value for name, value in about.items() if value is not None}
    np.savez(file, about=np.array(json.dumps(kept)), score=np.zeros(3), **{"values/x": X})
    return file.getvalue()


def saved_bytes() -> bytes:
    return content()


def array_bytes() -> bytes:
    file = io.BytesIO()
    np.save(file, X)
    return file.getvalue()


def zip_bytes() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("readme.txt", "not arrays")
    return file.getvalue()


def flipped() -> bytes:
    """A whole zip file, one byte of an array changed: its checksum no longer holds."""
    damaged = bytearray(saved_bytes())
    place = damaged.find(X.tobytes()[:8])
    damaged[place] ^= 0xFF
    return bytes(damaged)


CORRUPT = {
    "empty": lambda: b"",
    "text": lambda: b"hello",
    "cut off": lambda: saved_bytes()[:-40],
    "cut in half": lambda: saved_bytes()[: len(saved_bytes()) // 2],
    "damaged": flipped,
    "another zip file": zip_bytes,
    "a single array": array_bytes,
    "no notes": lambda: content(structure=None),
    "no format": lambda: content(format=None),
    "a note is missing": lambda: content(method=None),
}


@pytest.mark.parametrize("name", CORRUPT)
def test_a_corrupt_file_is_named_in_the_error(name: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.npz"
    path.write_bytes(CORRUPT[name]())
    with pytest.raises(InputError, match=r"broken\.npz is not a saved attribution"):
        Attribution.load(path)


def test_a_file_of_a_later_format_says_so(tmp_path: Path) -> None:
    (tmp_path / "new.npz").write_bytes(content(format=99, version="9.0"))
    with pytest.raises(InputError) as caught:
        Attribution.load(tmp_path / "new.npz")
    for fragment in ("new.npz", "Backlight 9.0 in format 99", __version__, "format 1"):
        assert fragment in str(caught.value)


def test_a_file_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Attribution.load(tmp_path / "nothing.npz")


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
@pytest.mark.parametrize("there_before", [True, False])
def test_an_interrupted_save_leaves_what_was_there(
    error: type[BaseException],
    there_before: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "it.npz"
    if there_before:
        made().save(path)
    before = path.read_bytes() if there_before else None

    def interrupted(file: io.BufferedWriter, **_: object) -> None:
        file.write(b"half of it")
        raise error

    monkeypatch.setattr(np, "savez_compressed", interrupted)
    with pytest.raises(error):
        made().save(path)
    assert [one.name for one in tmp_path.iterdir()] == (["it.npz"] if there_before else [])
    assert before is None or path.read_bytes() == before


def test_saving_again_replaces_the_file_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "it.npz"
    made().save(path)
    Gradient()(MODEL, X, 0).save(path)
    assert Attribution.load(path).method == "Gradient()"
    assert [one.name for one in tmp_path.iterdir()] == ["it.npz"]
