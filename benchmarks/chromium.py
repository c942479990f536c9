"""A headless Chromium driven with the standard library alone;
used by the tests of the page and by its benchmark.
"""

from __future__ import annotations

import base64
import json
import socket
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
"""Chromium without a window, and without any request of its own."""


class Browser:
    """A headless Chromium, driven through chromedriver's own protocol.

    Parameters
    ----------
    driver, binary
        Programs.
    folder
        A new, empty folder for the profile.
    """

    def __init__(self, driver: str, binary: str, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.process = subprocess.Popen(
            [driver, f"--port={self.port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.session = ""
        for _ in range(200):
            try:
                self.call("GET", "/status")
                break
            except OSError:
                time.sleep(0.1)
        flags = [*FLAGS, f"--user-data-dir={folder}", "--window-size=1200,900", "--hide-scrollbars"]
        options = {"binary": binary, "args": flags}
        wanted = {
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL"},
        }
        self.session = (
            "/session/"
            + self.call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]
        )

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Send one command and return its value."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{self.session}{path}", method=method, data=data
        )
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.load(answer)["value"]

    def tell(self, command: str, **parameters: Any) -> Any:
        """Send one command of the DevTools protocol."""
        return self.call("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def open(self, path: Path, *, width: int = 1200, height: int = 900) -> None:
        """Open a file in a window of a size."""
        self.tell("Emulation.setFocusEmulationEnabled", enabled=True)
        self.tell(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        self.call("POST", "/url", {"url": path.as_uri()})

    def ask(self, script: str) -> Any:
        """Return what a script returns."""
        return self.call("POST", "/execute/sync", {"script": script, "args": []})

    def press(self, key: str) -> None:
        """Press a key once, wherever the focus is."""
        code = {"Tab": 9, "Enter": 13, "ArrowRight": 39}[key]
        text = {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            self.tell(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                code=key,
                windowsVirtualKeyCode=code,
                **text,
            )

    def until(self, script: str, *, seconds: float = 30.0) -> Any:
        """Return what a script returns as soon as it is true,
        or what it returns when the time is over.
        """
        end = time.monotonic() + seconds
        while not (found := self.ask(script)) and time.monotonic() < end:
            time.sleep(0.1)
        return found

    def messages(self) -> list[str]:
        """Return what the console said since it was asked last."""
        return [entry["message"] for entry in self.call("POST", "/se/log", {"type": "browser"})]

    def picture(self, path: Path) -> bytes:
        """Save the window as a PNG and return it."""
        data = base64.b64decode(self.tell("Page.captureScreenshot", format="png")["data"])
        path.write_bytes(data)
        return data

    def close(self) -> None:
        """End browser and driver."""
        try:
            self.call("DELETE", "")
        finally:
            self.process.terminate()
            self.process.wait()
