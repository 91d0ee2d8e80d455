"""Names to a visitor's wish, without Gradio: the wish checked, its names written and judged."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from charmodels.runtime import ConstraintError, Model
from charmodels.runtime.constraints import Constraint, ConstraintSettings, guide_names
from charmodels.runtime.membership import Standing
from charmodels.runtime.vocabulary import normalise
from demo import chat
from demo.chat import Refusal, check_whole
from demo.shelf import Speaker, likely_letters

COUNT = 10
"""Names asked for at a time."""

MAX_ROWS = 1000
"""Names of one seed, ten more and ten more."""

MAX_CHARS = chat.MAX_CHARS["names"]
"""Characters of a name, of a filter and of a pattern, at most."""

_FILTERS = ("pattern", "contains", "ends", "starts")
"""Those that ask for certain characters, the likeliest to ask too much first."""

_PATTERNS = {
    "municipios": ("San .*", ".*(tepec|tlán)", "[^ ]{4,6}"),
    "es_nombres": ("maria .*", "[^ ]*(ina|ino)", "[^ ]{4}"),
    "es_municipios": ("Villa.*", ".* de(l| la) .*", ".*(eta|ola)"),
    "dinosaurs": (".*saurus", "t.*x", ".{5,7}"),
    "us_names": ("J.*n", ".*(lyn|leigh)", ".{4}"),
}
"""Patterns to try with the models that come with the page."""


@dataclass(frozen=True)
class Wish:
    """Which names a visitor asks for; what is empty asks for nothing."""

    settings: chat.Settings
    """With its seed drawn; `max_chars` is where a name is cut that asks for no length."""
    length: tuple[int, int] | None
    """Characters of a name, at least and at most."""
    starts: str
    ends: str
    contains: str
    pattern: str
    novel: bool
    first: int
    """The row of the seed to begin with."""


@dataclass(frozen=True)
class Named:
    """A name, where it stands beside the training list, and what it cost the model."""

    name: str
    standing: Standing | None
    """None where the bundle brings no filter to ask."""
    nats: float


def writers(shelf: Mapping[str, Speaker]) -> dict[str, Speaker]:
    """The models that write names."""
    return {name: speaker for name, speaker in list(shelf.items()) if not speaker.model.endless}


def check_wish(
    model: Model,
    *,
    starts: object = "",
    ends: object = "",
    contains: object = "",
    shortest: object = None,
    longest: object = None,
    pattern: object = "",
    novel: object = False,
    temperature: object = None,
    balance: object = None,
    seed: object = None,
    count: object = COUNT,
    first: object = 0,
) -> Wish:
    """A wish within its limits; None for a setting is its default.

    Raises:
        Refusal: naming the setting, its value and its limits.
    """
    least = check_whole("shortest", 1 if shortest is None else shortest, 1, MAX_CHARS)
    most = check_whole("longest", MAX_CHARS if longest is None else longest, 1, MAX_CHARS)
    if least > most:
        raise Refusal("refusal.order", setting="shortest", shortest=least, longest=most)
    if novel and model.bundle.membership is None:
        raise Refusal("refusal.unjudged", setting="novel")
    length = (least, most) if (least, most) != (1, MAX_CHARS) else None
    limit = most if length else None
    settings = chat.check_settings(model, temperature, limit, count, seed, balance)
    return Wish(
        settings=replace(settings, seed=chat.choose_seed(settings.seed)),
        length=length,
        starts=_check_text(model, "starts", starts),
        ends=_check_text(model, "ends", ends),
        contains=_check_text(model, "contains", contains),
        pattern=_check_length("pattern", pattern),
        novel=bool(novel),
        first=check_whole("first", first, 0, MAX_ROWS - 1),
    )


def write_names(model: Model, wish: Wish) -> Iterator[tuple[Named, ...]]:
    """Names to a wish, more and more of them; name i is row `first` + i of the seed.

    Fewer come where no more were found, or not in time.

    Raises:
        Refusal: no name can be like that.
    """
    yield from chat.gather(_named(model, wish))


def try_wish(model: Model, wish: Wish) -> None:
    """Find out whether any name can be like that, without writing one.

    Raises:
        Refusal: none can.
    """
    with _refusing(wish):
        guide_names(Constraint(**_asked(wish)), model.vocabulary, "", wish.settings.max_chars)


def patterns(speaker: Speaker) -> tuple[str, ...]:
    """Patterns to try that the model can fulfil."""
    if speaker.shipped and speaker.name in _PATTERNS:
        return _PATTERNS[speaker.name]
    letter = next(iter(likely_letters(speaker.model, 1)), "")
    return (f"{letter}.*", ".{5}") if letter else (".{5}",)


def _named(model: Model, wish: Wish) -> Iterator[tuple[Named, ...]]:
    settings = wish.settings
    with _refusing(wish):
        for name in model.generate_steadily(
            settings.count,
            first=wish.first,
            max_chars=settings.max_chars,
            seed=settings.seed,
            temperature=settings.temperature,
            balance=settings.balance,
            **_asked(wish),
        ):
            if name is None:
                yield ()
                continue
            nats = float(model.score(name).sum())
            yield (Named(name, model.standing(name), nats),)


def _asked(wish: Wish) -> ConstraintSettings:
    return {
        "starts": wish.starts,
        "ends": wish.ends,
        "contains": wish.contains,
        "pattern": wish.pattern,
        "length": wish.length,
        "novel": wish.novel,
    }


@contextmanager
def _refusing(wish: Wish) -> Iterator[None]:
    """What cannot be asked, in the page's words; that no more new names are found is no mistake."""
    try:
        yield
    except ConstraintError as error:
        if error.why != "known":
            raise _refusal(error, wish) from error


def _refusal(error: ConstraintError, wish: Wish) -> Refusal:
    asked: Mapping[str, object] = _asked(wish)
    if error.why == "unreadable":
        rest = wish.pattern[error.place :][:20]
        key = "refusal.pattern" if rest else "refusal.pattern.end"
        return Refusal(key, setting="pattern", rest=rest, place=error.place + 1)
    setting = next((name for name in _FILTERS if asked[name]), "shortest")
    if error.why == "costly":
        return Refusal("refusal.costly", setting=setting)
    if error.fitting:
        hint = "», «".join(error.fitting.values())
        setting = next(iter(error.fitting))
        return Refusal("refusal.impossible.hint", setting=setting, hint=hint)
    return Refusal("refusal.impossible", setting=setting)


def _check_text(model: Model, setting: str, text: object) -> str:
    return chat.check_message(model, _check_length(setting, text), setting)


def _check_length(setting: str, text: object) -> str:
    if not isinstance(text, str):
        raise Refusal("refusal.text", setting=setting)
    text = normalise(text)
    if len(text) > MAX_CHARS:
        raise Refusal("refusal.long", setting=setting, length=len(text), limit=MAX_CHARS)
    return text
