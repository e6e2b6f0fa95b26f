"""The JAX backend: sites."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.ad_checkpoint import checkpoint_name

from backlight import (
    Neuron,
)
from backlight.errors import SiteError, UnknownNameError
from backlight.explaining.objective import Objective
from backlight.explaining.spatial import last_feature_map
from backlight.values.outputs import OutputSpec
from tests.backends.jax.model.nets import (
    KERNELS,
    SKIP,
    A,
    B,
    bound,
    conv,
    differences,
    max_pool,
    names,
    normal,
    of,
    small_cnn,
    two_layers,
    wrap,
)


def test_gradient_at_a_site_in_closed_form(double: None) -> None:
    x, k = normal(4, 5), np.array([0, 3, 1, 1])
    model = wrap(two_layers)
    score, h = bound(model, x, k), np.tanh(x @ A)
    found = model.gradient(x, score, at="hidden")
    np.testing.assert_allclose(found.value, h, rtol=1e-12)
    np.testing.assert_allclose(model.activation(x, "hidden"), h, rtol=1e-12)
    np.testing.assert_allclose(found.gradient, 2 * h * B[:, k].T, rtol=1e-12)
    np.testing.assert_allclose(found.score, model.score(x, score), rtol=1e-12)

    moved = normal(4, 6, seed=8)
    there = model.gradient(x, score, at="hidden", value=moved)
    expected = (moved**2 @ B + x @ SKIP)[np.arange(4), k]
    np.testing.assert_allclose(there.value, moved)
    np.testing.assert_allclose(there.gradient, 2 * moved * B[:, k].T, rtol=1e-12)
    np.testing.assert_allclose(there.score, expected, rtol=1e-12)
    np.testing.assert_allclose(
        model.score(x, score, at="hidden", value=moved), expected, rtol=1e-12
    )
    with_other_input = model.gradient(x, score, value=2 * x)
    np.testing.assert_allclose(
        with_other_input.gradient, model.gradient(2 * x, score).gradient, rtol=1e-12
    )


def test_neurons_and_sites_off_the_path(double: None) -> None:
    x = normal(4, 5)
    model = wrap(two_layers)
    neuron = Neuron("hidden", index=(2,)).bind(OutputSpec((4, 6)), 4)
    h = np.tanh(x @ A)
    found = model.gradient(x, neuron)
    np.testing.assert_allclose(found.score, h[:, 2], rtol=1e-12)
    np.testing.assert_allclose(found.gradient, (1 - h[:, 2:3] ** 2) * A[:, 2], rtol=1e-9)
    at_itself = model.gradient(x, neuron, at="hidden").gradient
    np.testing.assert_allclose(at_itself, np.tile(np.eye(6)[2], (4, 1)), rtol=1e-12)
    moved = model.score(x, neuron, at="hidden", value=h + 1)
    np.testing.assert_allclose(moved, h[:, 2] + 1, rtol=1e-12)
    later = model.gradient(x, neuron, at="head")
    assert later.gradient.shape == (4, 4)
    assert not later.gradient.any()
    np.testing.assert_allclose(later.score, h[:, 2], rtol=1e-12)


def test_sites_of_a_net_without_names(double: None) -> None:
    x = normal(3, 8, 8, 2)
    model = wrap(small_cnn)
    found = [(site.name, site.shape, site.pooled) for site in model.sites(x)]
    assert found == [
        ("conv_general_dilated", (3, 8, 8, 4), False),
        ("relu", (3, 8, 8, 4), False),
        ("reduce_window_max", (3, 4, 4, 4), True),
        ("conv_general_dilated:2", (3, 4, 4, 4), False),
        ("relu:2", (3, 4, 4, 4), False),
        ("reduce_window_max:2", (3, 2, 2, 4), True),
        ("dot_general", (3, 3), False),
    ]
    first = np.asarray(conv(x, KERNELS["first"]))
    np.testing.assert_allclose(
        model.activation(x, "conv_general_dilated"), first, rtol=1e-12, atol=1e-12
    )
    np.testing.assert_allclose(
        model.activation(x, "relu"), np.maximum(first, 0), rtol=1e-12, atol=1e-12
    )
    score = bound(model, x, 1)
    value = normal(1, 4, 4, 4, seed=7)
    one = score.take(np.array([0]))
    expected = differences(lambda moved: model.score(x[:1], one, at="relu:2", value=moved), value)
    there = model.gradient(x[:1], one, at="relu:2", value=value)
    np.testing.assert_allclose(there.gradient, expected, atol=1e-7)
    # Names by primitive stay good where a friendlier one is listed, or nothing but a layout changes.
    np.testing.assert_array_equal(model.activation(x, "max"), model.activation(x, "relu"))
    assert model.activation(x, "reshape").shape == (3, 16)


def test_the_last_feature_map_is_after_the_activation_and_before_the_pooling() -> None:
    x = jnp.asarray(normal(3, 8, 8, 2), jnp.float32)
    for net, name in (
        (small_cnn, "relu:2"),
        (jax.jit(small_cnn), "relu:2"),
        (lambda x: small_cnn(x) + conv(x, of(KERNELS["first"], x)).mean((1, 2))[:, :3], None),
    ):
        model = wrap(net)
        inputs = model.prepare(x)
        objective = Objective(model, inputs, bound(model, x, 0), None, 8, np.arange(3), 3)
        found = last_feature_map(objective)
        if name is None:  # the branch that is computed last
            assert model.site(x, found).shape == (3, 8, 8, 4)
        else:
            assert found == name


def two_blocks(x: Any) -> Any:
    """Attention twice over 2 x 2 patches and a class token, whose own row is read."""
    tokens = conv(x, of(KERNELS["first"], x))[:, ::4, ::4].reshape(len(x), 4, 4)
    tokens = jnp.concatenate([jnp.ones_like(tokens[:, :1]), tokens], 1)
    for number in range(2):
        with jax.named_scope(f"block{number}"):
            weights = jax.nn.softmax(tokens @ tokens.swapaxes(1, 2))
            tokens = tokens + weights @ jnp.tanh(tokens)
            tokens = tokens + jax.nn.relu(tokens @ of(KERNELS["second"][0, 0], x))
    return tokens[:, 0]


def test_the_last_tokens_that_matter_are_found_without_a_pass(double: None) -> None:
    x = jnp.asarray(normal(3, 8, 8, 2))
    model = wrap(two_blocks)
    score = bound(model, x, 0)
    sites = [site.name for site in model.sites(x) if site.shape[:2] == (3, 5)]
    assert len(sites) > 10
    objective = Objective(model, model.prepare(x), score, None, 8, np.arange(3), 3)
    found = last_feature_map(objective)
    assert not any(trace._compiled.answers() for trace in model.memory.answers("trace"))

    def tells(name: str) -> Any:
        return jnp.abs(model.gradient(x, score, at=name).gradient).sum(-1)[:, 1:] > 0

    assert tells(found).all()
    assert not tells(sites[-1]).any()


def test_scopes_name_their_last_value_and_each_use() -> None:
    def net(x: Any) -> Any:
        for _ in range(2):
            with jax.named_scope("block"):
                with jax.named_scope("inner"):
                    y = jnp.sin(x)
                x = x + y
            x = x * 1.5
        with jax.named_scope("pool"):
            x = max_pool(x)
            unused = x * 2
        del unused
        return checkpoint_name(x, "chosen").sum((1, 2, 3))

    x = normal(2, 4, 4, 1).astype(np.float32)
    model = wrap(net)
    sites = {site.name: site for site in model.sites(x)}
    assert [name for name in sites if "block" in name] == [
        "block/inner",
        "block",
        "block/inner:2",
        "block:2",
    ]
    first = x + np.sin(x)
    second = 1.5 * first
    np.testing.assert_allclose(model.activation(x, "block/inner"), np.sin(x), rtol=1e-6)
    np.testing.assert_allclose(model.activation(x, "block"), first, rtol=1e-6)
    np.testing.assert_allclose(model.activation(x, "block/inner:2"), np.sin(second), rtol=1e-6)
    assert sites["pool"].pooled
    assert sites["pool"].shape == (2, 2, 2, 1)
    assert sites["chosen"].pooled
    assert [site.name for site in sites.values()] == list(sites)


def test_a_scope_may_have_a_primitives_name() -> None:
    def net(x: Any) -> Any:
        with jax.named_scope("sin"):
            h = jnp.tanh(x)
        return jnp.sin(h)

    x = normal(2, 3).astype(np.float32)
    model = wrap(net)
    assert names(model, x) == ["sin", "sin'"]
    np.testing.assert_allclose(model.activation(x, "sin'"), np.sin(np.tanh(x)), rtol=1e-6)


def test_pooling_is_seen_through_what_keeps_it() -> None:
    def net(x: Any) -> Any:
        window = (1, 2, 2, 1)
        total = jax.lax.reduce_window(x, 0.0, jax.lax.add, window, window, "VALID")
        with jax.named_scope("average"):
            average = (total / 4).transpose(0, 3, 1, 2)
        n, h, w, c = x.shape
        with jax.named_scope("by_hand"):
            by_hand = x.reshape(n, h // 2, 2, w // 2, 2, c).max((2, 4))
        with jax.named_scope("after"):
            after = jnp.tanh(by_hand)
        with jax.named_scope("sum"):
            return after.sum((1, 2)) + average.sum((2, 3))

    x = normal(3, 4, 4, 2).astype(np.float32)
    pooled = {site.name: site.pooled for site in wrap(net).sites(x)}
    assert pooled["average"]
    assert pooled["by_hand"]
    assert not pooled["after"]
    assert not pooled["sum"]


def test_examples_are_told_from_other_axes(double: None) -> None:
    """One example, or as many as a layer is wide: only the examples' own axis counts."""

    def net(x: Any) -> Any:
        with jax.named_scope("turned"):
            turned = jnp.tanh(of(A, x).T @ x.T)  # (6, N)
        with jax.named_scope("mixed"):
            mixed = turned.T @ turned  # (N, N)
        with jax.named_scope("table"):
            table = x.sum(0, keepdims=True) * jnp.ones((6, 5))  # depends on x, but has no examples
        return turned.T @ of(B, x) + 0 * mixed.sum() + 0 * table.sum()

    for count in (1, 3, 6):
        x = normal(count, 5)
        model = wrap(net)
        sites = {site.name: site for site in model.sites(x)}
        assert sites["turned"].shape == (count, 6)
        assert not {"mixed", "table"} & set(sites)
        h = np.tanh(x @ A)
        found = model.gradient(x, bound(model, x, 1), at="turned")
        np.testing.assert_allclose(found.value, h, rtol=1e-12)
        np.testing.assert_allclose(found.gradient, np.tile(B[:, 1], (count, 1)), rtol=1e-12)
        there = model.score(x, bound(model, x, 1), at="turned", value=2 * h)
        np.testing.assert_allclose(there, (2 * h @ B)[:, 1], rtol=1e-12)
        with pytest.raises(SiteError, match=r"'mixed'.*no axis for the examples"):
            model.gradient(x, bound(model, x, 1), at="mixed")


