"""Chromium without a screen, driven by the W3C's WebDriver protocol through chromedriver."""

import base64
import json
import shutil
import subprocess
import time
import urllib.error
import urllib.request

DRIVER, BROWSER = shutil.which("chromedriver"), shutil.which("chromium")


class Browser:
    """One browser; use it as a context."""

    def __init__(self, port):
        self._process = subprocess.Popen([DRIVER, f"--port={port}"], stdout=subprocess.DEVNULL)
        self._url = f"http://127.0.0.1:{port}"
        options = {
            "binary": BROWSER,
            "args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
        }
        wanted = {
            "capabilities": {"alwaysMatch": {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}}
        }
        end = time.monotonic() + 60
        while True:
            try:
                session = self._ask("POST", "/session", wanted)["sessionId"]
                break
            except urllib.error.URLError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.2)
        self._url += f"/session/{session}"

    def _ask(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(
            urllib.request.Request(self._url + path, data, method=method), timeout=60
        ) as answer:
            return json.load(answer)["value"]

    def open(self, url):
        self._ask("POST", "/url", {"url": url})

    def run(self, script):
        """What JavaScript returns."""
        return self._ask("POST", "/execute/sync", {"script": script, "args": []})

    def wait(self, script, seconds=60):
        """Until JavaScript returns something true; that."""
        end = time.monotonic() + seconds
        while not (found := self.run(script)):
            assert time.monotonic() < end, script
            time.sleep(0.1)
        return found

    def choose(self, element, file):
        """A file in a file picker: `element` is JavaScript for it."""
        key, identity = next(iter(self.run(f"return {element}").items()))
        assert key.startswith("element-")
        self._ask("POST", f"/element/{identity}/value", {"text": str(file)})

    def size(self, width, height, *, dark=False):
        """The window, and the scheme that the reader prefers."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self._command("Emulation.setDeviceMetricsOverride", metrics)
        features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self._command("Emulation.setEmulatedMedia", {"features": features})

    def _command(self, name, parameters):
        return self._ask("POST", "/goog/cdp/execute", {"cmd": name, "params": parameters})

    def picture(self):
        """The whole page as PNG."""
        found = self._command("Page.captureScreenshot", {"captureBeyondViewport": True})
        return base64.b64decode(found["data"])

    def complaints(self):
        """What the browser logged: errors of scripts, refused requests."""
        return [entry["message"] for entry in self._ask("POST", "/se/log", {"type": "browser"})]

    def close(self):
        self._ask("DELETE", "")
        self._process.terminate()
        self._process.wait()
