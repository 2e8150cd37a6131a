"""How large reports are, and how long a browser takes to draw them.

python -m benchmarks.report_page FILE.html...

Needs chromium on PATH. Prints the seconds until the last chart that is not folded is
drawn, the median of some loads of a page from the disk, parsing included.
"""

import gzip
import pathlib
import statistics
import sys
import tempfile
import time

from tests.reporting import chromium

_LOADS = 5


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        browser = chromium.Chromium(folder)
        browser.show()
        for name in sys.argv[1:]:
            path = pathlib.Path(name).resolve()
            content = path.read_bytes()
            seconds = [_drawn(browser, path) for _ in range(_LOADS)]
            charts = browser.evaluate("document.querySelectorAll('.chart').length")
            print(
                f"{name}: {len(content) / 1e6:.2f} MB, "
                f"{len(gzip.compress(content)) / 1e6:.2f} MB compressed, {charts} "
                f"charts, drawn in {statistics.median(seconds):.1f} s "
                f"({min(seconds):.1f} to {max(seconds):.1f} s)"
            )
        browser.close()


def _drawn(browser: chromium.Chromium, path: pathlib.Path) -> float:
    start = time.monotonic()
    browser.open(path)
    return time.monotonic() - start


if __name__ == "__main__":
    main()