def test_a_net_for_one_batch_size_has_sites() -> None:
    def net(x: Any) -> Any:
        with jax.named_scope("hidden"):
            x = jnp.tanh(x.reshape(4, 5) @ of(A, x))
        return x @ of(B, x)

    assert "hidden" in names(wrap(net), normal(4, 5).astype(np.float32))


def test_unknown_and_unusable_sites() -> None:
    x = normal(4, 5).astype(np.float32)

    def net(x: Any) -> Any:
        with jax.named_scope("hidden"):
            order = jnp.argsort(x, axis=1)
        return x @ of(SKIP, x) + order[:, :4]

    model = wrap(net)
    score = bound(model, x, 0)
    for verb in (
        lambda at: model.gradient(x, score, at=at),
        lambda at: model.score(x, score, at=at),
        lambda at: model.activation(x, at),
    ):
        with pytest.raises(
            UnknownNameError, match=r"Unknown site 'dot_generl'. Nearest: dot_general"
        ):
            verb("dot_generl")
    with pytest.raises(SiteError, match=r"'convert_element_type' .*|'sort\[1\]'.*holds integers"):
        model.activation(x, "sort[1]")
    with pytest.raises(SiteError, match=r"must have shape \(4, 4\).*got \(4, 3\)"):
        model.score(x, score, at="dot_general", value=np.zeros((4, 3), np.float32))


def test_token_ids_are_explained_at_their_embedding(double: None) -> None:
    table = normal(7, 3)

    def net(ids: Any, mask: Any) -> Any:
        with jax.named_scope("embedding"):
            x = jnp.asarray(table.copy())[ids]
        return (jnp.tanh(x) * mask[..., None]).sum(1)

    ids, mask = np.array([[1, 2, 6, 0], [3, 3, 0, 5]]), np.array([[1.0, 1, 0, 1], [1, 1, 1, 0]])
    model = wrap(net)
    inputs = model.prepare(ids, extra=(mask,))
    found = model.gradient(inputs, bound(model, inputs, 2), at="embedding")
    np.testing.assert_allclose(found.value, table[ids])
    expected = np.zeros((2, 4, 3))
    expected[..., 2] = ((1 - np.tanh(table[ids]) ** 2) * mask[..., None])[..., 2]
    np.testing.assert_allclose(found.gradient, expected, rtol=1e-12)
