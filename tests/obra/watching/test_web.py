"""The screen in a browser: who may see it, what the page loads, and what is left when it ends."""

from __future__ import annotations

import base64
import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from obra.errors import PrerequisiteError
from obra.watching.web import WatchServer

SECONDS = 90
PAINTED = 20_000
"""Bytes of a picture of the page that has words on it; an empty one takes less than 3,000."""
pytestmark = pytest.mark.timeout(300)


@contextmanager
def serving(folder, *words):
    """Run the command in a folder, and give its process and its address."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("OBRA", "NO_COLOR"))}
    process = subprocess.Popen(
        [sys.executable, "-m", "obra", "watch", "--web", *words], cwd=folder, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, env={**kept, "HOME": str(folder)},
    )  # fmt: skip
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.terminate()
        try:
            process.communicate(timeout=SECONDS)
        finally:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A folder in which one scenario ran."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copy(Path(__file__).parents[3] / "scenarios/hello_world.obra.yaml", folder)
    words = [sys.executable, "-m", "obra", "run", "hello_world.obra.yaml"]
    subprocess.run(words, cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def server(project):
    """The command, running."""
    with serving(project) as found:
        yield found


def shortly(condition):
    """Wait for something that is about to happen."""
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def ask(address, path="/", **headers):
    """Ask the server for something and return status, headers and text."""
    parts = urlsplit(address)
    with closing(http.client.HTTPConnection(parts.hostname, parts.port, timeout=SECONDS)) as connection:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, "" if answer.status == 101 else answer.read().decode("latin-1")


def key_of(address):
    """Trade the token for the cookie, as a browser does."""
    parts = urlsplit(address)
    status, headers, _ = ask(address, f"/?{parts.query}")
    assert (status, headers["Location"]) == (303, "/")
    assert {"HttpOnly", "SameSite=Strict"} <= set(headers["Set-Cookie"].split("; "))
    return headers["Set-Cookie"].partition(";")[0]


def upgrade(address, **more):
    """Ask for the websocket; the page of one that was opened ends a little later than its connection."""
    headers = {
        "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(b"0123456789abcdef").decode(), **more,
    }  # fmt: skip
    return ask(address, "/ws", **headers)[0]


@pytest.mark.parametrize(
    "path",
    ["/", "/?token=", "/?token=wrong", "/?token=%C3%BC", "/static/js/textual.js", "/static/", "/ws", "/nothing"],
)
def test_nothing_is_served_without_the_token(server, path):
    """Not a file, not a list of them, not whether something is there."""
    _, address = server
    status, _, text = ask(address, path)
    assert status == 403
    assert "textual" not in text


def test_the_token_is_long_random_and_of_this_start(server, project):
    """Another start has another one, and does not take this one's, nor its cookie."""
    _, address = server
    token = urlsplit(address).query.removeprefix("token=")
    assert re.fullmatch(r"[\w-]{43}", token)
    other = WatchServer(["true"])
    try:
        assert token not in other.address
    finally:
        other._socket.close()


def test_with_the_cookie_all_of_it_is_served_from_here(server):
    """The page loads nothing from elsewhere: it names no other host, and its policy forbids it."""
    _, address = server
    cookie = key_of(address)
    status, headers, page = ask(address, Cookie=cookie)
    own = f"127.0.0.1:{urlsplit(address).port}"
    assert status == 200
    assert set(re.findall(r"(?:https?|wss?):?//([^/\"]+)", page)) == {own}
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    for link in re.findall(r"http://[^\"]+\.(?:css|js|ttf)", page):
        assert ask(address, urlsplit(link).path, Cookie=cookie)[0] == 200
    script = ask(address, "/static/js/textual.js", Cookie=cookie)[2]
    assert "http://" not in script.replace("http://www.w3.org", "")


