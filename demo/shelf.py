"""The models on the shelf: found, opened, and described for people.

Everything a bundle says about itself is a stranger's text here: shortened, stripped of control
characters, and escaped before it becomes part of the page.
"""

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import numpy as np

from charmodels.runtime import BundleError, Model, load_bundle
from charmodels.runtime.bundle import STEP, sha256_of, variant_file
from charmodels.runtime.vocabulary import BOUNDARY_ID
from demo.chat import Refusal
from demo.words import WORDS, Language, say, whole

SHIPPED = Path(__file__).parent / "bundles"
"""Where the models that come with the page lie, one folder each."""

HASHES = SHIPPED / "sha256.txt"
"""What is known of them: lines of sha256 and file, as sha256sum writes them."""

_MAX_FACT = 300
"""Characters shown of anything a bundle says about itself."""


@dataclass(frozen=True)
class Introduction:
    """What the page knows of a shipped model beyond its bundle: our own words, both languages."""

    title: Mapping[Language, str]
    about: Mapping[Language, str]
    language: Mapping[Language, str]
    beginnings: tuple[str, ...]


_SPANISH: Mapping[Language, str] = {"es": "español", "en": "Spanish"}
_ENGLISH: Mapping[Language, str] = {"es": "inglés", "en": "English"}

INTRODUCTIONS: dict[str, Introduction] = {
    "municipios": Introduction(
        title={"es": "Municipios de México", "en": "Mexican municipalities"},
        about={
            "es": "Inventa municipios que podrían estar en un mapa de México.",
            "en": "Invents municipalities that could be on a map of Mexico.",
        },
        language={"es": "español y lenguas de México", "en": "Spanish and languages of Mexico"},
        beginnings=("San ", "Tla", "Villa de ", "Oco", "Xo"),
    ),
    "es_nombres": Introduction(
        title={"es": "Nombres de España", "en": "Spanish first names"},
        about={
            "es": "Inventa nombres de pila como los del padrón español.",
            "en": "Invents first names like those of the Spanish register.",
        },
        language=_SPANISH,
        beginnings=("maria ", "jose ", "al", "xa", "ro"),
    ),
    "es_municipios": Introduction(
        title={"es": "Pueblos de España", "en": "Spanish towns"},
        about={
            "es": "Inventa pueblos, con los acentos de cada rincón de España.",
            "en": "Invents towns, with the sound of every corner of Spain.",
        },
        language={"es": "lenguas de España", "en": "languages of Spain"},
        beginnings=("Villa", "Sant ", "Al", "Torre", "O "),
    ),
    "dinosaurs": Introduction(
        title={"es": "Dinosaurios", "en": "Dinosaurs"},
        about={
            "es": "Inventa dinosaurios que nadie ha desenterrado todavía.",
            "en": "Invents dinosaurs that nobody has dug up yet.",
        },
        language={"es": "latín científico", "en": "scientific Latin"},
        beginnings=("tyr", "mexi", "velo", "bra", "z"),
    ),
    "us_names": Introduction(
        title={"es": "Nombres de EE. UU.", "en": "US baby names"},
        about={
            "es": "Inventa nombres de niñas y niños de Estados Unidos.",
            "en": "Invents names for girls and boys of the United States.",
        },
        language=_ENGLISH,
        beginnings=("Ja", "Em", "Sh", "El", "Q"),
    ),
    "shakespeare": Introduction(
        title={"es": "Shakespeare", "en": "Shakespeare"},
        about={
            "es": "Escribe escenas al modo de las tragedias de Shakespeare.",
            "en": "Writes scenes in the manner of Shakespeare's tragedies.",
        },
        language=_ENGLISH,
        beginnings=("Hamlet:\n", "Romeo:\n", "To be, ", "O, my lord", "The king "),
    ),
    "biblia": Introduction(
        title={"es": "Prosa antigua en español", "en": "Old Spanish prose"},
        about={
            "es": "Escribe prosa al modo de los evangelios de 1909.",
            "en": "Writes prose in the manner of the 1909 Spanish gospels.",
        },
        language=_SPANISH,
        beginnings=("Y dijo ", "En aquel tiempo ", "Bienaventurados ", "El mar ", "Y aconteció "),
    ),
}
"""Shipped models in the order the page shows them."""


