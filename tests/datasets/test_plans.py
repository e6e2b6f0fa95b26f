"""Plans: the first writer's stays, and what differs from it is refused by name."""

import os
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backlight.errors import BacklightWarning, HyperParameterError
from backlight_datasets import BlockStore, Plan, StoreError, versions

PLAN = Plan(
    count=10,
    block_length=4,
    techniques=("Gradient()", "LRP(epsilon=1e-06)"),
    targets=("predicted", "true"),
    data="d" * 64,
    model="m" * 64,
    options={"seed": 3, "preprocessing": {"mean": [0.5, 0.25]}, "size": None},
    versions={"backlight": "1", "torch": "2.6"},
)

CHANGES: dict[str, Any] = {
    "count": 11,
    "block_length": 5,
    "dtype": "float16",
    "techniques": ("Gradient()",),
    "targets": ("true", "predicted"),
    "data": "e" * 64,
    "model": "n" * 64,
    "options": {"seed": 4, "preprocessing": {"mean": [0.5, 0.25]}, "size": None},
    "versions": {"backlight": "1", "torch": "2.7"},
}


def test_blocks_and_their_rows() -> None:
    assert PLAN.blocks == 3
    assert [PLAN.rows(k) for k in range(3)] == [(0, 4), (4, 8), (8, 10)]
    assert replace(PLAN, count=8).blocks == 2
    assert replace(PLAN, count=0).blocks == 0


def test_a_plan_is_read_as_it_was_written(tmp_path: Path) -> None:
    BlockStore.begin(tmp_path / "a" / "store", PLAN)
    found = BlockStore.open(tmp_path / "a" / "store").plan
    assert found == PLAN
    assert found.digest == PLAN.digest
    assert BlockStore.begin(tmp_path / "a" / "store", found).plan == PLAN
    assert [path.name for path in (tmp_path / "a" / "store").iterdir()] == ["plan.json"]


@pytest.mark.parametrize("entry", CHANGES)
def test_another_plan_is_refused_by_name(tmp_path: Path, entry: str) -> None:
    BlockStore.begin(tmp_path, PLAN)
    other = replace(PLAN, **{entry: CHANGES[entry]})
    assert other.digest != PLAN.digest
    with pytest.raises(StoreError) as caught:
        BlockStore.begin(tmp_path, other)
    name = {"options": "options.seed", "versions": "versions.torch"}.get(entry, entry)
    message = str(caught.value)
    assert message.count(" there, ") == 1, message
    assert f" {name}: " in message
    assert str(tmp_path) in message
    assert message.endswith("or delete this one to begin again.")
    assert BlockStore.open(tmp_path).plan == PLAN


def test_what_is_refused_says_old_and_new(tmp_path: Path) -> None:
    BlockStore.begin(tmp_path, PLAN)
    options: Any = {"size": None, "preprocessing": {"mean": [0.5, 0.25]}, "rule": "all"}
    with pytest.raises(StoreError) as caught:
        BlockStore.begin(tmp_path, replace(PLAN, options=options, count=9))
    assert "count: 10 there, 9 now" in str(caught.value)
    assert "options.rule: nothing there, 'all' now" in str(caught.value)
    assert "options.seed: 3 there, nothing now" in str(caught.value)


def test_a_plan_without_a_block_gives_way_where_that_is_said(tmp_path: Path) -> None:
    BlockStore.begin(tmp_path, PLAN)
    other = replace(PLAN, count=3)
    with pytest.warns(BacklightWarning, match="no block of it was done: this one takes its place"):
        store = BlockStore.begin(tmp_path, other, replaces=True)
    assert BlockStore.open(tmp_path).plan == store.plan == other
    store.write(0, np.arange(3), {"score": np.zeros(3)})
    with pytest.raises(StoreError, match="count: 3 there, 10 now"):
        BlockStore.begin(tmp_path, PLAN, replaces=True)
    assert BlockStore.begin(tmp_path, other, replaces=True).missing() == []


@pytest.mark.parametrize("links", [True, False])
def test_one_of_many_that_begin_at_once_is_first(
    tmp_path: Path, links: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    if not links:  # as on a memory card
        monkeypatch.setattr(os, "link", none)
    plans = [replace(PLAN, options={"number": k}) for k in range(12)]
    begun, refused = [], []
    together = threading.Barrier(len(plans))

    def begin(plan: Plan) -> None:
        together.wait()
        try:
            begun.append(BlockStore.begin(tmp_path, plan).plan)
        except StoreError as error:
            refused.append(error)

    threads = [threading.Thread(target=begin, args=(plan,)) for plan in plans]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(begun) + len(refused) == len(plans)
    assert BlockStore.open(tmp_path).plan in begun
    if links:
        assert len(begun) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]


def test_what_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"holds no store: there is no plan\.json"):
        BlockStore.open(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file is a file; a store is a folder"):
        BlockStore.begin(tmp_path / "file", PLAN)
    for text, message in (
        ("{", "is no plan that can be read"),
        ("[]", "is no plan that can be read"),
        ('{"format": 2}', "is of format 2; this is Backlight .* which reads format 1"),
        ('{"name": "of something else"}', "it names no format"),
    ):
        (tmp_path / "plan.json").write_text(text)
        for way in (BlockStore.open, lambda folder: BlockStore.begin(folder, PLAN)):
            with pytest.raises(StoreError, match=message):
                way(tmp_path)


def test_plans_that_no_store_has(tmp_path: Path) -> None:
    for text, message in (
        ('{"format": 1}', "is no plan that can be read: KeyError"),
        (PLAN.text.replace("float32", "int8"), "is no plan that can be read: HyperParameterError"),
        (PLAN.text.replace('"count"', '"number"'), "is no plan that can be read: TypeError"),
    ):
        (tmp_path / "plan.json").write_text(text)
        with pytest.raises(StoreError, match=message):
            BlockStore.open(tmp_path)
        with pytest.raises(StoreError, match="was begun with another plan"):
            BlockStore.begin(tmp_path, PLAN)


def test_what_is_no_plan() -> None:
    for wrong in ({"count": -1}, {"block_length": 0}, {"dtype": "bfloat16"}):
        with pytest.raises(HyperParameterError, match="A plan has a count of at least 0"):
            replace(PLAN, **wrong)
    values: list[Any] = [float("nan"), {1, 2}]
    for value in values:
        with pytest.raises(HyperParameterError, match="options and versions are texts"):
            replace(PLAN, options={"x": value})


def test_versions_are_of_what_is_installed() -> None:
    found = versions("pillow")
    assert found.keys() == {"backlight", "numpy", "pillow"}
    assert Plan(count=1, block_length=1).versions == versions()
