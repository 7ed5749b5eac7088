# SPDX-License-Identifier: Apache-2.0
"""A real browser without a window: Chromium, driven by Selenium."""

import contextlib
import json
import os
import shutil
import tempfile
import time
from urllib.parse import urlsplit

import pytest

pytest.importorskip("selenium", reason="needs python3-selenium")

from selenium import webdriver  # noqa: E402
from selenium.webdriver.chrome.options import Options  # noqa: E402
from selenium.webdriver.chrome.service import Service  # noqa: E402

LAPTOP, PHONE = (1366, 768), (360, 740)


class Browser:
    """One tab, with what it asked for and what its console said."""

    def __init__(self, program, driver_program, directory):
        options = Options()
        options.binary_location = program
        for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                         "--disable-background-networking", "--disable-component-update", "--disable-extensions",
                         "--no-proxy-server", f"--user-data-dir={directory}"):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(service=Service(driver_program), options=options)
        self.driver.set_page_load_timeout(30)

    def look_like(self, size=LAPTOP, dark=False):
        """As on a screen of this size, for somebody who likes it dark."""
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size == PHONE})
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce"}]})

    def open(self, url):
        """Afresh, with nothing remembered and nothing in the logs."""
        self.driver.get("about:blank")
        self.look_like()
        self.requests()
        self.console()
        self.driver.get(url)

    def script(self, code, *arguments):
        return self.driver.execute_script(code, *arguments)

    def waits(self, code, what, timeout=30):
        """Until a JavaScript expression is true; its value."""
        end = time.monotonic() + timeout
        while True:
            value = self.script(f"return {code};")
            if value:
                return value
            assert time.monotonic() < end, \
                f"waited {timeout} s for {what}:\n{self.script('return document.body.innerText')}\n{self.console()}"
            time.sleep(0.1)

    def text(self, selector):
        return self.script("return document.querySelector(arguments[0])?.textContent ?? null", selector)

    def texts(self, selector):
        return self.script("return [...document.querySelectorAll(arguments[0])].map((one) => one.textContent)",
                           selector)

    def press(self, key, modifiers=0):
        """A key, to whatever has the focus."""
        named = {"Tab": 9, "Enter": 13, "Escape": 27, "ArrowLeft": 37, "ArrowRight": 39}
        event = {"key": key, "modifiers": modifiers, "windowsVirtualKeyCode": named.get(key, ord(key[0].upper()))}
        text = {} if key in named and key != "Enter" else {"text": "\r" if key == "Enter" else key}
        self.driver.execute_cdp_cmd("Input.dispatchKeyEvent", {"type": "keyDown", **event, **text})
        self.driver.execute_cdp_cmd("Input.dispatchKeyEvent", {"type": "keyUp", **event})

    def whole_page(self, path):
        """A picture of all of it."""
        width = self.script("return innerWidth")
        height = min(self.script("return document.scrollingElement.scrollHeight"), 8000)
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width == PHONE[0]})
        self.driver.save_screenshot(path)

    def overflow(self):
        """What sticks out to the right, if the page can be scrolled there."""
        return self.script("""
            if (document.scrollingElement.scrollWidth <= innerWidth) return [];
            return [...document.querySelectorAll("body *")]
                .filter((one) => one.getBoundingClientRect().right > innerWidth)
                .map((one) => one.outerHTML.slice(0, 120)).concat(["the page"]);""")

    def console(self):
        """What has been said there since it was asked last."""
        return [f"{entry['level']}: {entry['message']}" for entry in self.driver.get_log("browser")]

    def requests(self):
        """(time in seconds, URL) of what was asked for since this was asked last."""
        found = []
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                found.append((message["params"]["timestamp"], message["params"]["request"]["url"]))
        return [(at, url) for at, url in found if urlsplit(url).scheme in ("http", "https", "ws", "wss")]


@pytest.fixture(scope="module")
def browser():
    program, driver_program = shutil.which("chromium"), shutil.which("chromedriver")
    if not program or not driver_program:
        pytest.skip("needs a browser (packages chromium and chromium-driver)")
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(
            tempfile.TemporaryDirectory(prefix="strait-browser-", ignore_cleanup_errors=True))
        # It would look for proxies, and for a home that is not there.
        stack.enter_context(pytest.MonkeyPatch.context()).setenv("HOME", directory)
        browser = Browser(program, driver_program, os.path.join(directory, "profile"))
        stack.callback(browser.driver.quit)
        yield browser
