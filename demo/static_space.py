"""A folder of plain files in which the models run in the visitor's browser.

The page is `demo/web`, its scripts minified. Beside it come, from what the package already says,
the words, what is known of each model, the limits of the structural check and the colours; each
bundle, its graph packed; and the libraries, which npm takes by their locked hashes.
"""

import gzip
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from charmodels.runtime import BundleError, SettingError, verify
from charmodels.runtime.bundle import STEP, read_bundle
from charmodels.runtime.sources import MAX_ENTRIES, MAX_FILES, MAX_RATIO, bundle_files
from demo.shelf import SHIPPED, Speaker, bundle_paths, open_shelf
from demo.staging import PICTURE, TAGS, front_matter, put_in_place, put_picture
from demo.units import find_units
from demo.words import LANGUAGES, WORDS

WEB = Path(__file__).parent / "web"
"""The page: HTML, CSS and ES modules."""

_ASSETS = Path(__file__).parent / "assets"

_SPOKEN = (
    *(
        "beginning.",
        "card.",
        "chat.",
        "kind.",
        "length.",
        "message.",
        "refusal.",
        "spoken.",
        "tab.",
    ),
    *(
        "unit.",
        "web.",
        "about.",
        "bundle.",
        "names.",
        "inside.",
        "learn.end",
        "learn.newline",
        "learn.space",
    ),
)
"""Families of words that the page says."""

_SPOKEN_ALONE = """
    balance balance.help beginnings clear count forget language message model seed seed.empty
    seed.help send settings skip stop tagline temperature temperature.help title length.help
""".split()

_LIBRARIES = {
    "lib/ort.mjs": "onnxruntime-web/dist/ort.wasm.bundle.min.mjs",
    "lib/ort.wasm.gz": "onnxruntime-web/dist/ort-wasm-simd-threaded.wasm",
}
"""Files of the page that come from npm as they are; those that end in .gz are packed here."""

_PACKAGES = ("@noble/hashes", "onnxruntime-web", "pbf")
"""What the page holds of npm's."""

_LIST = "files.js"
"""For the service worker: the staged folder's files."""

_LIST_BEGINS = "self.staged = "
"""How that list begins, by which a folder that was staged here is known."""

_ASIDE = ("README.md", PICTURE, "lib/LICENSES.txt", "sw.js", _LIST)
"""Files that no visitor waits for."""


@dataclass(frozen=True)
class Staged:
    """A folder that was staged, and the bytes of its files as a visitor downloads them."""

    folder: Path
    models: tuple[str, ...]

    def sizes(self) -> dict[str, int]:
        """Bytes of each part, text packed as web servers pack it."""
        files = [path for path in self.folder.rglob("*") if path.is_file()]
        parts: dict[str, int] = {}
        for path in files:
            name = path.relative_to(self.folder).as_posix()
            part = _part_of(name)
            if part:
                parts[part] = parts.get(part, 0) + _packed_size(path)
        first = parts["page"] + parts["onnxruntime-web"] + parts[f"model {self.models[0]}"]
        return {**parts, f"before the first character of {self.models[0]}": first}


def stage(
    out: Path,
    bundles: Sequence[Path] = (),
    *,
    only: bool = False,
    title: str = "charmodels",
    models: Sequence[str] = (),
    force: bool = False,
) -> Staged:
    """Make the folder `out`: everything in a temporary one beside it, then renamed into place.

    Raises:
        BundleError: a bundle is missing, broken or unsafe.
        SettingError: the folder is in the way, or npm cannot bring the libraries.
    """
    with put_in_place(out, _is_ours, force=force) as folder:
        shipped = Path() / "none" if only else SHIPPED
        speakers, paths = open_shelf(bundles, shipped), bundle_paths(bundles, shipped)
        modules = take_libraries(folder.with_name("npm"))
        _copy_page(folder, modules)
        _copy_libraries(folder, modules)
        for speaker, path in zip(speakers, paths, strict=True):
            _copy_bundle(path, folder / "models" / speaker.name)
        _write_json(folder / "words.json", _words())
        _write_json(folder / "models.json", [_told(speaker) for speaker in speakers])
        _write_json(folder / "limits.json", _limits())
        _write_list(folder, speakers[0].name)
        text = _card(title, models, speakers, put_picture(folder, "static"))
        (folder / "README.md").write_text(text, encoding="utf-8")
    return Staged(out, tuple(speaker.name for speaker in speakers))


