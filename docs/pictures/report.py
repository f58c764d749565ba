"""docs/pictures/report.png: the first screen of a report, in a window of 1280 × 800 pixels.

    python docs/pictures/report.py results/report/index.html docs/pictures/report.png

It needs Chromium (`bash envs/system.sh browser`).
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

SIZE_PX = (1280, 800)


def main() -> None:
    """Open the page and take the picture."""
    page, out = map(Path, sys.argv[1:])
    program = shutil.which("chromium")
    if program is None:
        sys.exit("Chromium is not installed; bash envs/system.sh browser installs it")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        opened = browser.new_page(viewport={"width": SIZE_PX[0], "height": SIZE_PX[1]}, color_scheme="light")
        opened.goto(page.resolve().as_uri())
        opened.screenshot(path=out)
        browser.close()


if __name__ == "__main__":
    main()
