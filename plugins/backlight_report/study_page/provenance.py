"""How the study was made, so that it can be made again, and what each technique can and can't say."""

from backlight_report.study_page.record import StudyRecord


def provenance_view(study: StudyRecord) -> list[StudyRecord]:
    """Names and values; those that are code are marked."""
    versions, data = study["versions"], study["data"]
    prints, passes = study.get("fingerprints") or {}, study.get("passes") or {}
    reading = " \N{MULTIPLICATION SIGN} ".join(str(size) for size in study["input"]["shape"])
    rows = [
        ("Call", study.get("call"), True),
        ("Made", study["created"].replace("T", " "), False),
        ("Versions", ", ".join(f"{name} {version}" for name, version in versions.items()), False),
        ("Model", study["model"], True),
        ("Model's fingerprint", prints.get("model"), True),
        ("Data", data["reading"], False),
        ("Data's fingerprint", prints.get("data") or data.get("fingerprint"), True),
        ("Preprocessing", study["preprocessing"], True),
        ("Baseline", study.get("baseline"), False),
        ("Nearest ones by", study.get("near") or "the outputs", bool(study.get("near"))),
        ("Input", f"{study['input']['dtype']} of shape {reading}", False),
        ("Explained quantity", study["quantity"], False),
        ("Seed", str(study.get("seed", "")), False),
        ("Time", None if study.get("seconds") is None else f"{study['seconds']:,.1f} s", False),
        ("Passes", passes_made(passes), False),
    ]
    return [{"name": name, "value": value, "code": code} for name, value, code in rows if value]


def passes_made(passes: StudyRecord) -> str:
    parts = []
    for kind in ("forward", "backward"):
        made, foretold = passes.get(kind), passes.get(f"predicted_{kind}")
        if made is not None:
            said = "" if foretold is None else f" (foretold: {foretold:,})"
            parts.append(f"{made:,} {kind}{said}")
    return ", ".join(parts)


def selection_view(study: StudyRecord) -> StudyRecord:
    """Which cases were chosen: the rule says how many, and how many there are."""
    left = study["selection"].get("left_out") or 0
    return {"rule": study["selection"]["rule"], "left_out": f"{left:,}" if left else ""}


def method_view(method: StudyRecord, study: StudyRecord) -> StudyRecord:
    at = f", at={method['at']!r}" if method.get("at") else ""
    return {
        **method,
        "title": method["name"].replace("_", " "),
        "call": f"backlight.explain(model, x, target=\N{HORIZONTAL ELLIPSIS}, "
        f"method={method['method']}{at})",
    }
