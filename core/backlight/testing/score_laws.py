"""The laws of a backend without gradients, whose models can only be run."""

from collections.abc import Callable, Sequence

from backlight.errors import BacklightError, CoverageError, ModelError, SiteError
from backlight.testing import reference
from backlight.testing.building import CLASSES, Builder, Numbers, Trial
from backlight.testing.checks import close, require, rounding, same
from backlight.testing.nets import Net
from backlight.values.arrays import shape_of
from backlight.values.tree import leaves


def score(builder: Builder, net: Net) -> None:
    """`score` gives each example's output for its class."""
    trial = builder.trial(net)
    expected = reference.scores(net, net.inputs, CLASSES)
    close(scores(trial), expected, rounding(trial.dtype), "The score")


def score_rows(builder: Builder, net: Net) -> None:
    """An example's score is its own, alone and whatever other examples are beside it."""
    trial = builder.trial(net)
    together = scores(trial)
    for rows in ((1,), (1, 1, 1), (2, 0, 1)):
        what = f"The score of rows {rows}"
        close(scores(trial, rows), together[list(rows)], rounding(trial.dtype), what)


def score_dtype(builder: Builder, net: Net) -> None:
    """float32 stays float32 and float64, where the framework has it, float64: outputs and scores; and
    numbers agree with the reference in each."""
    expected = reference.scores(net, net.inputs, CLASSES)
    for name in builder.dtypes:
        trial = builder.trial(net, name)
        found = scores(trial)
        close(found, expected, rounding(name), f"The score in {name}")
        seen = {"the output": trial.predict().dtype, "the score": found.dtype}
        other = {what: str(one) for what, one in seen.items() if one != name}
        require(not other, f"In a net of {name} the dtype is another: {other}.")


def only_run(builder: Builder, net: Net) -> None:
    """A model says that it has no gradients; asked for one, for operations or for an inner value, it
    refuses with CoverageError or SiteError and is as it was: same state, inputs and outputs."""
    trial = builder.trial(net)
    model, inputs = trial.model, trial.inputs
    require(not model.differentiable, "It says that it has gradients: `differentiable` is True.")
    require(model.sites(inputs) == (), f"It has inner sites: {model.sites(inputs)}.")
    state, output = builder.state(trial.built), trial.predict()
    before = [trial.numbers(one).copy() for one in leaves(inputs)]
    asked: dict[str, tuple[Callable[[], object], type[BacklightError]]] = {
        "gradient": (lambda: model.gradient(inputs, trial.score()), CoverageError),
        "operations": (lambda: model.operations(inputs), CoverageError),
        "connection": (lambda: model.connection(inputs, trial.score()), CoverageError),
        "activation": (lambda: model.activation(inputs, "inner"), SiteError),
        "score at a site": (lambda: model.score(inputs, trial.score(), at="inner"), SiteError),
    }
    for verb, (ask, refusal) in asked.items():
        seen: BaseException | None = None
        try:
            ask()
        except BacklightError as error:
            seen = error
        what = "nothing" if seen is None else type(seen).__name__
        require(isinstance(seen, refusal), f"{verb} raises {what}, not {refusal.__name__}.")
    same(trial.predict(), output, "The output after refusals")
    for after, kept in zip(leaves(inputs), before, strict=True):
        same(trial.numbers(after), kept, "An input after refusals")
    require(builder.state(trial.built) == state, "The net's state is not what it was.")


def score_edited(builder: Builder, net: Net) -> None:
    """A net that its user edits is scored as it is now."""
    trial = Trial(builder, net)
    scores(trial)
    now = trial.edit()
    expected = reference.scores(now, net.inputs, CLASSES)
    close(scores(trial), expected, rounding(trial.dtype), "The score of the edited net")


def model_error(builder: Builder, net: Net) -> None:
    """What the net itself raises is a ModelError that tells the shapes it was given."""
    trial = builder.trial(net)
    wrong = trial.tree([one[..., :-1] for one in net.inputs])
    said = ""
    try:
        trial.model.predict(wrong)
    except ModelError as error:
        said = str(error)
    shapes = [str(shape_of(one)) for one in leaves(wrong)]
    require(
        bool(said) and all(shape in said for shape in shapes),
        f"Inputs of shapes {shapes}, which the net cannot take, should raise a ModelError that tells "
        f"them; it says {said!r}.",
    )


def scores(trial: Trial, rows: Sequence[int] = (0, 1, 2)) -> Numbers:
    with trial.precision():
        return trial.numbers(trial.model.score(trial.rows(rows), trial.score(rows)))
