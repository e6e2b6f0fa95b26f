"""The command `backlight report`."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from backlight.errors import InputError
from backlight_loading import options
from backlight_report import options as own

if TYPE_CHECKING:
    from backlight.values.layout import InputKind
    from backlight_attribute.origin import Origin
    from backlight_loading.preparation import Colour as ColourName


def report_command(
    model: own.Model = None,
    data: own.Data = None,
    directory: own.Directory = Path("backlight-report"),
    task: own.Task = None,
    kind: options.Kind = None,
    tokenizer: options.TokenizerNamed = None,
    tokens: options.Tokens = None,
    encoder: options.EncoderNamed = None,
    x: options.Columns = None,
    label: options.Label = None,
    label_separator: options.LabelSeparator = "",
    method: options.Techniques = None,
    only: own.Only = None,
    true: own.TrueClasses = None,
    predicted: own.Predicted = None,
    cell: own.Cells = None,
    name: own.Ids = None,
    metadata: own.Metadata = None,
    where: own.Where = None,
    order: own.Order = None,
    limit: own.Limit = 24,
    right: own.Right = 0,
    masks: options.Masks = None,
    baseline: own.Baseline = None,
    near: own.Near = None,
    metric: own.Metrics = None,
    framework: options.Framework = None,
    size: options.Size = None,
    colour: options.ReadAs = None,
    classes: options.Classes = None,
    scores: options.Scores = None,
    divide_by: options.DivideBy = None,
    mean: options.Mean = None,
    std: options.Std = None,
    preprocess: options.Preprocess = None,
    seed: own.Seed = None,
    batch_size: own.BatchSize = None,
    store: own.Store = None,
    embed: own.Embed = True,
    private: own.Private = False,
    panels: own.Panels = None,
) -> None:
    """Explain what a model gets wrong, in a page to open, send and read.

    The model is asked about every picture. For those it gets wrong, each technique shows what speaks
    for the predicted class, for the true class, and for the one rather than the other. The folder
    holds report.html, study.json and the pictures. A run that was killed goes on where it was.

    Examples:

        backlight report net.py:model pictures/ -o report

        backlight report net.keras test.npz -m integrated_gradients:steps=100 -m grad_cam

        backlight report net.py:model pictures/ --cell Shirt:Coat --cell 'Bag:*' --size 96x96

        backlight report net.py:model pictures/ --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225

        backlight report net.py:model reviews.csv --tokenizer net.py:tokenizer -o report

        backlight report net.py:model patients.csv --label diagnosis --encoder net.py:encoder -o report

        backlight report --store results -o report
    """
    # Here and not above: the other commands need none of it.
    from backlight import wrap
    from backlight_attribute.answered import StoredAnswers
    from backlight_attribute.origin import without_folder
    from backlight_attribute.results import Attributions
    from backlight_datasets import ColumnNames, open_source
    from backlight_loading.arguments import output_path, preprocessing_of, size_of
    from backlight_loading.encoders import takes_words
    from backlight_loading.examples import class_names_of, read_classes
    from backlight_loading.models import load_model, note_on, wanted_shape
    from backlight_loading.preparation import wanted_picture
    from backlight_loading.progress_bar import progress_bar
    from backlight_loading.techniques import techniques
    from backlight_report.replacing import claim
    from backlight_report.run import report
    from backlight_report.terminal import show
    from backlight_report.unfinished import unfinished

    claim(directory)
    techniques(method or (), seed)  # a mistyped name is said before anything is loaded
    earlier = Attributions.within(store)
    origin = None if earlier is None else earlier.origin
    model, data = named(model, data, origin)
    names = read_classes(classes) if classes else ()
    if origin is None:
        preprocessing = preprocessing_of(divide_by, mean, std, preprocess)
        asked_size, path = size_of(size), output_path(scores)
        read_as: ColourName | None = colour.value if colour else None
        read_kind: InputKind | None = kind.value if kind else None
    else:  # it is read as it was for the store: all else is another model, or other data
        preprocessing, asked_size, names = origin.preprocessing, origin.size, origin.classes
        read_as, path, framework = origin.colour, origin.scores, origin.framework
        tokenizer = tokenizer or origin.there("tokenizer", origin.tokenizer)
        encoder = encoder or origin.there("encoder", origin.encoder)
        read_kind, tokens = origin.kind, origin.tokens
    if (cell or true or predicted) and (folders := class_names_of(data)):
        check_classes(cell or (), [*(true or ()), *(predicted or ())], names or folders)
    net = load_model(model)
    wanted = wanted_picture(wanted_shape(net), wrap(net, framework).channels)
    read_size = asked_size or wanted[0]
    given = [said for said, option in (("--size", size), ("--colour", colour)) if option]
    columns = ColumnNames.said(x, label, label_separator) if origin is None else origin.columns
    texts, words = tokenizer is not None, takes_words(encoder, net)
    source = open_source(
        data, read_size, read_as or wanted[1], names, given, columns, texts=texts, words=words
    )
    note = note_on(model)
    kept_in = Path(store) if store and earlier is None else None
    with progress_bar() as progress, unfinished(directory, kept_in) as kept:
        written = report(
            net,
            source,
            directory=directory,
            kind=read_kind,
            tokenizer=tokenizer,
            tokens=tokens,
            encoder=encoder,
            task=task.value if task else None,
            methods=method or (),
            cell=cell or (),
            only=only.value if only else None,
            true=true,
            predicted=predicted,
            ids=name,
            metadata=metadata,
            where=where or (),
            masks=masks,
            order=order.value if order else None,
            limit=limit,
            right=right,
            baseline=baseline.value if baseline else origin and origin.baseline,
            near=near,
            store=kept,
            answered=None if earlier is None else StoredAnswers(earlier),
            framework=framework,
            scores=path,
            preprocessing=preprocessing,
            size=read_size,
            seed=seed,
            batch_size=batch_size,
            metrics=None if metric is None else [one for one in metric if one != "none"],
            embed=embed,
            private=private,
            panels=[one.value for one in panels or ()],
            model_name=model if origin is None else without_folder(model),
            data_name=data if origin is None else without_folder(data),
            call=shlex.join(["backlight", *sys.argv[1:]]),
            notes=(note,) if note else (),
            progress=progress,
        )
    show(written)


def named(model: str | None, data: str | None, origin: "Origin | None") -> tuple[str, str]:
    """The model and the data, those of a store where none are said.

    Raises:
        InputError: they are not known, or not where they were.
    """
    if origin is not None:
        model = model or origin.there("model", origin.model)
        data = data or origin.there("data", origin.data)
    if model is None or data is None:
        raise InputError(
            f"Name {'MODEL and DATA' if model is None else 'DATA'}: backlight report MODEL DATA. They "
            "may be left out where --store names what `backlight attribute` has written about a model "
            "and data that have names."
        )
    return model, data


def check_classes(cells: Sequence[str], said: Sequence[str], names: Sequence[str]) -> None:
    """Raise UnknownNameError for a mistyped class, where the names are known before all is read."""
    from backlight_study.cells import cells as cells_of
    from backlight_study.cells import class_numbers

    if names:
        cells_of(cells, names)
        class_numbers(said, names)
