"""The laws of a backend's verbs: each compares one verb with the reference, or with itself."""

from collections.abc import Sequence
from contextlib import suppress

import numpy as np

from backlight.explaining.objective import Objective
from backlight.explaining.spatial import grid_at, last_feature_map
from backlight.rules.operations import LINEAR
from backlight.rules.rules import Rules
from backlight.scores.class_scores import Class
from backlight.testing import reference
from backlight.testing.building import CLASSES, Builder, Trial
from backlight.testing.checks import close, require, rounding, same, slope_error
from backlight.testing.nets import Net
from backlight.testing.rule_laws import Raising
from backlight.testing.rules import COMPLETE, NATIVE, Native, by_kind
from backlight.values.arrays import Array, shape_of
from backlight.values.outputs import OutputSpec
from backlight.values.tree import leaves

FOLDED_NATIVE = by_kind({kind: Native() for kind in LINEAR}, folds=True)
SITES = 2
"""How many of a net's layers are looked into."""


def outputs(builder: Builder, net: Net) -> None:
    """`predict` gives what the net computes, and `outputs` tells its shape and kind."""
    trial = builder.trial(net)
    expected = reference.outputs(net, net.inputs)
    close(trial.predict(), expected, rounding(trial.dtype), "The output")
    with trial.precision():
        told = trial.model.outputs(trial.inputs)
    require(
        told == OutputSpec(expected.shape, net.kind),
        f"`outputs` tells {told}, where {OutputSpec(expected.shape, net.kind)} is right.",
    )


def gradient(builder: Builder, net: Net) -> None:
    """`gradient` is the derivative of each example's score by its own inputs; the score is that of its
    class."""
    agrees(builder.trial(net), net)


def gradients(builder: Builder, net: Net) -> None:
    """`gradients` gives for each of several classes, at each of several sites, what `gradient` gives for
    it alone."""
    trial = builder.trial(net)
    with trial.precision():
        outputs, count = trial.model.outputs(trial.inputs), len(CLASSES)
        classes = (np.asarray(CLASSES), np.roll(CLASSES, 1))
        scores = [Class(one).bind(outputs, count) for one in classes]
        sites = (None, *(site.name for site in trial.model.sites(trial.inputs)[:2]))
        found = trial.model.gradients(trial.inputs, scores, sites=sites)
        alone = [
            trial.model.gradient(trial.inputs, score, at=site) for score in scores for site in sites
        ]
    asked = f"{len(scores)} scores at {len(sites)} sites"
    require(len(found) == len(alone), f"{asked} have {len(found)} gradients.")
    for at, (one, other) in enumerate(zip(found, alone, strict=True)):
        for what in ("score", "gradient"):
            pairs = zip(leaves(getattr(one, what)), leaves(getattr(other, what)), strict=True)
            for given, right in pairs:
                expected = trial.numbers(right)
                close(
                    trial.numbers(given), expected, slope_error(trial.dtype), f"The {what} of {at}"
                )


def agrees(trial: Trial, net: Net, rules: Rules | None = None) -> None:
    """The scores and the gradients are the reference's of this net."""
    found = trial.gradient(rules)
    scores = reference.scores(net, net.inputs, CLASSES)
    close(trial.numbers(found.score), scores, rounding(trial.dtype), "The score")
    slopes = [trial.brought_back(one) for one in leaves(found.gradient)]
    expected = reference.gradients(net, CLASSES)
    for position, (slope, right) in enumerate(zip(slopes, expected, strict=True)):
        close(slope, right, slope_error(trial.dtype), f"The gradient of input {position}")


def dtype(builder: Builder, net: Net) -> None:
    """float32 stays float32 and float64, where the framework has it, float64: outputs, scores, gradients,
    with rules and without, inner values; and numbers agree with the reference in each."""
    for name in builder.dtypes:
        trial = builder.trial(net, name)
        plain, ruled = trial.gradient(), trial.gradient(NATIVE)
        agrees(trial, net)
        with trial.precision():
            site = trial.model.sites(trial.inputs)[0].name
            arrays = {
                "the input": leaves(trial.inputs)[0],
                "the output": trial.model.predict(trial.inputs),
                "the gradient": leaves(plain.gradient)[0],
                "the score": plain.score,
                "the gradient with rules": leaves(ruled.gradient)[0],
                "the score with rules": ruled.score,
                f"the value at {site}": trial.model.activation(trial.inputs, site),
            }
            seen = {what: trial.model.to_numpy(one).dtype for what, one in arrays.items()}
        other = {what: str(one) for what, one in seen.items() if one != name}
        require(not other, f"In a net of {name} the dtype is another: {other}.")


