"""Studies that nets made, opened and used as a reader does; what is shown is held against `study.json`
and the map files beside it."""

from pathlib import Path

import numpy as np
import pytest

from backlight_demo import fashion, planted
from backlight_loading.names import short
from backlight_pictures.layers import read_map
from tests.pages import real_studies
from tests.pages.browse_views import STACK, pixels
from tests.pages.browser import Browser, Keys, Scheme
from tests.pages.real_studies import Record, record_of

ROOT = Path(__file__).parents[2]
# Each study is made once, by the one process that runs all its tests.
STUDIES = [
    pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in ("clothes", "photos")
]


@pytest.fixture(scope="session")
def clothes(folder: Path) -> tuple[Path, Record]:
    real_studies.clothes(folder / "clothes")
    return folder / "clothes" / "report.html", record_of(folder / "clothes")


@pytest.fixture(scope="session")
def photos(folder: Path) -> tuple[Path, Record]:
    real_studies.photos(folder / "photos")
    return folder / "photos" / "report.html", record_of(folder / "photos")


@pytest.fixture(params=STUDIES)
def real(request: pytest.FixtureRequest) -> tuple[Path, Record]:
    found: tuple[Path, Record] = request.getfixturevalue(request.param)
    return found


def ids(study: Record, key: str, number: int) -> set[str]:
    return {case["id"] for case in study["cases"] if case[key]["class"] == number}


def test_it_says_what_the_record_says(browser: Browser, real: tuple[Path, Record]) -> None:
    page, study = real
    browser.open(page)
    accuracy = study["performance"]["accuracy"]
    assert f"{accuracy['correct']:,} of {accuracy['count']:,}" in browser.texts(".tile")[0]
    sentences = browser.texts("#summary li")
    assert len(sentences) == len(study["summary"]) >= 2
    for sentence, one in zip(sentences, study["summary"], strict=True):
        assert sentence.startswith(one["text"])
    for link in browser.all("#summary a"):
        target = str(link.get_attribute("href")).partition("#")[2]
        assert browser.run("return !!document.getElementById(arguments[0])", target)
    assert browser.texts(".note p") == study["notes"]
    for case in study["cases"]:
        (verdict,) = browser.texts(f"#{case['id']} .verdict")
        said = "called" if case["wrong"] else "rightly called"
        assert f"{said} {short(case['predicted']['name'])} (" in verdict
        odds = browser.texts(f"#{case['id']} .odds li")
        for shown, one in zip(odds, case["probabilities"], strict=True):
            assert shown.startswith(short(one["name"]))


