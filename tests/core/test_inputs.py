"""Trees of arrays, and what models take as inputs."""

import array_api_strict as strict
import numpy as np
import pytest

from backlight import Class, Inputs, Shared
from backlight.errors import (
    HyperParameterError,
    InputError,
    InputTypeError,
    ModelError,
    UnknownNameError,
)
from backlight.explaining.objective import Objective, default_batch_size
from backlight.explaining.rows import take_rows
from backlight.explaining.targets import numbers_in
from backlight.values.inputs import PerExample
from backlight.values.tree import (
    concat,
    leaves,
    map_leaves,
    map_nested,
    names,
    rebuild,
    sum_per_example,
)
from backlight_methods import Gradient, IntegratedGradients, Occlusion
from tests.reference import ReferenceModel, polynomial

A, B = np.arange(6.0).reshape(2, 3), np.arange(4.0).reshape(2, 2)
TREES = [A, (A, B), {"a": A, "b": B}]
MODEL = ReferenceModel(("mix", polynomial(np.eye(3))), ("head", polynomial(np.eye(3))))


# Trees


@pytest.mark.parametrize(
    ("tree", "known"), list(zip(TREES, (["x"], ["0", "1"], ["a", "b"]), strict=True))
)
def test_leaves_have_names_and_go_back_in_place(tree: object, known: list[str]) -> None:
    assert names(tree) == known
    doubled = map_leaves(lambda leaf: 2 * leaf, tree)
    assert type(doubled) is type(tree)
    assert names(doubled) == known
    for one, other in zip(leaves(tree), leaves(doubled), strict=True):
        np.testing.assert_array_equal(other, 2 * one)
    again = rebuild(tree, leaves(tree))
    assert all(x is y for x, y in zip(leaves(again), leaves(tree), strict=True))


def test_trees_of_other_structure_do_not_mix() -> None:
    with pytest.raises(ValueError, match="zip"):
        map_leaves(lambda a, b: a + b, (A, B), (A,))
    with pytest.raises(ValueError, match="unpack"):
        rebuild(A, [A, B])


@pytest.mark.parametrize("tree", TREES)
def test_trees_join_and_sum_per_example(tree: object) -> None:
    native = map_leaves(strict.asarray, tree)
    joined = concat([native, native], strict)
    for one, other in zip(leaves(joined), leaves(tree), strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.concatenate([other, other]))
    assert concat([native], strict) is native
    total = sum(leaf.sum(1) for leaf in leaves(tree))
    np.testing.assert_array_equal(np.asarray(sum_per_example(native, strict)), total)


def test_nested_outputs_are_mapped_with_lists_as_tuples() -> None:
    found = map_nested(lambda leaf: leaf + 1, {"a": [1, (2, {"b": 3})]})
    assert found == {"a": (2, (3, {"b": 4}))}


# Preparing


@pytest.mark.parametrize("tree", TREES)
def test_numpy_is_converted_once_and_native_arrays_stay(tree: object) -> None:
    found = MODEL.prepare(tree)
    assert found.count == 2
    assert all(MODEL.owns(leaf) for leaf in leaves(found.attributed))
    again = MODEL.prepare(found.attributed)
    for one, other in zip(leaves(found.attributed), leaves(again.attributed), strict=True):
        assert one is other
    assert MODEL.prepare(found) is found


@pytest.mark.parametrize(
    ("x", "error", "fragments"),
    [
        ([[1.0, 2.0]], InputTypeError, ["reference model", "builtins.list", "NumPy arrays"]),
        ("text", InputTypeError, ["builtins.str"]),
        (None, InputTypeError, ["builtins.NoneType"]),
        ((A, [1.0]), InputTypeError, ["builtins.list"]),
        (np.float64(3.0), InputError, ["batch axis first", "()", "x[None]"]),
        (np.zeros((0, 3)), InputError, ["at least 1", "(0, 3)"]),
        ((A, np.zeros((3, 2))), InputError, ["same number of examples", "(2, 3)", "(3, 2)"]),
        ({"a": A, "b": np.zeros(())}, InputError, ["()"]),
        ((), InputError, ["got shapes []"]),
    ],
)
def test_inputs_that_cannot_be_are_refused(
    x: object, error: type[Exception], fragments: list[str]
) -> None:
    with pytest.raises(error) as caught:
        Gradient()(MODEL, x, 0)
    for fragment in fragments:
        assert fragment in str(caught.value)


