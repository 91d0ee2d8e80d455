"""Takes the README's pictures of the page, and both Spaces': real server and browser, fixed seeds.

python -m tests.screenshot [--out .github]
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlencode

from demo.static_space import stage
from tests.browser import open_browser
from tests.serving import ROOT, WITH_TORCH, served
from tests.staging import hosted

OUT = ROOT / ".github"
COLOURS = 96
"""Colours of a picture: enough for flat areas and letters, a third of the bytes."""

INSIDE = "#inside?model=shakespeare&unit=h_0.53"
"""A unit that counts how long a line is."""
NAMES = "#names?" + urlencode(
    {"model": "municipios", "pattern": "(San|Santa) .*(tepec|tlán)", "seed": 7}
)
WRITTEN = "/index.html#write?" + urlencode({"model": "municipios", "prefix": "San ", "seed": 7})
"""The static page writes what its link says."""
LIST = ROOT / "data" / "mx_municipios.txt"


def main() -> None:
    """Write the pictures."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--out", type=Path, default=OUT, help="the folder for the PNGs")
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    with open_browser() as browser:
        with served(before=WITH_TORCH) as (address, _):
            for name, look, where, screen in PICTURES:
                draw(browser, address + where, look, screen, out / f"{name}.png")
        with served() as (address, _):  # a Space, where nobody trains
            draw(browser, address, write_names, DESK | ES, out / "gradio-space.png")
        with TemporaryDirectory() as base, hosted(stage(Path(base) / "space").folder) as address:
            draw(browser, address + WRITTEN, wait_for_names, DESK | ES, out / "static-space.png")


def draw(browser: Any, address: str, look: "Look", screen: dict[str, Any], out: Path) -> None:
    """One picture: the page at the address, once `look` has done its part."""
    tab = browser.new_page(reduced_motion="reduce", **screen)
    tab.goto(address)
    tab.wait_for_selector("html.ready", state="attached")
    look(tab)
    take(tab, out)
    tab.close()


def write_names(tab: Any) -> None:
    """A reply of the chat: the page's own first beginning, to its end."""
    tab.locator("#seed textarea").fill("7")
    tab.locator(".beginnings button").first.click()
    tab.locator(".turn:not(.waiting)").first.wait_for()
    tab.wait_for_selector("html:not(.writing)", state="attached")


def wait_for_names(tab: Any) -> None:
    """The reply that the static page's link asks for, to its end."""
    tab.locator(".turn:not(.live) .again").wait_for()


def point_at_a_letter(tab: Any) -> None:
    """The same, and what the model expected in place of a letter."""
    write_names(tab)
    tab.locator(".turn .cell").nth(9).click()
    tab.locator(".place .voice .percent").first.wait_for()


def order_names(tab: Any) -> None:
    """Ten names to a pattern."""
    tab.locator(".names .ten").click()
    tab.locator(".sheet .list .word").nth(9).wait_for()
    tab.wait_for_selector(".names:not(.busy)")


def look_inside(tab: Any) -> None:
    """A text coloured by one unit, once the units are found."""
    tab.locator(".inside .found button[aria-pressed=true]").wait_for()


def give_a_list(tab: Any) -> None:
    """A list, and what was read of it."""
    tab.locator("#train-list").fill(LIST.read_text(encoding="utf-8"))
    tab.locator(".train .read").wait_for()
    tab.locator("#train-list").evaluate("box => box.scrollTo(0, 0)")


def learn(tab: Any) -> None:
    """The lessons as they open."""
    tab.locator(".learn .next .option").first.wait_for()


Look = Callable[[Any], None]
DESK: dict[str, Any] = {"viewport": {"width": 1200, "height": 800}}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 800}, "has_touch": True}
ES, EN, DARK = {"locale": "es-MX"}, {"locale": "en-US"}, {"color_scheme": "dark"}
PICTURES: tuple[tuple[str, Look, str, dict[str, Any]], ...] = (
    ("page", write_names, "", DESK | ES),
    ("names", order_names, NAMES, DESK | EN),
    ("inside", look_inside, INSIDE, DESK | EN),
    ("train", give_a_list, "#train", DESK | ES),
    ("learn", learn, "#learn", DESK | EN),
    ("phone", point_at_a_letter, "", PHONE | EN | DARK),
)
"""The name of each picture, what is done for it, the page's address, and the window."""


def take(tab: Any, out: Path) -> None:
    """The window from the top, in few colours."""
    tab.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    tab.screenshot(path=out, animations="disabled")
    shrink(out)
    print(f"{out} ({out.stat().st_size / 1000:.0f} kB)")


def shrink(picture: Path) -> None:
    """Keep few colours: the page is flat, and the picture is fetched with every clone."""
    from PIL import Image

    with Image.open(picture) as image:
        few = image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    few.save(picture, optimize=True)


if __name__ == "__main__":
    main()
