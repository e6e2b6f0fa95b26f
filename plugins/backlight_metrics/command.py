"""The command `backlight evaluate`."""

from enum import StrEnum
from typing import Annotated

import typer

from backlight_loading import options


class Question(StrEnum):
    """Which score is explained."""

    predicted = "predicted"
    true = "true"
    contrast = "contrast"


def evaluate_command(
    model: options.Classifier,
    data: Annotated[
        str,
        typer.Argument(
            help="Labelled examples: a folder with one sub-folder of pictures per class, an .npz file "
            "with x and y, or file.py:name of backlight.Examples, as `backlight report` takes them."
        ),
    ],
    method: options.Techniques = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            "--metric",
            metavar="NAME[:KEY=VALUE,...]",
            help="A metric and its hyper-parameters; say it again for more. `backlight metrics` lists "
            "them. Where nothing is said: srg and decision_flip.",
        ),
    ] = None,
    question: Annotated[
        Question,
        typer.Option(
            help="Explain the predicted class, the true one, or, of those that the model gets wrong, "
            "why the one rather than the other."
        ),
    ] = Question.predicted,
    limit: Annotated[
        int,
        typer.Option(min=1, metavar="N", help="Judge at most N examples, drawn by the seed."),
    ] = 64,
    baseline: Annotated[
        str,
        typer.Option(
            metavar="NUMBER|blur|mean",
            help="What takes the place of what is removed, in the model's own numbers; metrics may "
            "say it themselves.",
        ),
    ] = "0",
    masks: options.Masks = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print all numbers, of each example too, as JSON instead."),
    ] = False,
    framework: options.Framework = None,
    size: options.Size = None,
    colour: options.ReadAs = None,
    classes: options.Classes = None,
    scores: options.Scores = None,
    divide_by: options.DivideBy = None,
    mean: options.Mean = None,
    std: options.Std = None,
    preprocess: options.Preprocess = None,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="For all that is drawn.")] = 0,
    batch_size: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Most examples in one pass.")
    ] = None,
) -> None:
    """Say which techniques are to be believed on a model: metrics, with controls beside them.

    A row for each technique, and for maps that know nothing of the model: random numbers, a uniform
    one, a spot in the middle, the picture's edges. A star stands where a technique is better than the
    best of these, beyond what another draw of examples would change.

    Examples:

        backlight evaluate net.py:model pictures/ -m integrated_gradients -m grad_cam

        backlight evaluate net.keras test.npz --question contrast --metric decision_flip:baseline=blur
    """
    # Here and not above: the other commands need none of it.
    import json

    from backlight import evaluate
    from backlight.evaluating.evaluate import DEFAULT_METRICS
    from backlight.evaluating.explainers import numbered
    from backlight_loading.arguments import output_path, preprocessing_of, size_of
    from backlight_loading.examples import read_classes
    from backlight_loading.masks import open_masks
    from backlight_loading.progress_bar import progress_bar
    from backlight_loading.techniques import techniques, usable
    from backlight_metrics.asked import asked, baseline_of
    from backlight_metrics.named import metric as metric_of

    said = metric or list(DEFAULT_METRICS)  # a mistyped name is said before anything is loaded
    chosen = dict(
        zip(numbered([one.partition(":")[0] for one in said]), map(metric_of, said), strict=True)
    )
    judged = techniques(method or (), seed)
    replacement = baseline_of(baseline)
    inside = None if masks is None else open_masks(masks)
    found = asked(
        model,
        data,
        question.value,
        limit,
        seed,
        framework=framework,
        size=size_of(size),
        colour=colour.value if colour else None,
        classes=read_classes(classes) if classes else (),
        preprocessing=preprocessing_of(divide_by, mean, std, preprocess),
        batch_size=batch_size,
        scores=output_path(scores),
    )
    judged = judged if method else usable(judged, found.model)
    with progress_bar() as progress:
        evaluation = evaluate(
            found.model,
            found.x,
            {one.name: found.function(one) for one in judged},
            chosen,
            found.target,
            baseline=replacement,
            masks=None if inside is None else found.masks(inside),
            batch_size=batch_size,
            seed=seed,
            progress=progress,
        )
    if as_json:
        print(json.dumps({"rows": found.rows.tolist(), **evaluation.to_dict()}, indent=1))
    else:
        print(f"{found.told}\n\n{evaluation}")


def metrics_command() -> None:
    """List the metrics: direction, range, unit, hyper-parameters, and what each measures.

    Example: `backlight metrics`
    """
    from backlight_metrics.listing import listing

    print(listing())
