"""The result: what it says of itself, and that it survives being written to a file."""

import io
import json
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import array_api_strict as strict
import ml_dtypes
import numpy as np
import pytest
import torch

import backlight
from backlight import Attribution, Method, __version__
from backlight.attribution.saving import COLUMNS, NOTES, TREES
from backlight.errors import InputError
from backlight.values.layout import Layout
from backlight.values.tree import leaves, map_leaves, names
from backlight_methods import GradCAM, Gradient, IntegratedGradients, Saliency, Smooth
from tests.reference import ReferenceModel, places_by_shapes, polynomial

X = np.random.default_rng(0).normal(size=(3, 2))
WEIGHTS = np.random.default_rng(1).normal(size=(3, 2, 2))
MODEL = ReferenceModel(("mix", polynomial(np.eye(2))), ("head", polynomial(*WEIGHTS)))


def made() -> Attribution:
    return IntegratedGradients(steps=4)(MODEL, X, [0, 1, 0])


def test_it_says_what_was_done() -> None:
    found = Smooth(samples=2, seed=7)(MODEL, X, at="mix")
    assert found.method.startswith("Smooth(inner=Gradient(), samples=2, noise=0.15, ")
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
    saved = replace(
        made(),
        values=VALUES[name],
        warnings=("a", "b"),
        at="mix",
        seed=3,
        error=np.array([0.0, 0.5, np.inf]),
        standard_error=None if name == "one" else VALUES[name],
        standard_error_of_sum=np.array([0.0, 0.25, 1e300]),
        r_squared=np.array([-0.5, 0.25, 1.0]),
        each=None if name == "one" else map_leaves(lambda x: np.stack([x, -x]), VALUES[name]),
    )
    saved.save(tmp_path / "it.npz")
    loaded = Attribution.load(tmp_path / "it.npz")
    check_equal(loaded, saved)


def check_equal(loaded: Attribution, saved: Attribution) -> None:
    assert type(loaded.values) is type(saved.values)
    assert names(loaded.values) == names(saved.values)
    for one, other in zip(leaves(loaded.values), leaves(saved.values), strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    for name in TREES:
        ours, theirs = getattr(loaded, name), getattr(saved, name)
        assert (ours is None) == (theirs is None)
        if theirs is not None:
            assert names(ours) == names(theirs)
            for one, other in zip(leaves(ours), leaves(theirs), strict=True):
                np.testing.assert_array_equal(one, other)
    for name in COLUMNS:
        one, other = getattr(loaded, name), getattr(saved, name)
        np.testing.assert_array_equal(one, other)
        assert getattr(one, "dtype", None) == getattr(other, "dtype", None)
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


@pytest.mark.parametrize("native", ["numpy", "torch"])
def test_bfloat16_which_numpy_does_not_have_is_saved_as_float32(
    native: str, tmp_path: Path
) -> None:
    rounded = X.astype(ml_dtypes.bfloat16)  # the type that JAX's and TensorFlow's arrays turn into
    values = rounded if native == "numpy" else torch.tensor(X).to(torch.bfloat16)
    replace(made(), values=values).save(tmp_path / "it.npz")
    loaded = Attribution.load(tmp_path / "it.npz")
    assert loaded.values.dtype == np.float32
    np.testing.assert_array_equal(loaded.values, rounded.astype(np.float32))


def test_a_seed_may_be_numpys(tmp_path: Path) -> None:
    Smooth(samples=2, seed=np.int64(7))(MODEL, X, 0).save(tmp_path / "it.npz")
    assert Attribution.load(tmp_path / "it.npz").seed == 7


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"There is no folder .*nowhere to write it\.npz into"
    ):
        made().save(tmp_path / "nowhere" / "it.npz")


def test_every_field_is_saved() -> None:
    found = {field.name for field in fields(Attribution)}
    assert found == {*NOTES, *COLUMNS, *TREES, "values"}


ABOUT = {
    "format": 1,
    "structure": "",
    "method": "Gradient()",
    "target": "Class(0)",
    "predicted": False,
    "at": None,
    "seed": None,
    "framework": "reference",
    "framework_version": "1",
    "warnings": [],
    "seconds": 0.5,
    "version": "0.1.0",
}
"""What the first files said of the whole; later ones list their arrays as well."""

ARRAYS = {"score": np.zeros(3), "classes": np.zeros(3, np.int64), "values/x": X}


