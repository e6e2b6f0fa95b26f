"""The commands `backlight demo text`, `table` and `series`."""

from pathlib import Path
from typing import Any

import typer

from backlight import Examples
from backlight_demo.command import (
    Choices,
    DirectoryOption,
    Framework,
    FrameworkOption,
    LimitOption,
    demo,
    first_installed,
    net,
    title,
    write,
)
from backlight_demo.small_nets import Demonstrated


@demo.command("text")
def text(
    context: typer.Context,
    framework: FrameworkOption = None,
    directory: DirectoryOption = None,
    limit: LimitOption = None,
) -> None:
    """Explain what a small net gets wrong among 600 sentences of film reviews: which words misled it?

    Example: `backlight demo text --framework jax -o words`
    """
    from backlight_demo import snippets

    texts, labels = snippets.examples()
    names = [f"sentence {number}" for number in range(len(texts))]
    report(
        "text",
        Examples(texts, labels, snippets.CLASSES, names),
        context,
        (framework, directory, limit),
        tokenizer=snippets.tokenizer(),
        tokens=snippets.LENGTH,
        data_name="600 sentences of film reviews",
        reading="Sentences of film reviews that twenty people have judged, the first 48 words and marks "
        "of each (from vaderSentiment, C. Hutto, MIT licence)",
    )


@demo.command("table")
def table(
    context: typer.Context,
    framework: FrameworkOption = None,
    directory: DirectoryOption = None,
    limit: LimitOption = None,
) -> None:
    """Explain which tumours a small net takes for the other kind, by thirty measurements of their cells.

    Example: `backlight demo table -o tumours`
    """
    from backlight_demo import tumours
    from backlight_loading import Preprocessing

    mean, deviation = tumours.spread()
    report(
        "table",
        tumours.examples(),
        context,
        (framework, directory, limit),
        preprocessing=Preprocessing(mean=tuple(mean), std=tuple(deviation)),
        data_name="284 tumours",
        reading="Every second row of the data set breast cancer that comes with scikit-learn",
    )


@demo.command("series")
def series(
    context: typer.Context,
    framework: FrameworkOption = None,
    directory: DirectoryOption = None,
    limit: LimitOption = None,
) -> None:
    """Explain which series with a hidden cylinder, bell or funnel a small net takes for another shape.

    Example: `backlight demo series -o shapes`
    """
    from backlight_demo import shapes

    x, labels = shapes.examples()
    report(
        "series",
        Examples(x, labels, shapes.CLASSES, kind="series"),
        context,
        (framework, directory, limit),
        data_name="300 noisy series",
        reading="Series that are made up of noise and a cylinder, a bell or a funnel (Saito 1994)",
    )


def report(
    kind: Demonstrated,
    examples: Examples,
    context: typer.Context,
    said: tuple[Framework | None, Path | None, int | None],
    **arguments: Any,
) -> None:
    """Make the report of a demo, with what was said before or after its name."""
    before: Choices = context.obj
    framework, directory, limit = said
    chosen = framework or before.framework or first_installed()
    write(
        net("small_nets", chosen, kind=kind),
        examples,
        directory=directory or before.directory or Path(f"backlight-demo-{kind}"),
        limit=limit or before.limit or 24,
        framework=chosen.value,
        model_name=f"A small net in {title(chosen)}",
        **arguments,
    )