@dataclass(frozen=True)
class Speaker:
    """A model that can be chosen: its name in the API, the model, its size in bytes."""

    name: str
    model: Model
    size: int
    shipped: bool

    def title(self, language: Language) -> str:
        """What people call it."""
        if introduction := self._introduction:
            return introduction.title[language]
        provenance = self.model.bundle.provenance
        stated = (_fact(provenance.get(key), language) for key in ("title", "dataset"))
        return next(filter(None, stated), self.name)

    def about(self, language: Language) -> str:
        """One sentence: what it writes."""
        if introduction := self._introduction:
            return introduction.about[language]
        return say(language, f"about.{self.model.bundle.kind}")

    def beginnings(self) -> tuple[str, ...]:
        """Beginnings to try that the model can read, the empty one last."""
        vocabulary = self.model.vocabulary
        introduction = self._introduction
        ours = introduction.beginnings if introduction else likely_letters(self.model)
        return (*(text for text in ours if not vocabulary.unknown(text)), "")

    def card(self, language: Language) -> str:
        """The model card as HTML."""
        facts = "".join(
            f"<div class={name}><dt>{title}</dt><dd>{_escaped(value)}</dd></div>"
            for name, title, value in self.facts(language)
        )
        notes = "".join(f"<p>{_escaped(note)}</p>" for note in self.notes(language))
        return (
            f'<section class="card"><h2>{_escaped(self.title(language))}</h2>'
            f'<p class="about">{_escaped(self.about(language))}</p><dl>{facts}</dl>'
            f"<details><summary>{say(language, 'card.more')}</summary>{notes}</details></section>"
        )

    def facts(self, language: Language) -> list[tuple[str, str, str]]:
        """The card's figures: the name of each, what it is called, and its value."""
        metrics, provenance = self.model.bundle.metrics, self.model.bundle.provenance
        parameters = _number(metrics.get("parameters"))
        bits = self.bits_per_char
        introduction = self._introduction
        if introduction:
            spoken = introduction.language[language]
        else:
            spoken = _fact(provenance.get("language"), language)
            spoken = say(language, f"spoken.{spoken}") if f"spoken.{spoken}" in WORDS else spoken
        unknown = say(language, "card.unknown")
        rows = [
            ("parameters", unknown if parameters is None else whole(language, round(parameters))),
            ("size", size_said(language, self.size)),
            ("bits", unknown if bits is None else f"{bits:.2f}"),
        ]
        rows.append(("kind", say(language, f"kind.{self.model.bundle.kind}")))
        optional = (("language", spoken), ("network", self._engines(language)))
        rows += [row for row in optional if row[1]]
        return [(name, say(language, f"card.{name}"), value) for name, value in rows]

    def notes(self, language: Language) -> list[str]:
        """What the figures mean and where the data come from."""
        provenance, metrics = self.model.bundle.provenance, self.model.bundle.metrics
        data = _fact(provenance.get("title"), language)
        licence = _fact(provenance.get("licence"), language)
        novel = _number(metrics.get("novel_share"))
        spelled = _number(metrics.get("spelled_share")) if self.model.has_ngram else None
        lines = [
            say(language, "card.bits.help"),
            novel is not None and say(language, "card.novel", share=f"{100 * novel:.0f}"),
            spelled is not None and say(language, "card.spelled", share=f"{100 * spelled:.0f}"),
            *self._variants(language),
            data and f"{say(language, 'card.data')}: {data}",
            _fact(provenance.get("credit"), language),
            licence and f"{say(language, 'card.licence')}: {licence}",
        ]
        return [line for line in lines if line]

    @property
    def network(self) -> str:
        """What kind of network it is and how wide, if the bundle says so: LSTM 160."""
        model = self.model.bundle.provenance.get("model")
        if not isinstance(model, Mapping):
            return ""
        hidden = _number(model.get("hidden_size"))
        arch = _fact(model.get("arch"), "en").upper()
        return f"{arch} {hidden:g}" if arch and hidden is not None else ""

    @property
    def bits_per_char(self) -> float | None:
        """What each character of a text it never saw costs it, if the bundle says so."""
        return _number(self.model.bundle.metrics.get("bits_per_char"))

    @property
    def _introduction(self) -> Introduction | None:
        return INTRODUCTIONS.get(self.name) if self.shipped else None

    def _engines(self, language: Language) -> str:
        """The network, and the n-gram beside it with its order: LSTM 160 + n-gram 7."""
        contexts = [s.shape for s in self.model.bundle.states if s.name == "n_0" and s.shape]
        ngram = say(language, "card.ngram")
        counted = [f"{ngram} {context[0] + 1}" for context in contexts]
        return " + ".join(filter(None, [self.network, *counted]))

    def _variants(self, language: Language) -> list[str]:
        """The smaller graphs that the bundle has beside the one that speaks."""
        bundle = self.model.bundle
        kept = {name: bundle.variants[name] for name in bundle.sizes if name in bundle.variants}
        return [
            say(
                language,
                "card.variant",
                name=name,
                size=size_said(language, bundle.files[variant_file(name)].bytes),
                nats=f"{judged.nats_change:+.4f}",
            )
            for name, judged in kept.items()
        ]


