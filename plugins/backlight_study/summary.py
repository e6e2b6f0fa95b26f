"""What a study found in a few sentences, for those who read no further: all of them from its record."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from backlight_findings.clustering import FEWEST
from backlight_loading.names import listed, short
from backlight_study.format import StudyRecord
from backlight_study.kinds import CALLED

MOST = 3
"""So many classes, findings or techniques are named."""

FEW = 10
"""From fewer mistakes nothing is said of techniques."""


def summary_record(record: StudyRecord) -> list[StudyRecord]:
    """The sentences, each with the key of the record that it is `about`; where that is "findings", with
    the `place` of the finding, null where there is none.

    Args:
        record: what `study.json` holds otherwise.
    """
    if record["order"]:
        text = (
            "The names of the classes seem to be in another order than the model's: until that is "
            "mended, no figure here says how good the model is."
        )
        return [{"about": "order", "text": text}]
    return [
        {"about": "performance", "text": how_good(record)},
        *({"about": "confusion", "text": text} for text in confused(record)),
        *shared(record),
        *({"about": "features", "text": text} for text in speaking(record["features"])),
        *({"about": "metrics", "text": text} for text in believed(record["metrics"])),
    ]


def how_good(record: StudyRecord) -> str:
    accuracy = record["performance"]["accuracy"]
    right, count = accuracy["correct"], accuracy["count"]
    share = f"{100 * accuracy['value']:.1f} %"
    if accuracy["low"] is not None:
        low, high = 100 * accuracy["low"], 100 * accuracy["high"]
        share += f" (95 % interval: {low:.1f} to {high:.1f} %)"
    return f"The model is right on {right:,} of {count:,} {CALLED[record['input']['kind']][1]}, {share}."


def confused(record: StudyRecord) -> Iterator[str]:
    """What is mistaken most, and for what; nothing where no class stands out by its number."""
    names = record["classes"]
    mistakes = [one for one in record["confusion"] if one["true"] != one["predicted"]]
    wrong: Counter[int] = Counter()
    for one in mistakes:
        wrong[one["true"]] += one["count"]
    ranked = wrong.most_common(2)
    if not ranked or ranked[0][1] < 2 or (len(ranked) > 1 and ranked[0][1] == ranked[1][1]):
        return
    most, count = ranked[0]
    called = sorted((one for one in mistakes if one["true"] == most), key=lambda one: -one["count"])
    support = count + sum(
        one["count"] for one in record["confusion"] if one["true"] == one["predicted"] == most
    )
    classes = [f"{short(names[one['predicted']])} ({one['count']:,})" for one in called[:MOST]]
    mostly = "" if len(called) <= MOST else "mostly "
    yield (
        f"{short(names[most])} is what it gets wrong most: {count:,} of {support:,}, "
        f"{100 * count / sum(wrong.values()):.0f} % of all its mistakes. It takes them {mostly}for "
        f"{listed(classes)}."
    )


def shared(record: StudyRecord) -> Iterator[StudyRecord]:
    """What mistakes have in common, and labels that may be wrong."""
    findings: Sequence[Mapping[str, Any]] = record["findings"]
    patterns = [
        place
        for place, one in enumerate(findings)
        if one["severity"] != "low" and one["kind"] not in ("suspect_labels", "disagreement")
    ]
    told: set[int] = set()
    for place in patterns[:MOST]:
        told.update(findings[place]["rows"])
        yield {
            "about": "findings",
            "place": place,
            "text": f"A pattern: {findings[place]['title']}",
        }
    if not patterns:
        yield {"about": "findings", "place": None, "text": no_pattern(record)}
    for place, one in enumerate(findings):
        if one["kind"] == "suspect_labels":
            both = len(told & set(one["rows"]))
            also = (
                f" {both:,} of them are of the {'pattern' if len(patterns) == 1 else 'patterns'} above: "
                "there the model may be sure for a wrong reason."
            )
            text = f"Look at the labels: {one['title']}{also if both else ''}"
            yield {"about": "findings", "place": place, "text": text}


def speaking(features: StudyRecord | None) -> Iterator[str]:
    """What speaks most for wrong answers in more than one of them, by the first technique that has said
    anything of such."""
    for one in (features or {"techniques": []})["techniques"]:
        rows = [row for row in one["rows"] if row["share"] > 0 and row["of"] > 1][:MOST]
        if rows:
            called = [f"{row['feature']} (in {row['for']:,} of {row['of']:,})" for row in rows]
            yield (
                f"Most for wrong answers speak {listed(called)}, by {one['name'].replace('_', ' ')} over "
                f"{one['cases']:,} mistakes."
            )
            return


def no_pattern(record: StudyRecord) -> str:
    accuracy = record["performance"]["accuracy"]
    wrong = accuracy["count"] - accuracy["correct"]
    if not wrong:
        return "There is no mistake to look for patterns in."
    few = f" Of {wrong} there is little to see." if wrong < FEWEST else ""
    failed = len(record["findings_failed"])
    left = f" {failed} of the searches failed." if failed else ""
    return f"No pattern was found that the mistakes share beyond what chance explains.{few}{left}"


def believed(metrics: StudyRecord | None) -> Iterator[str]:
    """Which techniques are better than maps that know nothing of the model, and which are not."""
    if metrics is None:
        return
    judged = [
        one.get("n") or 0
        for row in metrics["rows"]
        for one in row["values"].values()
        if not row["control"]
    ]
    count = max(judged, default=0)
    if count < FEW:
        yield f"Only {count} mistakes were explained: too few to say which maps to believe."
        return
    groups: dict[str, list[str]] = {"all": [], "some": [], "none": []}
    for row in metrics["rows"]:
        verdicts = [one["beats_controls"] for one in row["values"].values()]
        verdicts = [one for one in verdicts if one is not None]
        if not row["control"] and verdicts:
            kind = "all" if all(verdicts) else "some" if any(verdicts) else "none"
            groups[kind].append(row["name"].replace("_", " "))
    if groups["all"]:
        yield (
            f"Believe the maps of {listed(groups['all'])} here: they tell what the model uses better "
            f"than maps that know nothing of it.{others(groups)}"
        )
    elif groups["some"] or groups["none"]:
        yield (
            "No technique's maps tell by every measure better what the model uses than maps that know "
            "nothing of it."
            f"{others(groups)}"
        )


def others(groups: Mapping[str, Sequence[str]]) -> str:
    """Those that do so by some measures, and by none."""
    some, none = groups["some"], groups["none"]
    said = f" Those of {listed(some)} do so by some measures only." if some else ""
    return f"{said} Those of {listed(none)} do not." if none else said
