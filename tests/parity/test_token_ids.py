"""Ids of tokens, without a gradient, explained at their vectors, on each framework, against algebra."""

import torch  # isort: skip  (before TensorFlow: the other order does not load)
import warnings
from typing import Any

import flax.linen
import jax
import jax.numpy as jnp
import keras
import mlx.core as mx
import mlx.nn
import numpy as np
import pytest
import transformers

import backlight
from backlight import Attribution, BacklightWarning
from backlight.errors import CoverageError, HyperParameterError, InputError, InputTypeError
from backlight_methods import Conductance, NeuronConductance

RNG = np.random.default_rng(4)
TABLE, WEIGHT, PLACES = (RNG.normal(size=shape) for shape in ((20, 4), (4, 3), (5, 4)))
IDS = RNG.integers(2, 20, (3, 5))
CLASSES = [0, 1, 2]
WORDS = [f"word{number}" for number in range(20)]


class TorchNet(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = torch.nn.Embedding.from_pretrained(torch.tensor(TABLE))
        self.weight = torch.nn.Parameter(torch.tensor(WEIGHT))

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.table(ids).tanh().sum(1) @ self.weight


def keras_net() -> keras.Model:
    ids = keras.Input((5,), dtype="int32")
    table = keras.layers.Embedding(20, 4, name="table", dtype="float64")
    top = keras.layers.Dense(3, use_bias=False, dtype="float64")
    net = keras.Model(ids, top(keras.ops.sum(keras.ops.tanh(table(ids)), axis=1)))
    table.set_weights([TABLE])
    top.set_weights([WEIGHT])
    return net


class FlaxNet(flax.linen.Module):
    @flax.linen.compact
    def __call__(self, ids: jax.Array) -> jax.Array:
        vectors = flax.linen.Embed(20, 4, name="table", param_dtype=jnp.float64)(ids)
        return jnp.tanh(vectors).sum(1) @ jnp.asarray(WEIGHT)


def jax_function(ids: jax.Array) -> jax.Array:
    with jax.named_scope("table"):
        vectors = jnp.asarray(TABLE)[ids]
    return jnp.tanh(vectors).sum(1) @ jnp.asarray(WEIGHT)


class MLXNet(mlx.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = mlx.nn.Embedding(20, 4)
        self.table.weight = mx.array(TABLE.astype(np.float32))
        self.weight = mx.array(WEIGHT.astype(np.float32))

    def __call__(self, ids: mx.array) -> mx.array:
        return mx.tanh(self.table(ids)).sum(1) @ self.weight


def flax_net() -> Any:
    return FlaxNet(), {"params": {"table": {"embedding": jnp.asarray(TABLE)}}}


NETS = {
    "torch": (TorchNet, IDS, 1e-12),
    "keras": (keras_net, IDS, 1e-12),
    "flax": (flax_net, IDS, 1e-12),
    "jax": (lambda: jax_function, jnp.asarray(IDS), 1e-12),
    "mlx": (MLXNet, mx.array(IDS), 1e-5),
}


@pytest.fixture(autouse=True)
def doubles() -> Any:
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize("name", NETS)
def test_each_token_has_what_its_vector_adds_to_the_score(name: str) -> None:
    make, ids, within = NETS[name]
    found = backlight.explain(make(), ids, CLASSES, "deep_lift", names=WORDS)
    expected = np.einsum("nld,dn->nl", np.tanh(TABLE)[IDS], WEIGHT)
    np.testing.assert_allclose(np.asarray(found.numpy()), expected, atol=within)
    assert found.at is not None
    assert found.at.endswith("table")
    assert (found.gap < within * 100).all()
    (text,) = found.inputs
    assert (text.kind, text.tokens[0]) == ("text", tuple(WORDS[id] for id in IDS[0]))
    np.testing.assert_array_equal(text.given, IDS)


@pytest.mark.parametrize("name", NETS)
def test_layers_behind_them_are_explained_by_moving_their_vectors(name: str) -> None:
    make, ids, within = NETS[name]
    net = make()
    site = backlight.explain(net, ids, CLASSES, "gradient").at
    assert site is not None
    at_layer, at_input = Conductance()(net, ids, CLASSES, at=[site, None])
    ways = np.linspace(0, 1, 51)[:, None, None]  # as the technique looks at it, by trapezoids
    slopes = np.trapezoid(1 - np.tanh(ways * TABLE) ** 2, dx=1 / 50, axis=0)
    expected = np.einsum("nld,dn->nl", (TABLE * slopes)[IDS], WEIGHT)
    np.testing.assert_allclose(np.asarray(at_layer.numpy()).sum(-1), expected, atol=within)
    np.testing.assert_allclose(np.asarray(at_input.numpy()), expected, atol=within)
    some = NeuronConductance(layer=site, index=(..., slice(0, 2)), steps=30)(net, ids, CLASSES)
    of_two = np.einsum("nld,dn->nl", np.tanh(TABLE)[IDS][..., :2], WEIGHT[:2])
    np.testing.assert_allclose(np.asarray(some.numpy()), of_two, atol=within)


class WithPlaces(torch.nn.Module):
    """Vectors with their places' added, before a layer whose sites come first."""

    def __init__(self, masked: bool) -> None:
        super().__init__()
        self.first = torch.nn.Embedding.from_pretrained(torch.tensor(PLACES))
        self.words = torch.nn.Embedding.from_pretrained(torch.tensor(TABLE))
        self.sum = torch.nn.Identity()
        self.masked = masked

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        places = self.first(torch.arange(5).expand_as(ids))
        vectors = self.sum(places + self.words(ids))
        kept = (ids % 2 == 0)[..., None] if self.masked else 1.0
        return (vectors.tanh() * kept).sum(1)


def test_places_are_not_explained() -> None:
    net = WithPlaces(masked=False).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("error", BacklightWarning)
        found = backlight.explain(net, torch.tensor(IDS), CLASSES, "gradient")
    assert found.at == "words"


def test_ids_that_tell_the_score_in_another_way_too_are_told() -> None:
    with pytest.warns(BacklightWarning, match="by another way than 'words' too"):
        backlight.explain(WithPlaces(masked=True).eval(), torch.tensor(IDS), CLASSES, "gradient")


class Single(torch.nn.Module):
    """One id for each example, which tells the score by its number as well."""

    def __init__(self) -> None:
        super().__init__()
        self.words = torch.nn.Embedding.from_pretrained(torch.tensor(TABLE))

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.words(ids) + ids[:, None]


@pytest.mark.parametrize("ids", [[3, 2, 0], [1, 0, 1]])
def test_one_id_alone_that_tells_the_score_in_another_way_too_is_told(ids: list[int]) -> None:
    with pytest.warns(BacklightWarning, match="by another way than 'words' too"):
        found = backlight.explain(Single(), torch.tensor(ids), 1, "integrated_gradients")
    np.testing.assert_allclose(found.values, TABLE[ids, 1])


def test_one_id_throughout_finds_its_vectors_too() -> None:
    found = backlight.explain(TorchNet(), torch.full((2, 5), 3), 0, "gradient")
    assert found.at == "table"


def test_numbers_without_vectors_are_refused() -> None:
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(5, 3))
    with pytest.raises(InputTypeError, match="token ids have no vector each in this net"):
        backlight.explain(lambda ids: net(ids.float()), torch.tensor(IDS), 0, "gradient")


class Tokenizer:
    all_special_ids = (0, 1)

    def convert_ids_to_tokens(self, ids: list[int]) -> list[str]:
        return ["[PAD]" if id == 0 else "[CLS]" if id == 1 else WORDS[id] for id in ids]


def test_hugging_face_models_need_no_adapter() -> None:
    config = transformers.BertConfig(
        vocab_size=20,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=8,
    )
    torch.manual_seed(0)
    net = transformers.BertForSequenceClassification(config).eval()
    ids = torch.tensor([[1, 5, 6, 7, 8], [1, 9, 4, 0, 0]])
    given = transformers.BatchEncoding(
        {
            "input_ids": ids,
            "token_type_ids": torch.zeros_like(ids),
            "attention_mask": (ids > 0).long(),
        }
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", BacklightWarning)
        found = backlight.explain(net, given, 1, steps=64, names=Tokenizer())
    assert found.at == "bert.embeddings.word_embeddings"
    assert found.values.shape == (2, 5)
    assert (found.values[1, 3:] == 0).all()
    assert (found.values[1, :3] != 0).all()
    assert (found.relative_gap < 1e-2).all()
    assert found.inputs[0].tokens[1] == ("[CLS]", "word9", "word4", "[PAD]", "[PAD]")
    assert found.inputs[0].words[1] == (-1, 0, 1, -1, -1)


def test_hugging_face_caches_and_hidden_states_are_no_scores() -> None:
    torch.manual_seed(0)
    size = {"vocab_size": 20, "pad_token_id": 0, "eos_token_id": 2}
    decoder = transformers.GPT2Config(**size, n_embd=8, n_layer=1, n_head=2, n_positions=8)
    both = transformers.BartConfig(
        **size,
        d_model=8,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=8,
        decoder_ffn_dim=8,
    )
    ids = torch.tensor([[5, 6, 7, 8, 2], [9, 4, 2, 0, 0]])
    given = {"input_ids": ids, "attention_mask": (ids > 0).long()}
    for net, vectors in (
        (transformers.GPT2ForSequenceClassification(decoder), "transformer.wte"),
        (transformers.BartForSequenceClassification(both), "model.encoder.embed_tokens"),
    ):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The ids 'input_ids' tell the score by another way")
            found = backlight.explain(net.eval(), given, 1, "deep_lift")
        assert found.at == vectors
        assert (found.values[1, 3:] == 0).all()
        assert (found.gap < 1e-6).all()


def test_ablation_of_ids_names_them_too() -> None:
    found: Attribution[Any] = backlight.explain(
        TorchNet(), torch.tensor(IDS), CLASSES, "feature_ablation", names=WORDS
    )
    assert found.inputs[0].kind == "text"
    assert found.inputs[0].tokens[2][0] == WORDS[IDS[2, 0]]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (WORDS[:4], "There is no token of id"),
        ([["a"] * 4] * 3, "names must have the 5 tokens of each of the 3 examples"),
        (lambda id: None, "There is no token of id"),
    ],
)
def test_a_wrong_vocabulary_is_refused(names: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        backlight.explain(TorchNet(), torch.tensor(IDS), CLASSES, "gradient", names=names)


@pytest.mark.parametrize("name", NETS)
def test_a_token_stands_for_nothing_said(name: str) -> None:
    make, ids, within = NETS[name]
    baseline = backlight.TokenBaseline(1, keep=[int(IDS[0, 0])])
    found = backlight.explain(make(), ids, CLASSES, "deep_lift", baseline=baseline)
    instead = np.where(IDS[0, 0] == IDS, IDS, 1)
    moved = np.tanh(TABLE)[IDS] - np.tanh(TABLE)[instead]
    expected = np.einsum("nld,dn->nl", moved, WEIGHT)
    np.testing.assert_allclose(np.asarray(found.numpy()), expected, atol=within)
    scores = np.einsum("nld,dn->n", np.tanh(TABLE)[instead], WEIGHT)
    np.testing.assert_allclose(found.baseline_score, scores, atol=within * 10)


def test_a_token_stands_for_nothing_said_where_ids_are_hidden() -> None:
    baseline = backlight.TokenBaseline(1)
    found: Attribution[Any] = backlight.explain(
        TorchNet(), torch.tensor(IDS), CLASSES, "shapley_values", baseline=baseline
    )
    moved = np.tanh(TABLE)[IDS] - np.tanh(TABLE)[1]
    np.testing.assert_allclose(found.values, np.einsum("nld,dn->nl", moved, WEIGHT), atol=1e-12)


def test_a_token_is_no_baseline_of_pictures() -> None:
    net = torch.nn.Linear(3, 2)
    with pytest.raises(InputError, match="needs an input of whole numbers, the ids of tokens"):
        backlight.explain(net, torch.ones(2, 3), 0, baseline=backlight.TokenBaseline(1))


@pytest.mark.parametrize("id", [-1, 1.5, True, "pad"])
def test_what_is_no_id(id: Any) -> None:
    with pytest.raises(HyperParameterError, match="a whole number from 0"):
        backlight.TokenBaseline(id)


def test_a_norm_has_no_sign() -> None:
    found: Attribution[Any] = backlight.explain(
        TorchNet(), torch.tensor(IDS), CLASSES, "gradient", at="table"
    )
    lengths = found.by("tokens", how="norm").values
    np.testing.assert_allclose(lengths, np.linalg.norm(found.values, axis=2))


def test_a_decoder_that_reads_what_its_encoder_reads_is_told() -> None:
    config = transformers.T5Config(
        vocab_size=20,
        d_model=8,
        d_kv=4,
        d_ff=9,
        num_layers=1,
        num_heads=2,
        eos_token_id=2,
        pad_token_id=0,
        decoder_start_token_id=0,
    )
    torch.manual_seed(0)
    net = transformers.T5ForSequenceClassification(config).eval()
    ids = torch.tensor([[5, 6, 7, 8, 2], [9, 4, 2, 0, 0]])
    with pytest.warns(BacklightWarning, match="by another way than 'transformer.encoder.embed"):
        found = backlight.explain(
            net, {"input_ids": ids, "attention_mask": (ids > 0).long()}, 1, "deep_lift"
        )
    assert (found.relative_gap < 1e-4).all()
    assert (found.values[1, 3:] == 0).all()
    assert "path='logits'" in found.target


def test_ids_that_are_hidden_are_told_by_their_vectors() -> None:
    found: Attribution[Any] = backlight.explain(
        TorchNet(), torch.tensor(IDS), CLASSES, "feature_ablation"
    )
    assert found.inputs[0].kind == "text"


def test_the_vocabulary_is_that_of_the_ids_among_several_inputs() -> None:
    given = {
        name: keras.Input((5,), dtype="int32", name=name) for name in ("token_ids", "padding_mask")
    }
    vectors = keras.layers.Embedding(20, 4)(given["token_ids"])
    kept = keras.ops.expand_dims(keras.ops.cast(given["padding_mask"], "float32"), 2)
    net = keras.Model(given, keras.layers.Dense(3)(keras.ops.sum(vectors * kept, axis=1)))
    x = {"token_ids": IDS.astype("int32"), "padding_mask": np.ones_like(IDS, dtype="int32")}
    for method in ("gradient", "feature_ablation"):
        found: Attribution[Any] = backlight.explain(net, x, CLASSES, method, names=WORDS)
        assert found.inputs[0].tokens[1] == tuple(WORDS[id] for id in IDS[1])


@pytest.mark.parametrize("method", ["conductance", "internal_influence"])
def test_ids_without_vectors_do_not_move_in_small_steps(method: str) -> None:
    net = torch.nn.Sequential(torch.nn.EmbeddingBag(20, 4), torch.nn.Tanh())
    with pytest.raises(CoverageError, match=r"hold whole numbers, and \w+ moves the input"):
        backlight.explain(net, torch.tensor(IDS), CLASSES, method, at="0")