def content(arrays: dict[str, object] | None = None, **changes: object) -> bytes:
    """A saved file with some notes and arrays changed; None leaves one out."""
    file = io.BytesIO()
    about = {key: value for key, value in (ABOUT | changes).items() if value is not ...}
    whole = {"about": np.array(json.dumps(about)), **ARRAYS, **(arrays or {})}
    np.savez(file, **{key: value for key, value in whole.items() if value is not None})
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


def twice() -> bytes:
    file = io.BytesIO(content())
    with zipfile.ZipFile(file, "a") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile's own, over a name that is there already
        archive.writestr("score.npy", archive.read("score.npy"))
    return file.getvalue()


def packed(method: int) -> bytes:
    """A file compressed in another way, its first member damaged in the middle."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content())) as whole, zipfile.ZipFile(file, "w", method) as one:
        for name in whole.namelist():
            one.writestr(name, whole.read(name))
        middle = one.infolist()[0].compress_size // 2
    damaged = bytearray(file.getvalue())
    damaged[middle : middle + 40] = bytes(40)
    return bytes(damaged)


def of_method(method: int) -> bytes:
    """A file that says of its first member that it is compressed in another way than it is."""
    damaged = bytearray(content())
    damaged[damaged.find(b"PK\x01\x02") + 10] = method
    return bytes(damaged)


def longer() -> bytes:
    """A file in which something stands behind an array."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content())) as whole, zipfile.ZipFile(file, "w") as one:
        for name in whole.namelist():
            one.writestr(name, whole.read(name) + (b"more" if name == "score.npy" else b""))
    return file.getvalue()


