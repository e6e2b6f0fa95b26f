"""What a model's file would run, looked at before anything is loaded.

An exported program is an archive of numbers and of a graph, and its reader unpickles some members,
evaluates others as text and puts more text into code that it generates. All of it must be of the
kind that `torch.export.save` writes for tensors: numbers, names, expressions over sizes.
"""

import ast
import io
import json
import re
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import torch

from backlight_model_files.checked import UNPICKLED

Members: TypeAlias = Mapping[str, Callable[[], bytes]]
"""How to read each member of an archive."""

UNEVALUATED = "which is not loaded: it would be run as code, and no program of tensors needs it."

COMPILED = "data/aotinductor/"
NOTES = "extra/"
OBJECTS = ("custom_obj_", "opaque_obj_")
PICKLED = ".pt"
OLD = re.compile(r"serialized_\w+\.(pt|json)")
"""The members that were read up to torch 2.7, and still are."""

ACTING = {"aten.save", "aten.from_file", "debugprims.load_tensor"}
"""Operators that read or write files."""
HIGHER_ORDER = (
    "associative_scan auto_functionalized auto_functionalized_v2 cond flex_attention hints_wrapper "
    "invoke_subgraph map_impl scan tag_activation_checkpoint while_loop with_effects "
    "wrap_with_autocast wrap_with_set_grad_enabled"
)
"""Operators on graphs of the same file. Others hand over to compiled code or to Python."""
TARGET = re.compile(r"_operator\.\w+|math\.\w+|torch\._?sym_\w+|torch\.ops(\.\w+){2,3}|#\w+:[\w.]+")

CODE = re.compile(r"[()='\"\\;{}\x00-\x1f]")
"""What a name needs in order to do anything where names are put into generated code."""
FREE = {"metadata", "as_string", "as_strings"}
"""Where any text may be: it is quoted, or shown."""

SIZES = {"size", "stride", "storage_offset", "dim", "numel"}
FUNCTIONS = {"floor", "ceiling", "ceil", "sqrt", "log", "exp", "abs", "max", "min", "int", "float"}
EXPRESSION = (
    *(ast.Expression, ast.Call, ast.keyword, ast.Name, ast.Load, ast.Constant, ast.BinOp),
    *(ast.UnaryOp, ast.BoolOp, ast.Compare, ast.operator, ast.unaryop, ast.boolop, ast.cmpop),
    *(ast.Subscript, ast.Attribute),
)


def danger_in_exported(path: Path) -> str | None:
    """What an exported program would run, as the end of a sentence; None if it would run nothing.

    Raises:
        ValueError, KeyError, OSError, zipfile.BadZipFile: it is no exported program.
    """
    found = (
        danger for members in views(path) for name in members for danger in dangers(name, members)
    )
    return next(found, None)


def views(path: Path) -> Iterator[Members]:
    """An archive's members as each of its two readers finds them, who may not agree."""
    with zipfile.ZipFile(path) as archive:
        yield {
            name: partial(archive.read, name) for name in archive.namelist() if OLD.fullmatch(name)
        }
    try:
        reader = torch._C.PyTorchFileReader(str(path))
    except RuntimeError:  # then the newer format is not read either
        return
    yield {
        name: partial(reader.get_record, name)
        for name in reader.get_all_records()
        if not name.startswith(NOTES)
    }


def dangers(name: str, members: Members) -> Iterator[str]:
    folder, _, last = name.rpartition("/")
    pickled = [name] if last.endswith(PICKLED) else []
    if name.startswith(COMPILED):
        yield f"holds compiled code ({name}), which is not loaded: it could do anything."
    elif last.startswith(OBJECTS):
        yield f"holds a pickled object ({name}), {UNPICKLED}"
    elif last.endswith(".json"):
        stored = json.loads(members[name]())
        yield from in_json(stored, name)
        weights = stored.get("config", {}).values()
        pickled += [f"{folder}/{one['path_name']}" for one in weights if one.get("use_pickle")]
    for one in pickled:
        if not is_tensors(members[one]()):
            yield f"holds a pickled object ({one}), {UNPICKLED}"


def is_tensors(stored: bytes) -> bool:
    """Whether nothing but tensors and plain containers was pickled."""
    if not stored:
        return True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a pickle that may be none of torch's
            torch.load(io.BytesIO(stored), map_location="meta", weights_only=True)
    except Exception:  # whatever it is, it is not that
        return False
    return True


def in_json(value: Any, where: str) -> Iterator[str]:
    """What is no number, no name and no expression, in any part of a program or of a list of
    weights."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from in_json(key, where)
            if key not in FREE:
                yield from in_json(part, str(key))
    elif isinstance(value, list):
        for part in value:
            yield from in_json(part, where)
    elif isinstance(value, str) and not harmless(value, where):
        shown = value if len(value) < 80 else f"{value[:80]}..."
        yield f"holds {shown!r} for {where}, {UNEVALUATED}"


def harmless(text: str, key: str) -> bool:
    if key in ("target", "as_operator"):
        return is_operator(text)
    if key in ("expr_str", "guards_code"):
        return is_expression(text, sizes=key == "guards_code")
    if key in ("in_spec", "out_spec") and text:
        return is_structure(json.loads(text))
    return not CODE.search(text)


def is_operator(target: str) -> bool:
    namespace, _, name = target.removeprefix("torch.ops.").partition(".")
    name = name.partition(".")[0]
    if not TARGET.fullmatch(target) or f"{namespace}.{name}" in ACTING:
        return False
    return namespace != "higher_order" or name in HIGHER_ORDER.split()


def is_expression(text: str, sizes: bool) -> bool:
    """Whether it is arithmetic and comparisons of numbers and symbols, and of sizes of inputs."""
    try:
        parsed = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    allowed = EXPRESSION if sizes else EXPRESSION[:-2]
    return all(isinstance(node, allowed) and is_arithmetic(node) for node in ast.walk(parsed))


def is_arithmetic(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Name(id=name)):  # classes of SymPy's, or its functions
            return name[0].isupper() or name in FUNCTIONS
        case ast.Call(func=function):
            return isinstance(function, ast.Attribute)
        case ast.Attribute(value=owner, attr=name):
            return name in (FUNCTIONS if isinstance(owner, ast.Name) else SIZES)
        case ast.Constant(value=str() as text):  # which SymPy evaluates in its turn
            return re.fullmatch(r"\w+", text) is not None
    return True


def is_structure(value: Any) -> bool:
    """Whether nested containers are told by names alone, and no module is named to be imported."""
    if isinstance(value, dict):
        if not value.keys().isdisjoint({"__enum__", "default_factory_module"}):
            return False
        return all(is_structure(part) for pair in value.items() for part in pair)
    if isinstance(value, list):
        return all(map(is_structure, value))
    if not isinstance(value, str):
        return True
    try:
        return is_structure(json.loads(value)) if value[:1] in "[{" else not CODE.search(value)
    except ValueError:
        return False


SCRIPTED = re.compile(r"\.[\s\\]*(save|from_file)\b")
"""The functions of TorchScript that read or write files."""


def danger_in_script(path: Path) -> str | None:
    """What a TorchScript archive would do beside computing, as the end of a sentence; else None."""
    reader = torch._C.PyTorchFileReader(str(path))
    for name in reader.get_all_records():
        code = reader.get_record(name).decode(errors="replace") if name.endswith(".py") else ""
        if found := SCRIPTED.search(code):
            return (
                f"calls {found.group(1)} in {name}, which reads or writes files, and is not loaded: a "
                "model must only compute."
            )
    return None
