"""Pictures of pages, for ``pictures.py``: of ``obra report`` and of Allure, in a headless Chromium.

They are left as they were where there is no Chromium; that of Allure needs Allure 3, too, which the variable
ALLURE_BINARY names. Pages can reach no host: the browser finds no name, and no address but loopback.
"""

from __future__ import annotations

import http.server
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
SECONDS = 60


def picture_pages(target: Path, demo: Path, variables: dict[str, str]) -> None:
    """The pages of obra report and of Allure, with one scenario open."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        print("no Chromium here: report.png stays as it was")
        return
    with browser(chromium, driver, demo / "profile") as page:
        words = ["-m", "obra", "report", "--out", "report.html"]
        subprocess.run([sys.executable, *words], cwd=demo, env=variables, check=True, capture_output=True)
        page.get((demo / "report.html").as_uri())
        page.find_element("css selector", ".opener").click()
        time.sleep(1)
        page.save_screenshot(str(target / "report.png"))
        picture_allure(target, page, demo, variables)


def picture_allure(target: Path, page: Any, demo: Path, variables: dict[str, str]) -> None:
    """What Allure makes of the results of picture_pytest."""
    allure = os.environ.get("ALLURE_BINARY")
    if not allure:
        print("no Allure here: allure.png stays as it was")
        return
    words = ["generate", "allure-results", "--config", str(ROOT / "docs/ci/allurerc.json"), "--output", "allure"]
    subprocess.run([allure, *words], cwd=demo, env=variables, check=True, capture_output=True)
    quiet = type("Quiet", (http.server.SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(quiet, directory=str(demo / "allure"))
    ) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page.get(f"http://127.0.0.1:{server.server_port}/")
        for what, text in (
            ("tree-section-title", "scenarios"),
            ("tree-section-title", "word_count"),
            ("tree-leaf-title", "word_count"),
        ):
            shown(page, what, text)[0].click()
        step = "test-result-step-title"
        scenario = shown(page, step, "scenario word_count")[0]
        if not shown(page, step, "attempt 1", seconds=2):  # as Allure chooses, a step is open or not
            scenario.click()
        shown(page, step, "attempt 2")[0].click()
        page.execute_script("arguments[0].scrollIntoView()", scenario)
        time.sleep(1)
        page.save_screenshot(str(target / "allure.png"))
        server.shutdown()


def shown(page: Any, name: str, text: str, *, seconds: float = SECONDS) -> list[Any]:
    """Return what a person sees of the things with a name that hold a text, once there are any."""
    end = time.monotonic() + seconds
    while True:
        things = page.find_elements("css selector", f"[data-testid='{name}']")
        found = [one for one in things if text in one.text and one.is_displayed()]
        if found or time.monotonic() > end:
            return found
        time.sleep(0.2)


@contextmanager
def browser(chromium: str, driver: str, profile: Path) -> Iterator[Any]:
    """A headless Chromium with a profile of its own."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--window-size=1100,800",
        "--no-proxy-server",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        f"--user-data-dir={profile}",
    ):
        options.add_argument(argument)
    found = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    try:
        yield found
    finally:
        found.quit()