def batch_mates(builder: Builder, net: Net) -> None:
    """An example's gradient is its own, with rules and without, whatever other examples are beside it."""
    own_rows(builder, net, ((1, 1, 1), (2, 0, 1)))


def alone(builder: Builder, net: Net) -> None:
    """An example's gradient is the same alone, with rules and without."""
    own_rows(builder, net, ((1,),))


def own_rows(builder: Builder, net: Net, batches: Sequence[Sequence[int]]) -> None:
    trial = builder.trial(net)
    for what, rules in (("", None), (" with rules", NATIVE)):
        together = trial.slopes(rules)
        for rows in batches:
            for slope, whole in zip(trial.slopes(rules, rows=rows), together, strict=True):
                expected = whole[list(rows)]
                close(slope, expected, rounding(trial.dtype), f"The gradient{what} of rows {rows}")


def forward_pass(builder: Builder, net: Net) -> None:
    """Explaining leaves the forward pass as it is, bit for bit; and the score beside a gradient, with
    rules or without, is the score."""
    trial = builder.trial(net)
    before = trial.predict()
    with trial.precision():
        score = trial.numbers(trial.model.score(trial.inputs, trial.score()))
    for rules in (None, NATIVE):
        found = trial.numbers(trial.gradient(rules).score)
        close(found, score, rounding(trial.dtype), "The score beside a gradient")
    same(trial.predict(), before, "The output after explaining")


def put_back(builder: Builder, net: Net) -> None:
    """A net is as it was after a backward pass with rules, and after one that raised: same output, same
    gradient, same state."""
    trial = builder.trial(net)
    state, output, slopes = builder.state(trial.built), trial.predict(), trial.slopes()
    for what in ("a pass with rules", "a pass that raised"):
        if what == "a pass with rules":
            trial.gradient(NATIVE)
        else:
            raised = False
            try:
                trial.gradient(Raising())
            except Exception:
                raised = True
            require(raised, "An error that a rule raises does not reach the user.")
        require(
            builder.state(trial.built) == state,
            f"After {what} the net's state is {builder.state(trial.built)!r}; it was {state!r}.",
        )
        same(trial.predict(), output, f"The output after {what}")
        for after, before in zip(trial.slopes(), slopes, strict=True):
            close(after, before, rounding(trial.dtype), f"The gradient after {what}")


def weights(builder: Builder, net: Net) -> str | None:
    """All parameters are told by name. With others in their places the net computes what it does with
    these; afterwards it has its own, bit for bit, also where an error was raised."""
    trial = builder.trial(net)
    with trial.precision():
        told = trial.model.weights()
        if told is None:
            return "the model does not tell its weights"
        arrays = {name: trial.numbers(one) for name, one in told.parameters.items()}
        held, own = (
            np.sort(np.concatenate([one.reshape(-1) for one in some.values()]))
            for some in (arrays, net.weights)
        )
        same(held, own.astype(trial.dtype), "What the parameters hold, in order of size,")
        before = {name: one.copy() for name, one in arrays.items()}
        output = trial.predict()
        new = {name: (1.5 * one + 0.1).astype(trial.dtype) for name, one in before.items()}
        now = net.with_weights({name: 1.5 * one + 0.1 for name, one in net.weights.items()})
        for error in (None, ZeroDivisionError()):
            with suppress(ZeroDivisionError), trial.model.with_weights(new) as other:
                found = trial.numbers(other.predict(trial.inputs))
                expected = reference.outputs(now, net.inputs)
                close(found, expected, rounding(trial.dtype), "The output with other weights")
                if error is not None:
                    raise error
            after = trial.model.weights()
            require(after is not None, "Weights that were told before are not told any more.")
            for name, one in after.parameters.items():  # type: ignore[union-attr]
                same(trial.numbers(one), before[name], f"The weight {name}")
            same(trial.predict(), output, "The output after other weights")
    return None