def embedded(ids, x):
    table = strict.asarray(np.random.default_rng(0).normal(size=(5, 2)))
    picked = strict.take(table, strict.reshape(ids, (-1,)), axis=0)
    return strict.reshape(picked, (*ids.shape, 2))


TEXT = ReferenceModel(("embed", embedded), ("head", polynomial(np.ones((6, 2)))))


def test_what_is_no_real_number_is_called_what_it_is() -> None:
    given = {"ids": np.ones((1, 3), "complex128"), "x": np.zeros((1, 3))}
    with pytest.raises(InputTypeError, match=r"\['ids'\] hold complex numbers\. .* two inputs"):
        Gradient()(TEXT, given, 0)
    assert numbers_in(np.ones(3, bool)) == "truths"
    assert numbers_in(np.ones(3, "uint8")) == "integers"


@pytest.mark.parametrize("technique", [Gradient(), IntegratedGradients()])
def test_integers_have_no_gradient(technique: object) -> None:
    with pytest.raises(InputTypeError) as caught:
        technique(TEXT, {"ids": np.array([[1, 2, 0]]), "x": np.zeros((1, 3))}, 0)
    assert "Inputs ['ids'] hold integers" in str(caught.value)
    assert "attribute at the embedding: at='embed'." in str(caught.value)
    found = technique(TEXT, {"ids": np.array([[1, 2, 0]]), "x": np.zeros((1, 3))}, 0, at="embed")
    assert np.shape(found.values) == (1, 3, 2)


def test_occlusion_needs_no_gradient_and_covers_integers() -> None:
    """Token ids with the padding token as the baseline."""
    table = np.random.default_rng(0).normal(size=(5, 2))

    def embed(ids):
        picked = strict.take(strict.asarray(table), strict.reshape(ids, (-1,)), axis=0)
        return strict.sum(strict.reshape(picked, (*ids.shape, 2)), axis=1)

    ids = np.array([[1, 4, 3], [2, 2, 0]])
    for start in (0, 0.0, np.zeros(3), np.zeros((2, 3), np.int8)):
        found = Occlusion(baseline=start)(ReferenceModel(("head", embed)), ids, 1)
        np.testing.assert_allclose(
            found.values, table[ids, 1] - table[0, 1], rtol=1e-12, atol=1e-12
        )
    default = Occlusion()(ReferenceModel(("head", embed)), ids, 1)
    np.testing.assert_array_equal(default.values, found.values)


@pytest.mark.parametrize(
    ("dtype", "baseline", "shown"),
    [
        (np.int64, 0.5, "0.5"),
        (np.uint8, -1, "-1"),
        (np.uint8, 256, "256"),
        (np.int32, 2.5, "2.5"),
    ],
)
def test_a_baseline_of_integers_is_of_whole_numbers(
    dtype: type, baseline: object, shown: str
) -> None:
    ids = np.array([[1, 4, 3]], dtype)
    with pytest.raises(InputError) as caught:
        Occlusion(baseline=baseline)(TEXT, {"ids": ids, "x": np.zeros((1, 3))}, 1)
    assert np.dtype(dtype).name in str(caught.value)
    assert f"got {shown}." in str(caught.value)
    assert "the id of the padding" in str(caught.value)


@pytest.mark.parametrize("batch_size", [0, -1])
def test_a_batch_size_is_at_least_1(batch_size: int) -> None:
    with pytest.raises(
        HyperParameterError, match=f"batch_size must be at least 1, got {batch_size}"
    ):
        Gradient()(MODEL, A, 0, batch_size=batch_size)


def test_an_unknown_site_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError) as caught:
        Gradient()(MODEL, A, 0, at="mixx")
    assert "Unknown site 'mixx'. Nearest: mix. Known: mix, head." in str(caught.value)
    assert isinstance(caught.value, LookupError)


# Extra arguments


def test_extra_arguments_are_told_apart_by_their_rows() -> None:
    extra = (np.ones((2, 4)), np.ones(5), Shared(np.ones((2, 4))), "word", None, np.ones(()))
    found = MODEL.prepare(A, extra)
    kinds = [type(value).__name__ for value in found.positional]
    assert kinds == ["PerExample", "Array", "Shared", "str", "NoneType", "Array"]
    arguments, keyword = found.arguments()
    assert len(arguments) == 7
    assert not any(isinstance(value, (PerExample, Shared)) for value in arguments)
    assert all(MODEL.owns(arguments[position]) for position in (1, 2, 3, 6))
    assert keyword == {}


