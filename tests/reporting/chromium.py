"""A headless Chromium that is told what to do over a pipe, by its DevTools protocol."""

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import time

NAMES = ("chromium", "chromium-browser", "google-chrome")
PATH = next((path for name in NAMES if (path := shutil.which(name))), None)
_TIMEOUT_S = 60
_TEXT_OF_KEY = {"Enter": "\r", " ": " "}


class Chromium:
    """The browser with one tab; `complaints` and `requests` are of its last page.

    Complaints are what the console said; requests are URLs that are neither the
    page's own nor data within it.
    """

    def __init__(self, folder):
        """Starts it with its profile in a folder."""
        ours_in, theirs_out = (_high(fd) for fd in os.pipe())
        theirs_in, ours_out = (_high(fd) for fd in os.pipe())

        def wire():
            # The descriptors that --remote-debugging-pipe means.
            os.dup2(theirs_in, 3)
            os.dup2(theirs_out, 4)

        flags = ("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run")
        self._process = subprocess.Popen(
            [PATH, *flags, "--remote-debugging-pipe", f"--user-data-dir={folder}"],
            preexec_fn=wire,
            pass_fds=(3, 4),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._in, self._out, self._unread, self._number = ours_in, ours_out, b"", 0
        self.complaints, self.requests, self._session, self._url = [], [], None, ""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def close(self):
        """Ends it."""
        self._process.terminate()
        self._process.wait(_TIMEOUT_S)
        os.close(self._in)
        os.close(self._out)

    def call(self, method, **parameters):
        """The result of a command."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]
            self._note(answer)

    def _read(self):
        deadline = time.monotonic() + _TIMEOUT_S
        while b"\0" not in self._unread:
            left = max(deadline - time.monotonic(), 0)
            ready, _, _ = select.select([self._in], [], [], left)
            assert ready, "the browser does not answer"
            found = os.read(self._in, 1 << 20)
            assert found, "the browser has ended"
            self._unread += found
        line, self._unread = self._unread.split(b"\0", 1)
        return json.loads(line)

    def _note(self, event):
        method, found = event.get("method"), event.get("params", {})
        if method in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown"):
            self.complaints.append(json.dumps(found))
        elif method == "Log.entryAdded":
            self.complaints.append(found["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            url = found["request"]["url"]
            if url != self._url and not url.startswith("data:"):
                self.requests.append(url)

    def show(self, width=1280, dark=False, media=""):
        """Sets the width of the window in pixels, the colour scheme and the medium."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            **{"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False},
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media=media, features=[scheme])

    def open(self, path, with_scripts=True):
        """Opens a file and waits until its charts are drawn, if there are scripts."""
        self.call("Emulation.setScriptExecutionDisabled", value=not with_scripts)
        # An earlier page has nothing to say any more.
        self.call("Page.navigate", url="about:blank")
        self.complaints, self.requests, self._url = [], [], f"file://{path}"
        self.call("Page.navigate", url=self._url)
        self.wait("document.readyState === 'complete'")
        if with_scripts:
            self.wait("document.documentElement.dataset.charts === 'drawn'")

    def wait(self, condition):
        """Waits until an expression is true in the page."""
        deadline = time.monotonic() + _TIMEOUT_S
        while not self.evaluate(condition):
            assert time.monotonic() < deadline, f"never: {condition}"
            time.sleep(0.05)

    def evaluate(self, expression):
        """The value of an expression in the page, once it is there."""
        answer = self.call(
            "Runtime.evaluate",
            **{"expression": expression, "returnByValue": True, "awaitPromise": True},
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def press(self, key):
        """Presses a key where the focus is."""
        event = {"key": key, "text": _TEXT_OF_KEY.get(key, "")}
        event["windowsVirtualKeyCode"] = {"Enter": 13, " ": 32, "Tab": 9}[key]
        self.call("Input.dispatchKeyEvent", type="keyDown", **event)
        self.call("Input.dispatchKeyEvent", type="keyUp", **event)

    def point(self, x, y):
        """Moves the pointer to a place of the window, in pixels."""
        for away in (3, 0):
            place = {"x": x + away, "y": y}
            self.call("Input.dispatchMouseEvent", type="mouseMoved", **place)

    def pdf(self):
        """The page as it is printed."""
        return base64.b64decode(self.call("Page.printToPDF")["data"])

    def picture(self, path):
        """Writes the whole page as a PNG."""
        found = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(found["data"]))


def _high(descriptor):
    """The same descriptor by a number that is not in the way of 3 and 4."""
    found = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(descriptor)
    return found