CORRUPT = {
    "empty": (lambda: b"", "not a zip file"),
    "text": (lambda: b"hello", "not a zip file"),
    "cut off": (lambda: saved_bytes()[:-40], ""),
    "cut in half": (lambda: saved_bytes()[: len(saved_bytes()) // 2], "not a zip file"),
    "damaged": (flipped, "CRC"),
    "deflated": (lambda: packed(zipfile.ZIP_DEFLATED), ""),
    "bzip2": (lambda: packed(zipfile.ZIP_BZIP2), "Error"),
    "lzma": (lambda: packed(zipfile.ZIP_LZMA), "Error"),
    "not bzip2": (lambda: of_method(zipfile.ZIP_BZIP2), "OSError"),
    "not lzma": (lambda: of_method(zipfile.ZIP_LZMA), ""),
    "unknown compression": (lambda: of_method(77), "NotImplementedError"),
    "another zip file": (zip_bytes, "magic"),
    "a name twice": (twice, "it has 'score' twice"),
    "more than an array": (longer, "there is more than one array in 'score'"),
    "grid of texts": (lambda: content(grid=["7", "7"]), "grid must be a list of whole numbers"),
    "a single array": (array_bytes, "not a zip file"),
    "no notes": (lambda: content({"about": None}), "it has no notes"),
    "notes are a number": (lambda: content({"about": 3}), "its notes name no format"),
    "notes are no JSON": (lambda: content({"about": "{"}), "JSONDecodeError"),
    "deep notes": (lambda: content({"about": "[" * 99_999}), "RecursionError"),
    "no structure": (lambda: content(structure=...), "structure None"),
    "unknown structure": (
        lambda: content(structure="list"),
        "1 values are not of a structure 'list'",
    ),
    "structure without values": (lambda: content({"values/x": None}), "its 0 values are not"),
    "two values in one array": (
        lambda: content({"values/y": X}),
        "2 values are not of a structure ''",
    ),
    "no format": (lambda: content(format=...), "no format"),
    "format -1": (lambda: content(format=-1), "no format"),
    "format NaN": (lambda: content(format=float("nan")), "no format"),
    "format 1.5": (lambda: content(format=1.5), "no format"),
    "format true": (lambda: content(format=True), "no format"),
    "no score": (lambda: content({"score": None}), "it has no score"),
    "no examples": (lambda: content({"score": np.zeros(0)}), "score must be some numbers"),
    "score is one number": (lambda: content({"score": 3.0}), "score must be 1 numbers"),
    "score is text": (lambda: content({"score": np.array(["a"] * 3)}), "dtype <U1"),
    "score is NaN": (lambda: content({"score": np.array([0, np.nan, 0])}), "score must be no NaN"),
    "gap is negative": (lambda: content({"gap": -np.ones(3)}), "gap must be at least 0"),
    "gap is NaN": (lambda: content({"gap": np.full(3, np.nan)}), "gap must be at least 0"),
    "error is negative": (lambda: content({"error": -np.ones(3)}), "error must be at least 0"),
    "classes are negative": (lambda: content({"classes": -np.ones(3, int)}), "classes must be"),
    "classes are floats": (lambda: content({"classes": np.zeros(3)}), "classes must be 3 numbers"),
    "lengths disagree": (lambda: content({"gap": np.zeros(2)}), "gap must be 3 numbers"),
    "rows disagree": (
        lambda: content({"values/x": X[:2]}),
        "values x must be numbers for 3 examples",
    ),
    "values are text": (lambda: content({"values/x": np.array(["a"] * 3)}), "dtype <U1"),
    "values are one number": (lambda: content({"values/x": 3.0}), "shape ()"),
    "values are NaN": (lambda: content({"values/x": X * np.nan}), "values x must be finite"),
    "values are objects": (lambda: content({"values/x": np.array([None] * 3)}), "Object arrays"),
    "warnings are a text": (
        lambda: content(warnings="ab"),
        "warnings must be a list of texts, got 'ab'",
    ),
    "warnings are numbers": (lambda: content(warnings=[1]), "warnings must be a list of texts"),
    "seconds are negative": (
        lambda: content(seconds=-1),
        "seconds must be a number from 0, got -1",
    ),
    "seconds are NaN": (lambda: content(seconds=float("nan")), "seconds must be a number from 0"),
    "predicted is a text": (lambda: content(predicted="no"), "predicted must be true or false"),
    "seed is a text": (lambda: content(seed="1"), "seed must be a whole number or null"),
    "at is a number": (lambda: content(at=1), "at must be a text or null"),
    **{
        f"{name} is missing": (lambda name=name: content(**{name: ...}), f"its {name} must be")
        for name, note in NOTES.items()
        if note.before is ...
    },
}


@pytest.mark.parametrize("name", CORRUPT)
def test_a_corrupt_file_is_named_in_the_error(name: str, tmp_path: Path) -> None:
    make, why = CORRUPT[name]
    path = tmp_path / "broken.npz"
    path.write_bytes(make())
    with pytest.raises(InputError, match=r"broken\.npz is not a saved attribution: ") as caught:
        Attribution.load(path)
    assert why in str(caught.value)
    assert len(str(caught.value)) < 400 + len(str(path))


def test_a_file_of_the_first_version_is_read(tmp_path: Path) -> None:
    (tmp_path / "old.npz").write_bytes(content())
    loaded = Attribution.load(tmp_path / "old.npz")
    assert (loaded.error, loaded.standard_error_of_sum, loaded.gap) == (None, None, None)
    np.testing.assert_array_equal(loaded.values, X)


def test_what_the_first_files_called_the_standard_error_is_that_of_the_sum(tmp_path: Path) -> None:
    (tmp_path / "old.npz").write_bytes(content({"standard_error": np.array([0.5, 0.0, 2.0])}))
    loaded = Attribution.load(tmp_path / "old.npz")
    np.testing.assert_array_equal(loaded.standard_error_of_sum, [0.5, 0.0, 2.0])
    assert loaded.standard_error is None


@pytest.mark.parametrize("lost", ["gap", "values/x", "classes"])
def test_an_array_that_is_lost_is_missed(lost: str, tmp_path: Path) -> None:
    made().save(tmp_path / "it.npz")
    less = tmp_path / "less.npz"
    with zipfile.ZipFile(tmp_path / "it.npz") as whole, zipfile.ZipFile(less, "w") as archive:
        for name in whole.namelist():
            if name != f"{lost}.npy":
                archive.writestr(name, whole.read(name))
    with pytest.raises(InputError, match=f"it lacks {lost}"):
        Attribution.load(less)


def test_any_byte_changed_and_any_end_cut_off_is_seen_or_harmless(tmp_path: Path) -> None:
    saved = replace(made(), values=(X, np.arange(6.0).reshape(3, 2)), warnings=("a",))
    path = tmp_path / "it.npz"
    saved.save(path)
    whole = path.read_bytes()
    directory = whole.find(b"PK\x01\x02")  # which no checksum protects: every byte of it is tried
    random = np.random.default_rng(0)
    damaged = [whole[:end] for end in range(0, len(whole), 16)]
    for place in (*range(0, directory, 16), *range(directory, len(whole))):
        changed = bytearray(whole)
        changed[place] ^= random.integers(1, 256)
        damaged.append(bytes(changed))
    seen = 0
    for content in damaged:
        path.write_bytes(content)
        try:
            loaded = Attribution.load(path)
        except InputError:
            seen += 1
        else:
            check_equal(loaded, saved)
    assert seen > len(damaged) / 2


def test_what_cannot_be_opened_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a saved attribution: IsADirectoryError"):
        Attribution.load(tmp_path)


def test_a_file_of_a_later_format_says_so(tmp_path: Path) -> None:
    (tmp_path / "new.npz").write_bytes(content(format=99, version="9.0"))
    with pytest.raises(InputError) as caught:
        Attribution.load(tmp_path / "new.npz")
    for fragment in ("new.npz", "Backlight '9.0' in format 99", __version__, "format 2"):
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


# Where the values have their channels, and what the classes are called


def half(x):
    """(N, C, H, W) with both sides halved by picking."""
    return x[:, :, ::2, ::2]


PICTURES = ReferenceModel(
    ("double", lambda x: strict.concat([x, 2 * x], axis=1)),
    ("half", half),
    ("head", polynomial(np.random.default_rng(2).normal(size=(24, 2)))),
)


@places_by_shapes
@pytest.mark.parametrize(
    ("technique", "at", "layout", "shape"),
    [
        (Gradient(), None, Layout(1, (4, 4)), (2, 3, 4, 4)),
        (Gradient(), "half", Layout(1, (2, 2)), (2, 6, 2, 2)),
        (Saliency(channels="max"), None, Layout(None, (4, 4)), (2, 4, 4)),
        (Saliency(channels="max"), "half", Layout(None, (2, 2)), (2, 2, 2)),
        (GradCAM(), None, Layout(None, (4, 4)), (2, 4, 4)),
        (GradCAM(upsample="none"), "half", Layout(None, (2, 2)), (2, 2, 2)),
        (Gradient(), "head", None, (2, 2)),
    ],
)
def test_it_knows_where_its_values_have_their_channels(
    technique: Method, at: str | None, layout: Layout | None, shape: tuple[int, ...], tmp_path: Path
) -> None:
    x = np.random.default_rng(3).normal(size=(2, 3, 4, 4))
    found = technique(PICTURES, x, 1, at=at, class_names=["cat", "dog"])
    assert found.values.shape == shape
    assert found.layouts == (layout,)
    assert found.class_names == ("cat", "dog")
    found.save(tmp_path / "a.npz")
    again = Attribution.load(tmp_path / "a.npz")
    assert (again.layouts, again.class_names) == (found.layouts, found.class_names)


def test_each_of_several_inputs_has_a_layout() -> None:
    weight = np.random.default_rng(4).normal(size=(16, 2))
    net = ReferenceModel(("head", lambda a, b: polynomial(weight)(a) * strict.sum(b)))
    x = (np.ones((2, 1, 4, 4)), np.ones((2, 3)))
    assert Gradient()(net, x, 1).layouts == (Layout(1, (4, 4)), None)


def test_a_layout_that_is_a_guess_is_not_known() -> None:
    net = ReferenceModel(("head", polynomial(np.ones((30, 2)))))
    x = np.ones((2, 5, 6))
    assert Gradient()(net, x, 1).layouts == (None,)
    net.declared_channels = "none"
    assert Gradient()(net, x, 1).layouts == (Layout(None, (5, 6)),)


def test_a_file_of_an_earlier_version_has_no_layout(tmp_path: Path) -> None:
    made().save(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as file:
        stored = dict(file)
    about = json.loads(str(stored["about"]))
    for name in ("layouts", "class_names"):
        del about[name]
    np.savez(tmp_path / "b.npz", **{**stored, "about": np.array(json.dumps(about))})
    found = Attribution.load(tmp_path / "b.npz")
    assert (found.layouts, found.class_names) == ((), None)


@pytest.mark.parametrize(
    ("names", "fragment"),
    [(["cat"], "1 class_names, but class 1"), ("cat", "a list of texts"), ([1, 2], "[1, 2]")],
)
def test_class_names_are_one_for_each_class(names: object, fragment: str) -> None:
    with pytest.raises(InputError) as caught:
        Gradient()(MODEL, X, 1, class_names=names)
    assert fragment in str(caught.value)


def test_explain_passes_class_names_on() -> None:
    found = backlight.explain(MODEL, X, 1, method="gradient", class_names=("cat", "dog"))
    assert found.class_names == ("cat", "dog")