def edited(builder: Builder, net: Net) -> None:
    """A net that its user edits is explained as it is now, also where parts of it are folded."""
    trial = Trial(builder, net)
    trial.predict(), trial.slopes(FOLDED_NATIVE)
    now = trial.edit()
    close(trial.predict(), reference.outputs(now, net.inputs), rounding(trial.dtype), "The output")
    agrees(trial, now, FOLDED_NATIVE)


def shared_reference(builder: Builder, net: Net) -> None:
    """A pass over a reference that all examples share gives its score, and changes add up: DeepLIFT's
    multipliers times the difference from it sum to the change of the score."""
    trial = builder.trial(net)
    with trial.precision():
        start = [0.1 * np.ones_like(one[:1]) for one in net.inputs]
        reference_tree = trial.tree(start)
    found = trial.gradient(COMPLETE, reference_tree)
    at_start = [np.broadcast_to(one, x.shape) for one, x in zip(start, net.inputs, strict=True)]
    scores = reference.scores(net, net.inputs, CLASSES)
    starts = reference.scores(net, at_start, CLASSES)
    require(found.reference_score is not None, "The score of the reference is not told.")
    told = np.broadcast_to(trial.numbers(found.reference_score), starts.shape)  # type: ignore[arg-type]
    close(told, starts, rounding(trial.dtype), "The score of the reference")
    total = np.zeros(len(scores))
    for slope, x, x0 in zip(leaves(found.gradient), net.inputs, at_start, strict=True):
        total += (trial.brought_back(slope) * (x - x0)).reshape(len(x), -1).sum(1)
    close(total, scores - starts, rounding(trial.dtype), "The sum of multipliers times differences")


def sites(builder: Builder, net: Net) -> None:
    """Inner values have names and the shapes that are told, and what layers give is among them; putting
    that back changes no score, and the gradient at it is the derivative of the score by it."""
    trial = builder.trial(net)
    with trial.precision():
        model, score = trial.model, trial.score()
        known = model.sites(trial.inputs)
        found = 0
        for site in known:
            value = model.array_at(trial.inputs, site.name)
            require(
                shape_of(value) == site.shape,
                f"The value at {site.name} has the shape {shape_of(value)}; told was {site.shape}.",
            )
            layer = reference.layer_of(net, trial.brought_back(value), rounding(trial.dtype))
            if layer is None:
                continue
            whole = trial.numbers(model.score(trial.inputs, score))
            again = trial.numbers(model.score(trial.inputs, score, at=site.name, value=value))
            close(again, whole, rounding(trial.dtype), f"The score with {site.name} put back")
            (slope,) = leaves(model.gradient(trial.inputs, score, at=site.name).gradient)
            expected = reference.gradient_at(net, CLASSES, layer)
            seen = trial.brought_back(slope)
            close(seen, expected, slope_error(trial.dtype), f"The gradient at {site.name}")
            found += 1
            if found == SITES:
                break
        require(
            found > 0,
            f"No name is that of a value that a layer gives: {[site.name for site in known]}.",
        )


def channel_axis(builder: Builder, net: Net) -> None:
    """Pictures and feature maps have their channels where the model says: the input, and the value that
    class activation maps read, which has the places of the pooled picture."""
    trial = builder.trial(net)
    with trial.precision():
        model, inputs = trial.model, trial.model.prepare(trial.inputs)
        shape = shape_of(leaves(trial.inputs)[0])
        layout = model.input_layout(shape)
        axis = 1 if builder.channels == "first" else 3
        require(
            layout is not None and layout.channel_axis == axis,
            f"Pictures {shape} are read with the layout {layout}, where channels are on axis {axis}.",
        )
        objective = Objective(
            model, inputs, trial.score(), None, 256, np.arange(inputs.count), inputs.count
        )
        objective = objective.at_site(last_feature_map(objective))
        (value,) = leaves(objective.value)
        inner, grid = objective.layout_of(value), grid_at(objective)
        wanted = (3, 4, 3, 7)  # the examples, the pooled picture, the second convolution's channels
        seen = None if inner is None else shape_of(inner.channels_last(value, model.arrays))
        require(
            seen == wanted and grid is not None and grid.shape == wanted[1:3],
            f"The feature map at {objective.at}, {shape_of(value)}, is read as {seen} with its "
            f"channels last, where {wanted} is right.",
        )