def test_a_cell_is_clicked(browser: Browser, real: tuple[Path, Record]) -> None:
    page, study = real
    browser.open(page)
    seen = set()
    places = range(len(browser.all("[data-cell]")))
    for place in places[:: max(1, len(places) // 6)]:
        cell = browser.all("[data-cell]")[place]
        _, true, predicted = str(cell.get_attribute("data-cell")).split("-")
        browser.run("arguments[0].scrollIntoView({ block: 'center' })", cell)
        cell.click()
        expected = ids(study, "true", int(true)) & ids(study, "predicted", int(predicted))
        assert browser.shows(expected)
        seen |= expected
    assert seen


def test_filters(browser: Browser, real: tuple[Path, Record]) -> None:
    page, study = real
    browser.open(page)
    some = study["cases"][-1]
    wrong = {case["id"] for case in study["cases"] if case["wrong"]}
    sure = {case["id"] for case in study["cases"] if case["confidence"] >= 0.5}
    called, true = (some[key]["class"] for key in ("predicted", "true"))
    for control, value, expected in (
        ("predicted", str(called), ids(study, "predicted", called)),
        ("true", str(true), ids(study, "true", true)),
        ("answer", "wrong", wrong),
        ("from", "50", sure),
        ("find", some["name"], {one["id"] for one in study["cases"] if some["name"] in one["name"]}),
    ):  # fmt: skip
        browser.choose(control, value)
        assert browser.shows(expected), control
        assert browser.texts("#count") == [f"{len(expected)} of {len(study['cases'])}"]
        browser.one("#clear").click()
    for place, finding in enumerate(study["findings"]):
        if finding["cases"]:
            browser.run("document.querySelector(arguments[0]).click()", f"#finding-{place} .button")
            assert browser.shows(set(finding["cases"]))


def test_techniques_and_questions_are_switched(browser: Browser, real: tuple[Path, Record]) -> None:
    page, study = real
    browser.open(page)
    all_of = set(map(str, range(len(study["methods"]))))
    assert browser.becomes(browser.maps, {(one, "contrast") for one in all_of})
    browser.one("#question input[value=predicted] + span").click()
    assert browser.becomes(browser.maps, {(one, "predicted") for one in all_of})
    browser.choose("technique", "1")
    assert browser.becomes(browser.maps, {("1", "predicted")})
    browser.one("#question input[value=contrast] + span").click()
    assert browser.becomes(browser.maps, {("1", "contrast")})


def test_the_slider_fades_the_map(browser: Browser, real: tuple[Path, Record]) -> None:
    browser.open(real[0])
    full = pixels(browser)
    browser.run("document.getElementById('opacity').focus()")
    browser.press(Keys.HOME)
    none = pixels(browser)
    assert browser.run("return document.getElementById('opacity').value") == "0"
    assert np.ptp(none, axis=-1).max() < 0.02  # grey alone
    assert np.ptp(none) > 0.1  # but the picture is there
    assert np.ptp(full, axis=-1).max() > 0.3


def test_keys(browser: Browser, real: tuple[Path, Record]) -> None:
    page, study = real
    browser.open(page)
    focused = "return document.activeElement.id"
    browser.press("j", "j")
    assert browser.run(focused) == study["cases"][1]["id"]
    browser.press("k", "3", Keys.ARROW_LEFT)
    assert browser.run(focused) == study["cases"][0]["id"]
    assert browser.becomes(browser.maps, {("2", "true")})


def test_a_deep_link(browser: Browser, real: tuple[Path, Record]) -> None:
    page, study = real
    some = study["cases"][-1]
    browser.open(
        page,
        f"#predicted={some['predicted']['class']}&question=predicted&technique=1&case={some['id']}",
    )
    assert browser.shows(ids(study, "predicted", some["predicted"]["class"]))
    assert {technique for technique, _ in browser.maps()} == {"1"}
    assert browser.run("return document.activeElement.id") == some["id"]


def test_the_value_below_the_pointer_is_the_map_s(
    browser: Browser, real: tuple[Path, Record]
) -> None:
    page, study = real
    browser.open(page)
    row = study["cases"][0]["explanations"][0]
    read = read_map((page.parent / row["targets"]["contrast"]["file"]).read_bytes())
    assert read is not None
    grey, scale = read
    assert scale.limit == pytest.approx(row["limit"])
    height, width = grey.shape
    errors = []
    for place in (0.2, 0.4, 0.6):
        y, x = int(place * height), int(place * width)
        words = browser.value_at(STACK, (x + 0.5) / width, (y + 0.5) / height)
        seen = float(words.rpartition(" ")[2])
        # Maps of photos are packed with losses, and a pixel of the screen may be the next place.
        near = grey[max(0, y - 2) : y + 3, max(0, x - 2) : x + 3].astype(float)
        values = (near - 128) / 127 * scale.limit
        errors.append(max(values.min() - seen, seen - values.max(), 0) / scale.limit)
    assert max(errors) < 0.1


def test_without_scripts_all_is_there(browser: Browser, real: tuple[Path, Record]) -> None:
    page, study = real
    browser.open(page, scripts=False)
    assert browser.becomes(browser.cases, [case["id"] for case in study["cases"]])
    assert not browser.shown("#toolbar")
    shown = {
        (case["id"], row["name"].replace("_", " "))
        for case in study["cases"]
        for row in case["explanations"]
    }
    found = browser.run(
        "return [...document.querySelectorAll('.technique')]"
        ".map(one => [one.closest('.case').id, one.getAttribute('aria-label')])"
    )
    assert set(map(tuple, found)) == shown
    last = study["cases"][-1]["id"]
    browser.run("document.getElementById(arguments[0]).scrollIntoView()", last)
    widths = (
        "return [...document.querySelectorAll(`#${arguments[0]} img`)].map(one => one.naturalWidth)"
    )
    assert min(browser.run(widths, last)) > 0


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light")])
def test_screens(browser: Browser, real: tuple[Path, Record], width: int, scheme: Scheme) -> None:
    page, _ = real
    browser.open(page, width=width, scheme=scheme)
    assert browser.run("return document.documentElement.scrollWidth") <= width
    assert browser.requests() == [page.as_uri()]
    assert browser.complaints() == []
    if width == 390:  # axe takes seconds
        assert browser.faults() == []
    pictures = ROOT / "build" / "pages"
    pictures.mkdir(parents=True, exist_ok=True)
    for part in ("top", "findings", "confusions", "cases"):
        if part != "top":
            browser.run("document.getElementById(arguments[0]).scrollIntoView()", part)
        browser.driver.execute_async_script("setTimeout(arguments[0], 60)")
        browser.driver.save_screenshot(
            str(pictures / f"{page.parent.name}-{width}-{scheme}-{part}.png")
        )


@pytest.mark.xdist_group("clothes")
def test_the_demo_finds_what_was_planted(browser: Browser, clothes: tuple[Path, Record]) -> None:
    page, study = clothes
    marked = {f"test picture {row}" for row in planted.marked_shirts(fashion.examples()[1])}
    pattern, labels = study["findings"][:2]
    assert (pattern["kind"], labels["kind"]) == ("clusters", "suspect_labels")
    browser.open(page)
    browser.run("document.querySelector('#finding-0 .button').click()")
    names = {case["name"] for case in study["cases"] if case["id"] in browser.cases()}
    assert len(names) >= 15
    assert names <= marked
    assert all(one in browser.texts(".note p")[0] for one in ("Planted", str(len(marked)), "Coat"))
    about = [one["about"] for one in study["summary"]]
    assert about == ["performance", "confusion", "findings", "findings", "metrics"]
    assert "Shirt is what it gets wrong most" in study["summary"][1]["text"]
    assert "at the lower right" in study["summary"][2]["text"]
    # What beats maps that know nothing, and what does not, is what the table says.
    beaten = browser.texts(".metrics tbody tr:not(.control)")
    believed, _, rest = study["summary"][4]["text"].partition(" here: ")
    for row in beaten:
        name = next(
            one["name"] for one in study["methods"] if row.startswith(one["name"].replace("_", " "))
        )
        assert (name.replace("_", " ") in believed) is ("does not beat" not in row)
        assert (name.replace("_", " ") in rest) is ("does not beat" in row)
    assert any("does not beat" in row for row in beaten) and any(
        "\N{CHECK MARK}" in row for row in beaten
    )
