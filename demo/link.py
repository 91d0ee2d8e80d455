"""A link that names a model, a beginning and settings: what of it can be followed.

The address says `#write?model=...&prefix=...`; its keys are those of the API. Anybody may have
written it, so each part is checked as what a visitor types is, and what is wrong is left out.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from charmodels.runtime import CharModelError
from demo.chat import Settings, check_message, check_settings
from demo.shelf import Speaker, find_speaker

_NUMBER = re.compile(r"-?\d{1,17}(\.\d{1,17})?", re.ASCII)


@dataclass(frozen=True)
class Link:
    """What a link asks for, and why not the rest."""

    speaker: Speaker
    prefix: str
    settings: Settings
    refused: tuple[CharModelError, ...] = ()


def read_link(shelf: Mapping[str, Speaker], asked: object) -> Link:
    """Follow a link's keys and values as far as they make sense; without a model, the first."""
    given = asked if isinstance(asked, dict) else {}
    refused: list[CharModelError] = []
    speaker = next(iter(shelf.values()))
    if "model" in given:
        try:
            speaker = find_speaker(shelf, given["model"])
        except CharModelError as error:
            refused.append(error)
    model, prefix = speaker.model, ""
    settings = check_settings(model, None, None)
    try:
        prefix = check_message(model, given.get("prefix", ""))
    except CharModelError as error:
        refused.append(error)
    for name in ("temperature", "max_chars", "count", "seed", "balance"):
        value = {"temperature": None, "max_chars": None, name: _number(given.get(name))}
        try:
            checked = check_settings(model, **value)
        except CharModelError as error:
            refused.append(error)
        else:
            settings = replace(settings, **{name: getattr(checked, name)})
    return Link(speaker, prefix, settings, tuple(refused))


def _number(value: object) -> object:
    """A number as a link writes it; anything else is refused later."""
    if not isinstance(value, str) or not _NUMBER.fullmatch(value):
        return value
    return float(value) if "." in value else int(value)
