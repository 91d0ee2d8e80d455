"""The figures and samples of the README and the notebooks' pages, written from their sources:
the bundles and the rows of past benchmarks.

python -m tests.readme        writes them into README.md and data/notebooks/*.md, and the list of
                              shipped bundles that the page opens unchecked
"""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from charmodels.corpus.registry import open_corpus
from charmodels.corpus.splitting import split_corpus
from charmodels.recipes import RECIPES
from charmodels.runtime import Model, load_bundle
from charmodels.runtime.bundle import sha256_of
from tests.benchmarks.cells import NAMES, TEXT

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
BUNDLES = ROOT / "demo" / "bundles"
NOTEBOOKS = sorted((ROOT / "data" / "notebooks").glob("0*.md"))
RESULTS = ROOT / "tests" / "benchmarks" / "results"

TITLES = {
    "municipios": "Mexican municipalities",
    "es_nombres": "Spanish first names",
    "es_municipios": "Spanish towns",
    "dinosaurs": "dinosaurs",
    "us_names": "US baby names",
    "shakespeare": "Shakespeare, six tragedies",
    "biblia": "Spanish prose, the Gospels and Acts of 1909",
}
"""The shipped bundles in the page's order."""


BEGINNINGS = {"shakespeare": "Hamlet:\n", "biblia": "Y dijo"}
"""What the texts are given to go on from."""


def shipped() -> dict[str, Model]:
    return {name: load_bundle(BUNDLES / name, trusted=True) for name in TITLES}


def samples(models: dict[str, Model]) -> str:
    """Ten names of each list in a line, ten beginnings of each text, at seed 0, as they came."""
    lines = []
    for name, model in models.items():
        if model.endless:
            texts = model.generate(10, prefix=BEGINNINGS[name], seed=0, max_chars=90)
            shown = "\n".join(text.replace("\n", " / ") for text in texts)
            lines.append(f"**{TITLES[name]}** (90 characters each)\n\n```text\n{shown}\n```")
        else:
            lines.append(f"**{TITLES[name]}**: {', '.join(model.generate(10, seed=0))}")
    return "\n\n".join(lines)