def take_libraries(folder: Path, *, dev: bool = False) -> Path:
    """Let npm bring what `package-lock.json` names into `folder`; returns its node_modules.

    npm holds every package against the lock's sha512.

    Raises:
        SettingError: npm is missing, or refuses.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(WEB / name, folder / name)
    npm = shutil.which("npm")
    if npm is None:
        raise SettingError("npm is missing: it brings onnxruntime-web; install Node 20 or later")
    quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline")
    command = [npm, "ci", *quiet, *([] if dev else ["--omit=dev"])]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.startswith("npm error")]
        reason = " ".join(line.removeprefix("npm error").strip() for line in lines[:2])
        raise SettingError(f"npm cannot bring the page's libraries: {reason[:300]}")
    return folder / "node_modules"


def _is_ours(folder: Path) -> bool:
    listed = folder / _LIST
    return listed.is_file() and listed.read_bytes().startswith(_LIST_BEGINS.encode())


def _copy_page(folder: Path, modules: Path) -> None:
    """The page; its scripts minified, what the page and its worker share in files of its own."""
    for path in (*WEB.glob("*.html"), *WEB.glob("*.css")):
        shutil.copyfile(path, folder / path.name)
    for shared in ("favicon.svg", "colours.css"):
        shutil.copyfile(_ASSETS / shared, folder / shared)
    split = ["--bundle", "--splitting", "--chunk-names=engine/[hash]", "--external:../lib/*"]
    _esbuild(modules, folder, [WEB / "app.js", WEB / "worker.js"], *split)
    _esbuild(modules, folder, [WEB / "dark.js", WEB / "sw.js"])


def _copy_libraries(folder: Path, modules: Path) -> None:
    _esbuild(modules, folder, [*WEB.glob("lib/*.js")], "--bundle")
    for name, source in _LIBRARIES.items():
        data = (modules / source).read_bytes()
        (folder / name).write_bytes(_packed(data) if name.endswith(".gz") else data)
    (folder / "lib" / "LICENSES.txt").write_text(_licences(modules), encoding="utf-8")


def _esbuild(modules: Path, folder: Path, scripts: Sequence[Path], *options: str) -> None:
    """Write these scripts of the page, minified; in a bundle, with what they import."""
    kind = ["--minify", "--format=esm", "--target=es2022", "--charset=utf8", "--log-level=error"]
    where = [f"--outdir={folder}", f"--outbase={WEB}"]
    command = ["node", modules / "esbuild" / "bin" / "esbuild", *scripts, *kind, *where, *options]
    environment = {**os.environ, "NODE_PATH": str(modules)}
    subprocess.run([str(part) for part in command], check=True, env=environment)


def _licences(modules: Path) -> str:
    """Each library's name, version and licence; one that brings no text says which it is."""
    told = []
    for package in _PACKAGES:
        about = json.loads((modules / package / "package.json").read_text(encoding="utf-8"))
        texts = sorted((modules / package).glob("LICEN[SC]E*"))
        text = texts[0].read_text(encoding="utf-8") if texts else f"Licence: {about['license']}"
        told.append(f"{package} {about['version']}\n\n{text.strip()}\n")
    return "\n\n".join(told)


def _copy_bundle(path: Path, folder: Path) -> None:
    """bundle.json as it is, and the graph packed: what its sha256 is of comes out unpacked."""
    folder.mkdir(parents=True)
    with bundle_files(path) as files:
        if not (files / "bundle.json").is_file():
            raise BundleError(f"{path}: a lone graph; the page needs its bundle's folder")
        read_bundle(files)
        shutil.copyfile(files / "bundle.json", folder / "bundle.json")
        (folder / f"{STEP}.gz").write_bytes(_packed((files / STEP).read_bytes()))