def host_arrays(builder: Builder, net: Net) -> None:
    """Arrays come back from the framework as they went in, are known for its own, and `arrays` has the
    functions of the array API standard that techniques use."""
    trial = builder.trial(net)
    with trial.precision():
        model = trial.model
        numbers = np.linspace(0.0, 1.0, 6, dtype=trial.dtype).reshape(2, 3)
        for host in (numbers, np.arange(4), np.array([True, False])):
            native = model.asarray(host)
            foreign = not isinstance(native, np.ndarray)  # else NumPy's arrays are its own
            known = model.owns(native) and model.owns(host) != foreign
            require(known, "`owns` does not know its arrays.")
            same(model.to_numpy(native), host, f"An array of {host.dtype} that went in and out")
            floating = model.is_floating(native)
            require(
                floating == (host.dtype.kind == "f"), f"is_floating({host.dtype}) is {floating}."
            )
        x = np.random.default_rng(0).uniform(0.5, 2.0, size=(2, 3, 4)).astype(trial.dtype)
        a, index = model.asarray(x), model.asarray(np.array([2, 0]))
        f = model.arrays
        with np.errstate(divide="ignore"):
            infinite = a / f.zeros_like(a)
        pairs: dict[str, tuple[Array, object]] = {
            "abs": (f.abs(-a), x),
            "sqrt": (f.sqrt(a), np.sqrt(x)),
            "exp": (f.exp(a), np.exp(x)),
            "log": (f.log(a), np.log(x)),
            "maximum": (f.maximum(a, 2.0 - a), np.maximum(x, 2 - x)),
            "where": (f.where(a > 1.0, a, -a), np.where(x > 1, x, -x)),
            "sum": (f.sum(a, axis=(0, 2), keepdims=True), x.sum((0, 2), keepdims=True)),
            "mean": (f.mean(a, axis=-1), x.mean(-1)),
            "max": (f.max(a, axis=1), x.max(1)),
            "min": (f.min(a), x.min()),
            "argmax": (f.argmax(a, axis=2), x.argmax(2)),
            "reshape": (f.reshape(a, (3, -1)), x.reshape(3, -1)),
            "permute_dims": (f.permute_dims(a, (2, 0, 1)), x.transpose(2, 0, 1)),
            "expand_dims": (f.expand_dims(a, axis=1), x[:, None]),
            "broadcast_to": (f.broadcast_to(a[:1], (5, 3, 4)), np.broadcast_to(x[:1], (5, 3, 4))),
            "concat": (f.concat([a, a], axis=1), np.concatenate([x, x], 1)),
            "take": (f.take(a, index, axis=1), x[:, [2, 0]]),
            "zeros_like": (f.zeros_like(a), np.zeros_like(x)),
            "isfinite": (f.isfinite(infinite), np.zeros(x.shape, bool)),
            "all": (f.all(a > 0.0, axis=0), np.ones(x.shape[1:], bool)),
        }
        for name, (found, expected) in pairs.items():
            close(
                model.to_numpy(found), np.asarray(expected), rounding(trial.dtype), f"arrays.{name}"
            )


def tied_maxima(builder: Builder, net: Net) -> None:
    """Of equal numbers in a window of max pooling the first, row by row, gets the gradient: with rules,
    which must find the same on each framework."""
    (x,) = net.inputs
    trial = builder.trial(net)
    windows = reference.pool_windows(x.transpose(0, 3, 1, 2), 2, 2)
    head = net.weights["head.kernel"][:, list(CLASSES)].T
    share = head[:, :, None, None] / np.prod(windows.shape[2:4])
    chosen = windows.argmax(-1)
    expected = np.zeros(x.transpose(0, 3, 1, 2).shape)
    for place in np.ndindex(chosen.shape):
        row, column = divmod(int(chosen[place]), 2)
        at = (*place[:2], 2 * place[2] + row, 2 * place[3] + column)
        expected[at] += np.broadcast_to(share, chosen.shape)[place]
    (slope,) = trial.slopes(NATIVE)
    close(slope, expected.transpose(0, 2, 3, 1), rounding(trial.dtype), "The gradient with rules")
