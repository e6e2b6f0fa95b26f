"""Where a study writes down what it finds, and what each store is of."""

from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import final
from weakref import finalize

from backlight_datasets import BlockStore, Plan
from backlight_study.answers import arrays_digest, technique_text
from backlight_study.explaining import Cases, block_length
from backlight_study.selection import Selection


@final
class TemporaryFolder:
    """A folder that is there as long as this object is."""

    def __init__(self) -> None:
        self.path = Path(mkdtemp(prefix="backlight-study-"))
        finalize(self, rmtree, self.path, ignore_errors=True)


def begin_store(folder: Path, name: str, plan: Plan) -> BlockStore:
    """The store of this plan, begun now or before; each plan has a folder of its own."""
    return BlockStore.begin(folder / f"{name}-{plan.digest[:16]}", plan)


def maps_plan(asked: Plan, cases: Cases, selection: Selection) -> Plan:
    """Of the techniques' answers about the cases.

    Args:
        asked: of the model's answers about all examples.
    """
    task = cases.task
    return Plan(
        count=len(cases.rows),
        block_length=block_length(len(cases.rows)),
        techniques=tuple(technique_text(one, cases.baseline) for one in cases.techniques),
        targets=("predicted", "true", "contrast")
        if task.name == "classification"
        else (task.question,),
        data=asked.digest,
        model=asked.model,
        options={
            **asked.options,
            "rows": cases.rows.tolist(),
            "parts": list(selection.parts),
            "baseline": cases.baseline,
            "batch_size": cases.batch_size,
            "arrays": [arrays_digest(one) for one in cases.techniques],
            **({} if cases.answered is None else {"answered": cases.answered.digest}),
        },
        versions=asked.versions,
    )