def models_table(models: dict[str, Model]) -> str:
    """One row a bundle, every figure from its bundle.json."""
    rows = [
        "| recipe and bundle | parameters | MB | CPU seconds | nats/character | network alone "
        "| best n-gram | n-gram divergence | held-out names invented (training) | new "
        "| edit distance (held-out) |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, model in models.items():
        m: dict[str, Any] = dict(model.bundle.metrics)
        size = sum(path.stat().st_size for path in (BUNDLES / name).iterdir()) / 1e6
        if model.endless:
            tail = (
                f"copied passages of 50 characters: {m['verbatim_share']:.1%} "
                f"| (of the held-out text: {m['verbatim_share_held_out']:.1%}) | |"
            )
        else:
            tail = (
                f"{max(m['divergence_ratio']):.2f} "
                f"| {m['held_out_hit_share']:.1%} ({m['train_hit_share']:.1%}) "
                f"| {m['novel_share']:.1%} "
                f"| {m['edit_distance_median']:.2f} ({m['edit_distance_median_held_out']:.2f})"
            )
        rows.append(
            f"| `{name}`: {TITLES[name]} | {m['parameters']:,} | {size:.1f} | {m['seconds']:.0f} "
            f"| {m['nats_per_char']:.3f} "
            f"| {m.get('network_nats_per_char', m['nats_per_char']):.3f} "
            f"| {m['ngram_nats_per_char']:.3f} | {tail} |"
        )
    return "\n".join(rows)


def recognised(train: npt.NDArray[np.float64], unseen: npt.NDArray[np.float64]) -> float:
    """The chance that a training name costs the model less than a name it never saw, both in nats.

    1/2 is a model that cannot tell them apart, 1 one that knows its list by heart.
    """
    return float((unseen[:, None] > train).mean())


def benchmarks_table() -> str:
    """The newest row of every benchmark that must reach something."""
    lines = ["| what | measured | must reach | beside |", "|---|---|---|---|"]
    machines = set()
    measured = (
        "salts",
        "scratch",
        "table",
        "streaming",
        "speed",
        "export",
        "hybrid",
        "training",
        "page",
        "load",
        "hostile",
        "variants",
        "constraints",
    )
    for name in (*measured, "startup"):
        path = RESULTS / f"{name}.jsonl"
        if not path.is_file():
            continue
        entry = json.loads(path.read_text(encoding="utf-8").splitlines()[-1])
        machines.add(
            f"{entry['processor']}, Python {entry['python']}, torch {entry['torch']}, "
            f"onnxruntime {entry['onnxruntime']}, gradio {entry['gradio']} ({entry['date']})"
        )
        for row in entry["rows"]:
            if row["limit"] is None:
                continue
            sign = "≥" if row["at_least"] else "≤"
            value, limit = (
                f"{x:,.4g}" if x < 1000 else f"{x:,.0f}" for x in (row["value"], row["limit"])
            )
            note = row["note"].replace("|", "\\|")  # which would be another column
            lines.append(f"| {row['name']} | {value} {row['unit']} | {sign} {limit} | {note} |")
    return "\n".join([*lines, "", f"Machine: 2 cores of {'; '.join(sorted(machines))}."])


def variants_table() -> str:
    """The smaller steps of the large model and of the default, from the newest rows."""
    lines = [
        "| model and variant | of fp32's bytes | KL, change, agreement, speed |",
        "|---|---|---|",
    ]
    entries = (RESULTS / "variants.jsonl").read_text(encoding="utf-8").splitlines()
    for row in json.loads(entries[-1])["rows"]:
        shown = row["name"].startswith(("LSTM 1024", "default"))
        if shown and row["unit"] == "of fp32's bytes":
            lines.append(f"| {row['name']} | {row['value']:.2f} | {row['note']} |")
    return "\n".join(lines)


def notebook_rows() -> dict[str, dict[str, Any]]:
    """The newest figures of the five notebooks, by row name."""
    lines = (RESULTS / "notebooks.jsonl").read_text(encoding="utf-8").splitlines()
    return {row["name"]: row for row in json.loads(lines[-1])["rows"]}


def notebooks_table() -> str:
    """One row a notebook: its figure, a fair repetition, a bigram, its architecture, ours."""
    rows = notebook_rows()

    def nats(name: str) -> str:
        return f"{rows[name]['value']:.3f}"

    def share(name: str) -> str:
        return f"{rows[name]['value']:.1%}"

    def layout(notebook: str) -> str:
        how = f"{notebook} its layout, "
        trained, sampled = (
            nats(how + part)
            for part in ("one character at a time as it trains", "state carried as it samples")
        )
        return f"{trained} as it trains, {sampled} as it samples"

    prose, recall = rows["001 seed-prose: best validation"], "002 seed-alphabet-recall: "
    lines = [
        "| notebook | its own figure | its way, repeated | bigram "
        "| its architecture, mended | ours |",
        "|---|---|---|---|---|---|",
        f"| [000](data/notebooks/000.md) Argentine names | 2.31-2.49, training | {layout('000')} "
        f"| {nats('000 seed-argentina: bigram')} | `seed-argentina` {nats('000 seed-argentina')} "
        f"| `argentina` {nats('000 argentina')} |",
        "| the same, the table with counts | | "
        f"| {nats('000 seed-argentina-counts: bigram')} "
        f"| `seed-argentina-counts` {nats('000 seed-argentina-counts')} "
        f"| `argentina-counts` {nats('000 argentina-counts')} |",
        "| [001](data/notebooks/001.md) Spanish prose | none shown "
        f"| `seed-prose` {nats('001 seed-prose')}, best on validation {prose['note']} "
        f"| {nats('001 seed-prose: bigram')} | the same | `biblia` {nats('001 biblia')} |",
        "| [002](data/notebooks/002.md) the alphabet | 4 of 4, all seen in training "
        f"| `seed-alphabet` {share('002 seed-alphabet: window_accuracy')} of windows "
        f"| {share('002 seed-alphabet: window_accuracy_bigram')} "
        f"| honest, windows never seen: bigram {share(recall + 'window_accuracy_bigram')} "
        f"| `seed-alphabet-recall` {share(recall + 'window_accuracy')} |",
        "| [003](data/notebooks/003.md) municipalities, numpy | 1.20-1.36, training "
        f"| `seed-municipios-rnn` {nats('003 seed-municipios-rnn')} "
        f"| {nats('003 seed-municipios-rnn: bigram')} "
        f"| `seed-municipios-lstm` {nats('003 seed-municipios-lstm')} "
        f"| `municipios` {nats('003 municipios')} |",
        f"| [004](data/notebooks/004.md) dinosaurs | noise | {layout('004')} "
        f"| {nats('004 seed-dinosaurs: bigram')} | `seed-dinosaurs` {nats('004 seed-dinosaurs')} "
        f"| `dinosaurs` {nats('004 dinosaurs')} |",
    ]
    return "\n".join(lines)


def notebook_figures(notebook: str) -> str:
    """Every figure of one notebook, for its page."""
    lines = ["| medida · measure | valor · value | con qué · with |", "|---|---|---|"]
    for name, row in notebook_rows().items():
        if name.startswith(notebook):
            value = f"{row['value']:.3f} nats" if row["unit"] else f"{row['value']:.1%}"
            lines.append(f"| {name.removeprefix(notebook).strip()} | {value} | {row['note']} |")
    return "\n".join([*lines, *(learning_table() if notebook == "001" else [])])


def learning_table() -> list[str]:
    """Training and validation of the long run, every second epoch or so."""
    path = RESULTS / "seed-prose-log.jsonl"
    log = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    split = split_corpus(open_corpus(str(RECIPES["seed-prose"].dataset)))
    per_epoch = len(split.train[0])
    lines = [
        "",
        "| épocas · epochs | CPU s | entrenamiento · training | validación · validation |",
        "|---|---|---|---|",
    ]
    for line in [*log[3::4], log[-1]]:
        epochs, train = line["chars_seen"] / per_epoch, line["train_nats_per_char"]
        validation = line["validation_nats_per_char"]
        lines.append(f"| {epochs:.1f} | {line['seconds']:,.0f} | {train:.3f} | {validation:.3f} |")
    return lines


def balance_table(models: dict[str, Model]) -> str:
    """From the network alone to the n-gram alone: nats a character, and what is copied."""
    rows = [
        "| bundle | network alone | halfway | as fitted | halfway | n-gram alone "
        "| its tables spell |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, model in models.items():
        metrics = model.bundle.metrics
        if "along_balance" not in metrics:
            continue
        cells = [
            f"{each['nats_per_char']:.3f}, {each['copied_share']:.1%}"
            for each in metrics["along_balance"]
        ]
        spelled = ""
        if "spelled_share" in metrics:
            own, theirs = metrics["spelled_share"], metrics["spelled_share_held_out"]
            spelled = f"{own:.0%} of the list, {theirs:.1%} of held-out names"
        rows.append(f"| `{name}` | {' | '.join(cells)} | {spelled} |")
    return "\n".join(rows)


COUNTED = ", Kneser-Ney alone"
"""How the equal-parameter benchmark's rows without a network end."""


def equal_table() -> str:
    """Every architecture at equal parameters, from the finished cells."""
    lines = [
        "| corpus | model | parameters | CPU s | M characters read | seeds "
        "| network alone (spread) | with n-gram | and its own past | to reach | n-gram MB "
        "| graph MB | windows of 256 |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    path = RESULTS / "cells.jsonl"
    cells = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for cell in {cell["cell"]: cell for cell in map(json.loads, cells)}.values():
        corpus, label, seconds, _ = cell["cell"].split("/")
        groups.setdefault((corpus, label, seconds), []).append(cell)

    def both(values: list[float]) -> str:
        return f"{np.median(values):.3f} ({max(values) - min(values):.3f})"

    def goal(corpus: str, label: str, seconds: int) -> str:
        model = next(each for each in (NAMES, TEXT) if each.corpus == corpus).models[label]
        together, alone = model.goals.get(seconds, (None, None))
        return f"{together or ''}" + (f", alone {alone}" if alone else "")

    for (corpus, label, seconds), found in sorted(groups.items()):
        first = min(found, key=lambda cell: cell["cell"])
        uncached = "uncached_nats_per_char"
        windowed, graph = first.get("windowed_nats_per_char"), first.get("graph_bytes")
        lines.append(
            f"| {corpus} | {label} | {first['parameters']:,} | {seconds.removesuffix('s')} "
            f"| {np.median([cell['chars_seen'] for cell in found]) / 1e6:.1f} "
            f"| {len(found)} | {both([cell['network_nats_per_char'] for cell in found])} "
            f"| {both([cell.get(uncached, cell['nats_per_char']) for cell in found])} "
            f"| {both([cell['nats_per_char'] for cell in found]) if uncached in first else ''} "
            f"| {goal(corpus, label, int(seconds.removesuffix('s')))} "
            f"| {first['expert_bytes'] / 1e6:.2f} "
            f"| {'' if graph is None else f'{graph / 1e6:.2f}'} "
            f"| {'' if windowed is None else f'{windowed:.3f}'} |"
        )
    summary = RESULTS / "equal.jsonl"
    entries = summary.read_text(encoding="utf-8").splitlines() if summary.is_file() else []
    for row in json.loads(entries[-1])["rows"] if entries else []:
        if row["name"].endswith(COUNTED):
            corpus, note = row["name"].removesuffix(COUNTED), row["note"].partition(";")
            size = note[2].partition(" MB")[0].strip()
            lines.append(
                f"| {corpus} | Kneser-Ney, {note[0].partition(',')[0]}, as many bytes | | | | "
                f"| | {row['value']:.3f}, no network | | | {size} | {size} | |"
            )
    return "\n".join(lines)


def examples() -> str:
    """The consumer code as it lies in export/examples, where the conformance tests run it."""
    languages = {"stream.py": "python", "stream.mjs": "js"}
    codes = [
        f"```{language}\n{(ROOT / 'export' / 'examples' / name).read_text(encoding='utf-8')}```"
        for name, language in languages.items()
    ]
    return "\n\n".join(codes)


def blocks() -> dict[str, str]:
    """Every generated block of the README by its name."""
    models = shipped()
    return {
        "samples": samples(models),
        "models": models_table(models),
        "balance": balance_table(models),
        "equal": equal_table(),
        "notebooks": notebooks_table(),
        "benchmarks": benchmarks_table(),
        "variants": variants_table(),
        "examples": examples(),
    }


def block(text: str, name: str) -> str:
    """What stands between a block's marks."""
    found = re.search(rf"<!-- begin: {name} -->\n(.*?)\n?<!-- end: {name} -->", text, re.DOTALL)
    assert found, f"README.md has no block {name}"
    return found[1]


def write_blocks(path: Path, contents: dict[str, str]) -> None:
    text = path.read_text(encoding="utf-8")
    for name, content in contents.items():
        begin, end = f"<!-- begin: {name} -->", f"<!-- end: {name} -->"
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(end)
        text = f"{before}{begin}\n{content}\n{end}{after}"
    path.write_text(text, encoding="utf-8")


def shipped_hashes() -> str:
    """The page's list of the bundles it knows, as sha256sum writes it."""
    paths = [f"{name}/bundle.json" for name in sorted(TITLES)]
    return "".join(f"{sha256_of(BUNDLES / path)}  {path}\n" for path in paths)


def main() -> None:
    (BUNDLES / "sha256.txt").write_text(shipped_hashes(), encoding="utf-8")
    write_blocks(README, blocks())
    for path in NOTEBOOKS:
        write_blocks(path, {"figures": notebook_figures(path.stem)})


if __name__ == "__main__":
    main()