def _words() -> dict[str, Any]:
    """The sentences the page says, in every language."""
    return {
        key: sentence
        for key, sentence in WORDS.items()
        if key.startswith(_SPOKEN) or key in _SPOKEN_ALONE
    }


def _told(speaker: Speaker) -> dict[str, Any]:
    """What the page knows of a model beyond its bundle."""
    return {
        "name": speaker.name,
        "title": {language: speaker.title(language) for language in LANGUAGES},
        "about": {language: speaker.about(language) for language in LANGUAGES},
        "facts": {language: speaker.facts(language) for language in LANGUAGES},
        "notes": {language: speaker.notes(language) for language in LANGUAGES},
        "kind": speaker.model.bundle.kind,
        "beginnings": speaker.beginnings(),
        "units": [
            {
                "property": each.property,
                "state": each.unit.state,
                "index": each.unit.index,
                "score": round(each.concordance, 4),
            }
            for each in find_units(speaker.model).found
        ],
    }


def _limits() -> dict[str, Any]:
    """What a stranger's bundle is held to, in the browser as here."""
    return {
        "operators": sorted(verify.STEP_OPERATORS),
        "opsets": [verify.OPSETS.start, verify.OPSETS.stop - 1],
        "maxNodes": verify.MAX_NODES,
        "maxBytes": verify.MAX_BYTES,
        "maxFiles": MAX_FILES,
        "maxEntries": MAX_ENTRIES,
        "maxRatio": MAX_RATIO,
    }


def _write_list(folder: Path, first: str) -> None:
    """For the service worker: what to keep at the first visit, under a name of its contents."""
    other = [folder / "models" / path.name for path in (folder / "models").iterdir()]
    other = [path for path in other if path.name != first]
    files = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.parent not in other and path.name != "sw.js"
    ]
    everything = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        everything.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    names = [path.relative_to(folder).as_posix() for path in files]
    staged = {"version": everything.hexdigest()[:16], "files": ["./", *names]}
    (folder / _LIST).write_text(f"{_LIST_BEGINS}{json.dumps(staged)};\n", encoding="utf-8")


def _card(title: str, models: Sequence[str], speakers: Sequence[Speaker], picture: str) -> str:
    """The Space's README: its front matter, the picture, and whose data the models learned from."""
    front = {
        "title": title,
        "emoji": "✒️",
        "colorFrom": "indigo",
        "colorTo": "yellow",
        "sdk": "static",
        "app_file": "index.html",
        "license": "mit",
        "short_description": "Tiny models that write names and prose in your browser",
        "tags": TAGS,
        **({"models": list(models)} if models else {}),
    }
    said = [
        f"{picture}Small character models that write letter by letter, in Spanish and English. "
        "They run in your browser: nothing you type leaves it.",
        "| model | data | licence of the data |\n|---|---|---|\n"
        + "\n".join(_row(speaker) for speaker in speakers),
        "Code: MIT. The libraries' licences are in `lib/LICENSES.txt`.",
    ]
    return "\n".join([front_matter(front), f"# {title}", "", "\n\n".join(said), ""])


def _row(speaker: Speaker) -> str:
    provenance = speaker.model.bundle.provenance
    credit, licence = (str(provenance.get(key) or "") for key in ("credit", "licence"))
    cells = (speaker.title("en"), credit, licence)
    return "| " + " | ".join(" ".join(c.split()).replace("|", "/")[:300] for c in cells) + " |"


def _write_json(path: Path, value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    path.write_text(text + "\n", encoding="utf-8")


def _packed(data: bytes) -> bytes:
    return gzip.compress(data, 9, mtime=0)


def _part_of(name: str) -> str:
    """The part of the download a file belongs to."""
    if name.startswith("models/"):
        return f"model {name.split('/')[1]}"
    if name.startswith("lib/ort."):
        return "onnxruntime-web"
    if name == "lib/protobuf.js":
        return "for bundles of your own"
    return "" if name in _ASIDE else "page"


def _packed_size(path: Path) -> int:
    data = path.read_bytes()
    return len(data) if path.suffix == ".gz" else len(_packed(data))
