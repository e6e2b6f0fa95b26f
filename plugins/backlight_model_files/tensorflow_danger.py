"""What a model's file would run, looked at before anything is loaded: see each format's function."""

import json
import re
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

UNLOADED = "which is not loaded: it would run any code that is in the file."
ADVICE = "Build the model in Python code that you trust and load the weights there: file.py:name."

MODELS = {"keras", "keras_hub", "keras_cv", "keras_nlp", "builtins"}
"""The packages that the parts of a Keras model come from."""
TOOLS = re.compile(r"keras\.(config|datasets|distribution|export|saving|utils)\b")
"""Those of Keras that are no parts of models: they fetch, write or load files."""
LAMBDAS = ("function_type", "output_shape_type", "mask_type")

PLACES = re.compile(r"file|path|prefix|ur[il]|address|director")
"""What the definition of an operation that reads or writes files, or talks to others, has."""
HARMLESS = {"CTCBeamSearchDecoder", "Skipgram", "TensorSliceDataset"}
VOCABULARIES = {"InitializeTableFromTextFile", "InitializeTableFromTextFileV2"}
"""They read a file that belongs to the model, into a table."""


def danger_in_keras(path: Path) -> str | None:
    """What a `.keras` or `.h5` file would run, as the end of a sentence; None if it runs nothing but
    Keras's layers, and those that the user's code has registered.

    Keras has a switch against layers that are Python bytecode; whether it is on, and what it covers,
    differs between versions and formats.

    Raises:
        ValueError, KeyError, OSError: it is no such file.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            stored = archive.read("config.json")
    else:
        import h5py  # type: ignore[import-untyped]

        with h5py.File(path) as file:
            stored = file.attrs.get("model_config", "{}")
    config = json.loads(stored)
    config.pop("compile_config", None)  # losses and the like, which are left out
    return next((f"{found} {ADVICE}" for found in in_config(config)), None)


def in_config(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if value.get("class_name") == "__lambda__" or is_bytecode(value):
            yield f"holds a function as Python bytecode, {UNLOADED}"
        elif not is_known(value):
            name = f"{value['module']}.{value.get('class_name')}"
            yield f"names {name!r}, which is no part of Keras's models and is not registered."
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from in_config(part)


def is_bytecode(config: dict[str, Any]) -> bool:
    """Whether these are the settings of a Lambda layer whose function is not told by its name."""
    return any(config.get(kind) == "lambda" for kind in LAMBDAS)


def is_known(config: dict[str, Any]) -> bool:
    import keras

    module, name = config.get("module"), config.get("class_name")
    if not isinstance(module, str) or not isinstance(name, str):
        return True
    registered = config.get("registered_name") or name
    if name == "function":
        name = registered = str(config.get("config"))
    if keras.saving.get_registered_object(registered) is not None:
        return True
    if module.startswith("keras.models") and not name[:1].isupper():
        return False  # functions that load models
    return module.partition(".")[0] in MODELS and not TOOLS.match(module)


def danger_in_saved_model(path: Path) -> str | None:
    """What else than computing a SavedModel's functions would do, as the end of a sentence.

    What saves and restores its variables is in the same graph and does not count: TensorFlow's own
    code does both.

    Raises:
        OSError: it is no SavedModel.
    """
    from tensorflow.python.saved_model.loader_impl import parse_saved_model

    for meta in parse_saved_model(str(path)).meta_graphs:
        for node in reached(meta):
            if acts(node):
                return (
                    f"has an operation that reads or writes files or runs Python ({node.op}, "
                    f"{node.name!r}), and is not loaded: a model must only compute."
                )
    return None


def reached(meta: Any) -> Iterator[Any]:
    """The operations of the functions that the model offers, of its signatures, and of what
    initialises it."""
    functions = {one.signature.name: one.node_def for one in meta.graph_def.library.function}
    nodes = {node.name: node for node in meta.graph_def.node}
    seen: set[str] = set()
    waiting = [*ancestors(nodes, starts(meta))]
    waiting += [
        node
        for name in meta.object_graph_def.concrete_functions
        for node in functions.get(name, ())
    ]
    while waiting:
        node = waiting.pop()
        yield node
        for name in called(node):
            if name in functions and name not in seen:
                seen.add(name)
                waiting += functions[name]


def starts(meta: Any) -> Iterator[str]:
    """The names of the graph's results."""
    for signature in meta.signature_def.values():
        yield from (output.name for output in signature.outputs.values())
    for collection in meta.collection_def.values():
        yield from collection.node_list.value


def ancestors(nodes: dict[str, Any], names: Iterable[str]) -> Iterator[Any]:
    waiting, seen = [*names], set()
    while waiting:
        name = waiting.pop().removeprefix("^").partition(":")[0]
        if name in nodes and name not in seen:
            seen.add(name)
            yield nodes[name]
            waiting += nodes[name].input


def called(node: Any) -> Iterator[str]:
    yield node.op  # a function may be called like an operation
    for value in node.attr.values():
        yield value.func.name
        yield from (each.name for each in value.list.func)


def acts(node: Any) -> bool:
    from tensorflow.python.framework import op_def_registry

    definition = op_def_registry.get(node.op)
    if definition is None or node.op in HARMLESS | VOCABULARIES:
        return False
    if "PyFunc" in node.op or node.attr["output_stream"].s.startswith(b"file:"):
        return True
    given = (*definition.input_arg, *definition.attr)
    return any(PLACES.search(argument.name) for argument in given)
