"""Whether derivatives reach what is explained, and what is said where they do not."""

from collections.abc import Sequence

from backlight.explaining.completeness import listed
from backlight.explaining.objective import Objective
from backlight.graph.dependence.cuts import Connection, Cut
from backlight.rules.rules import Rules
from backlight.values.arrays import shape_of
from backlight.values.tree import leaves, names

ADVICE = (
    "A technique without gradients, such as occlusion, sees what is behind a cut; so does any "
    "technique at an inner site that comes after it (at=...)."
)


def connection_of(objective: Objective, rules: Rules | None = None) -> Connection:
    """The connection of a value and a score, found once for a model, shapes and kind of score.

    Args:
        rules: that the backward pass obeys: what they bridge is no cut.
    """
    model, inputs = objective.model, objective.inputs
    shapes = tuple(shape_of(leaf)[1:] for leaf in leaves(inputs.attributed))
    found = model.recall(
        "connection",
        (shapes, objective.target.recipe, objective.at),
        lambda: model.connection(inputs, objective.target, at=objective.at),
    )
    cuts = tuple(
        cut for cut in found.cuts if rules is None or not rules.bridges(cut.type, cut.name)
    )
    if len(cuts) == len(found.cuts):
        return found
    return Connection(found.depends, found.depends, cuts)


def unreached_objection(connection: Connection, what: Sequence[str]) -> str | None:
    """Why no gradient of the score reaches anything of what is explained; None where one does."""
    if any(connection.reached):
        return None
    together = " and ".join(what)
    if not any(connection.depends):
        return f"The score does not depend on {together}: there is nothing to attribute."
    place = cuts_listed(connection.cuts) or ", where the numbers leave the framework"
    return (
        f"No gradient of the score reaches {together}: each way is cut{place}. Any "
        f"attribution by gradients would be 0. {ADVICE}"
    )


def unreached_notes(connection: Connection, what: Sequence[str]) -> tuple[str, ...]:
    """A sentence for each leaf of the value that no gradient reaches, where others are reached."""
    found, place = [], cuts_listed(connection.cuts)
    for name, reached, depends in zip(what, connection.reached, connection.depends, strict=True):
        if not depends:
            found.append(f"The score does not depend on {name}: its values are all 0.")
        elif not reached:
            found.append(
                f"No gradient reaches {name}, though the score depends on it: each way is cut"
                f"{place}. Its values are 0, whatever it does. {ADVICE}"
            )
    return tuple(found)


def cut_notes(connection: Connection) -> tuple[str, ...]:
    """What is to be said about ways that are cut beside others."""
    if not connection.cuts:
        return ()
    place = cuts_listed(connection.cuts)
    return (
        f"Some ways of the gradient are cut{place}: what the score owes to them is not in the values.",
    )


def cuts_listed(cuts: Sequence[Cut], most: int = 5) -> str:
    """Where, for a message: ` at cast to int64 (emb), stop_gradient`."""
    told = [f"{cut.type} ({cut.name})" if cut.name else cut.type for cut in cuts]
    return f", at {listed(list(dict.fromkeys(told)), most)}" if told else ""


def named_parts(objective: Objective, connection: Connection) -> list[str]:
    """What each leaf of the explained value is called in messages."""
    if objective.at is not None:
        what, parts = f"the value at {objective.at!r}", range(len(connection.reached))
        return [what] if len(parts) == 1 else [f"part {part} of {what}" for part in parts]
    value = objective.inputs.attributed
    if len(leaves(value)) == 1:
        return ["the input"]
    return [f"input {name!r}" for name in names(value)]