class Shelf(Sequence[Speaker]):
    """The models on the page, the chosen one first.

    All tabs share it: a model trained while the page is open is at once on every one of them.
    """

    def __init__(self, speakers: Iterable[Speaker]) -> None:
        self.by_name = {speaker.name: speaker for speaker in speakers}

    @overload
    def __getitem__(self, place: int) -> Speaker: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Speaker]: ...
    def __getitem__(self, place: int | slice) -> Speaker | Sequence[Speaker]:
        return list(self.by_name.values())[place]

    def __len__(self) -> int:
        return len(self.by_name)

    def add(self, name: str, model: Model, size: int) -> Speaker:
        """Put a model last, under its name or the next free one."""
        speaker = Speaker(_free_name(name, self), model, size, shipped=False)
        self.by_name[speaker.name] = speaker
        return speaker

    def remove(self, name: str) -> None:
        """Take a model away, if it is there."""
        self.by_name.pop(name, None)


def open_shelf(own: Sequence[Path] = (), shipped: Path = SHIPPED) -> Shelf:
    """Open the visitor's own bundles and the shipped ones; the own come first.

    Raises:
        BundleError: a bundle is missing, broken or unsafe, or there is none at all.
    """
    speakers: list[Speaker] = []
    known = shipped_hashes()
    for path in bundle_paths(own, shipped):
        is_own = path in own
        model = load_bundle(path, trusted=not is_own and _is_known(path, known))
        name = _free_name(_called(path.resolve()) if is_own else path.name, speakers)
        speakers.append(Speaker(name, model, _size(path, model), shipped=_within(path, shipped)))
    if not speakers:
        raise BundleError(
            f"no model to show: {shipped} holds no bundle; give one: python -m demo BUNDLE"
        )
    return Shelf(speakers)


def bundle_paths(own: Sequence[Path] = (), shipped: Path = SHIPPED) -> list[Path]:
    """Where the models of `open_shelf` lie, in its order.

    Raises:
        BundleError: one of the own is a run folder.
    """
    for path in own:
        _refuse_run(path)
    taken = {path.resolve() for path in own}
    return [*own, *(path for path in _bundles_in(shipped) if path.resolve() not in taken)]