@pytest.mark.parametrize(
    ("x", "positional", "keyword"),
    [
        (A, 2, {"b"}),
        ((A, B), 3, {"b"}),
        ({"x": A, "y": B}, 1, {"x", "y", "b"}),
    ],
)
def test_how_arguments_reach_the_model(x: object, positional: int, keyword: set[str]) -> None:
    found = Inputs(x, (1,), {"b": 2})
    arguments, by_name = found.arguments()
    assert len(arguments) == positional
    assert set(by_name) == keyword


@pytest.mark.parametrize("rows", [[0, 1, 2], [1], [1, 2], [2, 0], [0, 0, 2]])
def test_rows_are_taken_of_all_that_has_rows(rows: list[int]) -> None:
    x, mask, table = np.arange(6.0).reshape(3, 2), np.arange(3), np.arange(3.0)
    inputs = MODEL.prepare({"x": x}, {"mask": mask, "table": Shared(table), "n": 3})
    _, found = take_rows(MODEL, inputs, np.array(rows)).arguments()
    np.testing.assert_array_equal(np.asarray(found["x"]), x[rows])
    np.testing.assert_array_equal(np.asarray(found["mask"]), mask[rows])
    np.testing.assert_array_equal(np.asarray(found["table"]), table)
    assert found["n"] == 3


def masked(x, mask):
    return x * strict.astype(mask, strict.float64)


MASK = np.array([[1, 0, 1], [0, 1, 1]])


@pytest.mark.filterwarnings("ignore:Every value is exactly 0")
@pytest.mark.parametrize("batch_size", [1, 2])
def test_inputs_and_extra_together_are_not_ignored(batch_size: int) -> None:
    """An `Inputs` that was prepared, and extra arguments beside it."""
    model = ReferenceModel(("head", masked))
    prepared = model.prepare(A)
    found = Gradient()(model, prepared, 0, extra=(MASK,), batch_size=batch_size)
    np.testing.assert_allclose(np.asarray(found.values)[:, 0], MASK[:, 0], rtol=1e-8, atol=1e-9)


@pytest.mark.filterwarnings("ignore:Every value is exactly 0")
@pytest.mark.parametrize("batch_size", [1, 2])
def test_inputs_made_by_the_user_are_cut_into_blocks_with_their_extras(batch_size: int) -> None:
    model = ReferenceModel(("head", masked))
    inputs = Inputs(strict.asarray(A), (strict.asarray(MASK),))
    found = Gradient()(model, inputs, 0, batch_size=batch_size)
    np.testing.assert_allclose(np.asarray(found.values)[:, 0], MASK[:, 0], rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((9, 3), 256), ((9, 3, 224, 224), 13), ((9, 3, 4000, 4000), 1), ((9,), 256)],
)
def test_the_default_batch_size_shrinks_with_the_inputs(shape: tuple, expected: int) -> None:
    x = np.broadcast_to(np.float32(0), shape)
    assert default_batch_size(Inputs(x)) == expected


def test_the_default_batch_size_counts_all_inputs() -> None:
    x = np.broadcast_to(np.float32(0), (9, 3, 224, 224))
    assert default_batch_size(Inputs((x, x))) == 6


def test_each_error_is_also_a_builtin_one() -> None:
    pairs = {
        InputError: ValueError,
        InputTypeError: TypeError,
        HyperParameterError: ValueError,
        UnknownNameError: LookupError,
        ModelError: RuntimeError,
    }
    for error, builtin in pairs.items():
        assert issubclass(error, builtin)


@pytest.mark.parametrize(
    ("count", "samples", "lengths"),
    [
        (1, 50, [50]),
        (7, 50, [25, 25]),  # at most 36
        (32, 50, [5] * 10),  # at most 8: 7 ranges would be of two lengths
        (16, 53, [13, 13, 13, 14]),  # 53 is prime
        (300, 3, [1, 1, 1]),
    ],
)
def test_samples_are_sent_in_equal_ranges_where_few_more_allow_it(
    count: int, samples: int, lengths: list[int]
) -> None:
    inputs = MODEL.prepare(strict.ones((count, 3)))
    score = Class(0).bind(MODEL.outputs(inputs), count)
    objective = Objective(MODEL, inputs, score, None, 256, np.arange(count), count)
    ranges = list(objective.chunks(samples))
    assert [len(each) for each in ranges] == lengths
    assert [sample for each in ranges for sample in each] == list(range(samples))
