"""Takes the README's pictures of the page: real server, real browser, fixed seeds.

python -m tests.screenshot [--out .github]
"""

import argparse
from pathlib import Path
from typing import Any

from tests.browser import open_browser
from tests.serving import ROOT, served

OUT = ROOT / ".github"
INSIDE = "#inside?model=shakespeare&unit=h_0.105"
"""The second picture: a unit that counts how long a line is."""
COLOURS = 64
"""Colours of the picture: enough for flat areas and letters, a third of the bytes."""


def main() -> None:
    """Write the pictures."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--out", type=Path, default=OUT, help="the folder for the PNGs")
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    with served() as (address, _), open_browser() as browser:
        write_names(open_tab(browser, address, "es-MX"), out / "page.png")
        look_inside(open_tab(browser, address + INSIDE, "en-US"), out / "inside.png")


def open_tab(browser: Any, address: str, locale: str) -> Any:
    """The page, ready."""
    size = {"width": 1200, "height": 800}
    tab = browser.new_page(viewport=size, locale=locale, reduced_motion="reduce")
    tab.goto(address)
    tab.wait_for_selector("html.ready", state="attached")
    return tab


def write_names(tab: Any, out: Path) -> None:
    """A reply of the chat."""
    write(tab, 0, "7")
    take(tab, out)


def look_inside(tab: Any, out: Path) -> None:
    """A text coloured by one unit, once the units are found."""
    tab.locator(".inside .found button[aria-pressed=true]").wait_for()
    take(tab, out)


def take(tab: Any, out: Path) -> None:
    """The window from the top, in few colours."""
    tab.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    tab.screenshot(path=out, animations="disabled")
    shrink(out)
    print(f"{out} ({out.stat().st_size / 1000:.0f} kB)")


def write(tab: Any, place: int, seed: str) -> None:
    """One turn, to its end: the page's own example beginning number `place`."""
    before = tab.locator(".turn:not(.waiting)").count()
    tab.locator("#seed textarea").fill(seed)
    tab.locator(".beginnings button").nth(place).click()
    tab.locator(".turn:not(.waiting)").nth(before).wait_for()
    tab.wait_for_selector("html:not(.writing)", state="attached")


def shrink(picture: Path) -> None:
    """Keep few colours: the page is flat, and the picture is fetched with every clone."""
    from PIL import Image

    with Image.open(picture) as image:
        few = image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    few.save(picture, optimize=True)


if __name__ == "__main__":
    main()
