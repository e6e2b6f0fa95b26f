"""Chromium without a window and without a network, and what the tests ask it."""

import io
import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from selenium import webdriver
from selenium.common.exceptions import TimeoutException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

Scheme = Literal["light", "dark"]
Read = TypeVar("Read")

ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)

AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"

FOLLOWED = (
    "const done = arguments[0]; setTimeout(() => requestAnimationFrame(() => setTimeout(done)))"
)
"""Comes back behind all events that are waiting, and behind the next frame."""

DECODED = (
    "const [element, done] = arguments;"
    "Promise.all([...element.querySelectorAll('img')].map(one => one.decode())).then(() => done())"
)
"""Comes back once all pictures in an element can be read."""


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise FileNotFoundError(
            f"The pages are tested in Chromium, but there is no {name}. "
            "On Debian: apt-get install chromium chromium-driver npm"
        )
    return found


class Browser:
    """One Chromium for all tests; each opens its page anew."""

    def __init__(self) -> None:
        options = webdriver.ChromeOptions()
        options.binary_location = program("chromium")
        for argument in ARGUMENTS:
            options.add_argument(argument)
        logs = {"browser": "ALL", "performance": "ALL"}
        options.set_capability("goog:loggingPrefs", logs)
        self.driver = webdriver.Chrome(options=options, service=Service(program("chromedriver")))

    def open(
        self,
        page: Path,
        hash: str = "",
        *,
        width: int = 1280,
        height: int = 900,
        scheme: Scheme = "light",
        scripts: bool = True,
    ) -> "Browser":
        command = self.driver.execute_cdp_cmd
        self.driver.get("about:blank")  # a change of the hash alone would load nothing
        command(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500},
        )
        colours = {"name": "prefers-color-scheme", "value": scheme}
        command("Emulation.setEmulatedMedia", {"media": "", "features": [colours]})
        command("Emulation.setScriptExecutionDisabled", {"value": not scripts})
        for kind in ("browser", "performance"):
            self.driver.get_log(kind)
        self.driver.get(page.as_uri() + hash)
        self.scripts = scripts
        # Chromium says that a page without scripts is there before all of it is.
        loaded = "return document.readyState === 'complete'"
        WebDriverWait(self.driver, 30).until(lambda driver: driver.execute_script(loaded))
        return self

    def close(self) -> None:
        self.driver.quit()

    def follow(self) -> None:
        """Waits until the page has followed what was done."""
        if self.scripts:
            self.driver.execute_async_script(FOLLOWED)

    def run(self, script: str, *arguments: Any) -> Any:
        """What a script returns once the page has followed what was done."""
        self.follow()
        return self.driver.execute_script(script, *arguments)

    def one(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def texts(self, selector: str) -> list[str]:
        """The text of each element, seen or not, its spaces as in print."""
        found = self.run(
            "return [...document.querySelectorAll(arguments[0])].map(one => one.textContent)",
            selector,
        )
        return [" ".join(text.split()) for text in found]

    def choose(self, control: str, value: str) -> None:
        """Sets a control as a user does: the page hears of it."""
        self.run(
            "const one = document.getElementById(arguments[0]); one.value = arguments[1];"
            "one.dispatchEvent(new Event('input', { bubbles: true }))",
            control,
            value,
        )

    def press(self, *keys: str) -> None:
        """Types keys, whatever has the focus, and waits until the page has followed."""
        for key in keys:
            ActionChains(self.driver).send_keys(key).perform()
            self.follow()

    def cases(self) -> list[str]:
        """The ids of the cases that are shown, in order."""
        return list(
            self.run(
                "return [...document.querySelectorAll('.case')]"
                ".filter(one => getComputedStyle(one).display !== 'none').map(one => one.id)"
            )
        )

    def becomes(self, read: Callable[[], Read], expected: Read) -> bool:
        """Whether what is read of the page is this, at once or as soon as it has followed a click."""
        with suppress(TimeoutException):
            WebDriverWait(self.driver, 10, poll_frequency=0.05).until(lambda _: read() == expected)
        return read() == expected

    def shows(self, expected: set[str]) -> bool:
        """Whether these cases are shown, in whatever order, as soon as the page has followed a click."""
        return self.becomes(lambda: set(self.cases()), expected)

    def maps(self) -> set[tuple[str, str]]:
        """Technique and question of the maps that are shown."""
        found = self.run(
            "const seen = one => getComputedStyle(one).display !== 'none';"
            "return [...document.querySelectorAll('.case:not([hidden]) .map')]"
            ".filter(one => seen(one) && seen(one.closest('.technique')))"
            ".map(one => [one.closest('.technique').dataset.technique, one.dataset.question])"
        )
        return {(technique, question) for technique, question in found}

    def top(self, selector: str) -> float:
        """How far below the window's upper edge an element begins, in pixels."""
        script = "return document.querySelector(arguments[0]).getBoundingClientRect().top"
        return float(self.run(script, selector))

    def address(self) -> str:
        self.follow()
        return self.driver.current_url

    def shown(self, selector: str) -> bool:
        self.follow()
        return self.one(selector).is_displayed()

    def value_at(self, selector: str, across: float, down: float) -> str:
        """What stands beside the pointer above a map.

        Args:
            across: from the left edge of the map, 0, to the right one, 1.
            down: from the upper edge, 0, to the lower one, 1.
        """
        element = self.one(selector)
        self.run("arguments[0].scrollIntoView({ block: 'center' })", element)
        self.follow()
        self.driver.execute_async_script(DECODED, element)
        right, below = (
            round((share - 0.5) * element.size[side])
            for share, side in ((across, "width"), (down, "height"))
        )
        ActionChains(self.driver).move_to_element_with_offset(element, right, below).perform()
        (words,) = self.texts("#readout")
        return words.replace("\N{MINUS SIGN}", "-")

    def pixels(self, selector: str) -> NDArray[np.float64]:
        """An element as it is drawn, from 0 to 1, (H, W, 3): what two pictures of it in a row show alike.
        What comes into sight is white until it is painted, whatever its own ground, and is waited for."""
        element = self.one(selector)
        self.run("arguments[0].scrollIntoView({ block: 'center' })", element)
        before = seen = np.zeros(())
        with suppress(TimeoutException):
            wait = WebDriverWait(self.driver, 10, poll_frequency=0.05)

            def painted(_: object) -> bool:
                nonlocal before, seen
                self.follow()
                image = Image.open(io.BytesIO(element.screenshot_as_png)).convert("RGB")
                before, seen = seen, np.asarray(image) / 255
                return np.array_equal(before, seen) and bool(np.ptp(seen) > 0)

            wait.until(painted)
        return seen

    def complaints(self) -> list[str]:
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """The addresses that the page asked for, itself included; data in the page is no request."""
        events = [
            json.loads(one["message"])["message"] for one in self.driver.get_log("performance")
        ]
        asked = [
            event["params"]["request"]["url"]
            for event in events
            if event["method"] == "Network.requestWillBeSent"
        ]
        return [one for one in asked if not one.startswith("data:")]

    def faults(self) -> list[str]:
        """What axe-core finds serious or critical."""
        if not AXE.is_file():
            raise FileNotFoundError(f"{AXE} is missing: make pages fetches it with npm")
        self.run(AXE.read_text(encoding="utf-8"))
        found = self.driver.execute_async_script(
            "axe.run(document, { resultTypes: ['violations'] }).then(arguments[0])"
        )
        return [
            f"{one['id']} ({one['impact']}): {one['nodes'][0]['html'][:200]}"
            f" {one['nodes'][0].get('failureSummary', '')}"
            for one in found["violations"]
            if one["impact"] in ("serious", "critical")
        ]


__all__ = ["Browser", "Keys", "Scheme"]