def test_no_other_name_and_no_other_site_gets_in(server):
    """A name that was made to lead here, a page of another origin, and a websocket that tells no origin."""
    _, address = server
    cookie, own = key_of(address), f"http://127.0.0.1:{urlsplit(address).port}"
    query = f"/?{urlsplit(address).query}"
    for headers in (
        {"Host": "evil.example"}, {"Host": f"localhost:{urlsplit(address).port}"}, {"Host": "127.0.0.1"},
        {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": own.replace("127.0.0.1", "localhost")},
    ):  # fmt: skip
        assert ask(address, query, **headers)[0] == 403, headers
        assert ask(address, Cookie=cookie, **headers)[0] == 403, headers
        assert upgrade(address, Cookie=cookie, **headers) == 403, headers
    assert upgrade(address, Cookie=cookie) == 403
    assert upgrade(address, Origin=own) == 403
    assert upgrade(address, Origin=own, Cookie=cookie) == 101


def test_only_loopback_listens(server):
    """No other address of this machine answers."""
    process, address = server
    listening = {
        one.laddr.ip for one in psutil.Process(process.pid).net_connections("inet") if one.status == "LISTEN"
    }
    assert listening == {"127.0.0.1"}
    with closing(socket.socket(socket.AF_INET)) as other, pytest.raises(OSError, match=r"refused|unreachable"):
        other.connect(("127.0.0.2", urlsplit(address).port))


def test_a_port_that_is_taken_is_told(server):
    """With the option that chooses another."""
    _, address = server
    with pytest.raises(PrerequisiteError, match="name another with --port"):
        WatchServer(["true"], urlsplit(address).port)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_the_end_leaves_no_process(project, how):
    """However the server ends, the process of the open page ends, too."""
    with serving(project) as (process, address):
        cookie, own = key_of(address), f"127.0.0.1:{urlsplit(address).port}"
        with socket.create_connection(("127.0.0.1", urlsplit(address).port)) as page:
            page.sendall(
                f"GET /ws?width=80&height=24 HTTP/1.1\r\nHost: {own}\r\nOrigin: http://{own}\r\n"
                f"Cookie: {cookie}\r\n"
                "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n".encode()
            )
            seen, end = b"", time.monotonic() + SECONDS
            while b"Hello World" not in seen:
                assert time.monotonic() < end, seen[-500:]
                seen += page.recv(65536)
            children = psutil.Process(process.pid).children(recursive=True)
            assert children
            process.send_signal(how)
            process.wait(SECONDS)
            _, alive = psutil.wait_procs(children, timeout=SECONDS)
    assert alive == []


@pytest.fixture
def browser(tmp_path):
    """A headless Chromium with a profile of its own, for which no host but ours exists."""
    selenium = pytest.importorskip("selenium.webdriver")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("needs Chromium and its driver: apt-get install chromium chromium-driver")
    options = selenium.ChromeOptions()
    options.binary_location = chromium
    rules = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
    for argument in (
        "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1000,700", rules,
        f"--user-data-dir={tmp_path / 'profile'}",
    ):  # fmt: skip
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    found = selenium.Chrome(options=options, service=selenium.ChromeService(driver))
    yield found
    found.quit()


def test_a_browser_shows_the_screen(browser, server):
    """The panes are painted and keys arrive; no other host is asked; without the token there is nothing."""
    from selenium.webdriver.common.action_chains import ActionChains

    process, address = server
    browser.get("about:blank")
    browser.get_log("performance")  # what Chromium's own first page asked for
    browser.get(address.partition("?")[0])
    assert "open the address" in browser.page_source
    assert browser.get_cookies() == []
    browser.get(address)
    assert "token" not in browser.current_url
    shortly(lambda: len(browser.get_screenshot_as_png()) > PAINTED)
    shortly(lambda: len(psutil.Process(process.pid).children()) == 1)  # those of other tests have ended
    (page,) = psutil.Process(process.pid).children()
    inside = "return [document.scrollingElement.scrollWidth, document.scrollingElement.scrollHeight]"
    assert browser.execute_script(inside) == browser.execute_script("return [innerWidth, innerHeight]")
    ActionChains(browser).send_keys("q").perform()  # without a click before
    shortly(lambda: browser.execute_script("return document.body.classList.contains('-closed')"))
    assert psutil.wait_procs([page], timeout=SECONDS)[1] == []
    entries = browser.get_log("browser")
    assert [one for one in entries if one["level"] == "SEVERE" and "403" not in one["message"]] == []
    asked = re.findall(
        r'"url":"((?:https?|wss?)://[^"]+)"', "".join(e["message"] for e in browser.get_log("performance"))
    )
    assert {urlsplit(one).hostname for one in asked} == {"127.0.0.1"}