def find_speaker(shelf: Mapping[str, Speaker], name: object) -> Speaker:
    """The model called `name`.

    Raises:
        Refusal: there is none.
    """
    speaker = known_speaker(shelf, name)
    if speaker is None:
        raise Refusal("refusal.model", name=str(name)[:60], names=", ".join([*shelf]))
    return speaker


def known_speaker(shelf: Mapping[str, Speaker], name: object) -> Speaker | None:
    """The model called `name`, if there is one; asked once, as it may go at any moment."""
    return shelf.get(name) if isinstance(name, str) else None


def likely_letters(model: Model, count: int = 4) -> tuple[str, ...]:
    """The letters a model most likes to begin with: beginnings for a model we know nothing of."""
    token = np.array([BOUNDARY_ID], dtype=np.int64)
    logits, _ = model.step.step(token, model.step.initial_state())
    ranked = (model.vocabulary.symbols[index] for index in np.argsort(-logits[0], kind="stable"))
    return tuple([symbol for symbol in ranked if symbol.isalpha()][:count])


def size_said(language: Language, size: int) -> str:
    """Bytes in kB or MB."""
    if size < 1_000_000:
        return say(language, "unit.kb", number=f"{size / 1e3:.0f}")
    return say(language, "unit.mb", number=f"{size / 1e6:.1f}")


def _bundles_in(folder: Path) -> list[Path]:
    """Folders with a bundle: those we introduce in our order, then any others by name."""
    found = {path.parent.name: path.parent for path in folder.glob("*/bundle.json")}
    names = [*(n for n in INTRODUCTIONS if n in found), *sorted(set(found) - set(INTRODUCTIONS))]
    return [found[name] for name in names]


def shipped_hashes(listed: Path = HASHES) -> frozenset[str]:
    """The sha256 of each bundle.json that comes with the page; they hold those of the graphs."""
    lines = listed.read_text(encoding="utf-8").splitlines() if listed.is_file() else []
    return frozenset(line.split()[0] for line in lines)


def _is_known(folder: Path, known: frozenset[str]) -> bool:
    """Whether it is a bundle of ours, whose graph needs no check; a stranger's lies beside them."""
    return sha256_of(folder / "bundle.json") in known


def _refuse_run(path: Path) -> None:
    if (path / "run.json").is_file() and not (path / "bundle.json").is_file():
        raise BundleError(
            f"{path} is a run folder, not a bundle; make one of it with: "
            f"python -m export {path} --out {path.name}-bundle"
        )


def _called(path: Path) -> str:
    """A folder's name; a lone graph's, or its folder's when it is only called step."""
    if path.is_dir():
        return path.name
    return path.parent.name if path.stem == "step" else path.stem


def _free_name(stem: str, taken: Iterable[Speaker]) -> str:
    """The folder's name, or name-2 and so on if a model is already called that."""
    names = {speaker.name for speaker in taken}
    wished = _clean(stem)[:60] or "model"
    numbered = (f"{wished}-{number}" for number in range(2, len(names) + 3))
    return next(name for name in (wished, *numbered) if name not in names)


def _within(path: Path, folder: Path) -> bool:
    return path.resolve().parent == folder.resolve()


def _size(path: Path, model: Model) -> int:
    """Bytes of the graph that speaks; a lone graph names no files."""
    file = model.bundle.files.get(STEP)
    return file.bytes if file else path.stat().st_size


def _fact(value: object, language: Language) -> str:
    """A text a bundle gives, plain or by language; anything else is nothing."""
    if isinstance(value, Mapping):
        value = value.get(language) or next(iter(value.values()), None)
    return _clean(value)[:_MAX_FACT] if isinstance(value, str) else ""


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < 1e15 and math.isfinite(value) else None


def _clean(text: str) -> str:
    """One line of printable characters."""
    return "".join(c if c.isprintable() else " " for c in text).strip()


def _escaped(text: str) -> str:
    return html.escape(text, quote=True)
