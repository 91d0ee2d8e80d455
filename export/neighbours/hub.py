"""Hugging Face: a folder to upload, the bundle's files and a model card with its figures."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from charmodels.runtime.bundle import Bundle, copy_bundle, variant_file
from charmodels.runtime.model import Model

CARD = "README.md"

_EXAMPLES = 3
_EXAMPLE_CHARS = 120
"""Characters of an example on the card at most."""


def write_hub_folder(
    bundle: Path, out: Path, model: Model, user: str = "USER", licence: str | None = None
) -> None:
    """Write OUT/README.md beside copies of bundle.json and every file it names.

    Args:
        bundle: its folder.
        out: where to.
        model: that bundle, opened: it writes the card's examples.
        user: whose repository the card names.
        licence: of the model, as Hugging Face names it; the card has none where none was chosen.
    """
    copy_bundle(bundle, out)
    card = hub_card(model.bundle, out.name, user, licence, _examples(model))
    (out / CARD).write_text(card, encoding="utf-8")


def hub_card(
    bundle: Bundle,
    name: str,
    user: str = "USER",
    licence: str | None = None,
    examples: Sequence[Mapping[str, Any]] = (),
) -> str:
    """The card: front matter with a model-index, then what a person should know."""
    from huggingface_hub import EvalResult, ModelCardData  # after --help has been answered

    about = {key: _line(value) for key, value in bundle.provenance.items() if value is not None}
    title, dataset = about.get("title", name), about.get("dataset", "unknown")
    results = [
        EvalResult(
            task_type="text-generation", task_name="Character language modelling",
            metric_type=metric, metric_name=words, metric_value=bundle.metrics[metric],
            dataset_type=dataset, dataset_name=title, dataset_split="test",
        )
        for metric, words in (
            ("bits_per_char", "bits per character"), ("nats_per_char", "nats per character"),
        )
        if _is_number(bundle.metrics.get(metric))
    ]  # fmt: skip
    data = ModelCardData(
        library_name="onnx",
        pipeline_tag="text-generation",
        language=about.get("language"),
        license=licence,
        tags=["charmodels", "character-level", bundle.kind, *_arch(bundle)],
        model_name=name,
        eval_results=results or None,
        widget=list(examples) or None,
    )
    body = "\n".join(_body(bundle, f"{user}/{name}", title, about, licence))
    return f"---\n{data.to_yaml()}\n---\n\n{body}\n"


def _examples(model: Model) -> list[dict[str, Any]]:
    """What the model writes after the likeliest first letters, as the card's widget shows it."""
    likely = model.predict("", count=len(model.vocabulary))
    letters = [each.character for each in likely if each.character.isalpha()][:_EXAMPLES]
    limit = min(_EXAMPLE_CHARS, model.bundle.max_chars)
    examples: list[dict[str, Any]] = []
    for seed, letter in enumerate(letters):
        (written,) = model.generate(1, prefix=letter, seed=seed, max_chars=limit)
        examples.append({"text": letter, "output": {"text": written}})
    return examples


def _body(
    bundle: Bundle, repository: str, title: str, about: Mapping[str, str], licence: str | None
) -> Iterator[str]:
    writes = "new names" if bundle.kind == "names" else "text"
    yield f"# {repository.rpartition('/')[2]}"
    yield ""
    yield (
        f"A character model that writes {writes}, trained on: {title}. One step is an ONNX graph "
        "whose memory is an explicit input and output."
    )
    yield ""
    yield "```python"
    yield "from charmodels.runtime import load_bundle"
    yield ""
    yield f'model = load_bundle("hf://{repository}")'
    yield 'print("".join(model.stream(seed=7)))'
    yield "```"
    yield ""
    yield "## Figures"
    yield ""
    yield from _figures(bundle)
    yield ""
    yield from _variants(bundle)
    yield "## What it copies"
    yield ""
    yield from _copying(bundle)
    yield ""
    yield "## Licence"
    yield ""
    yield f"Of the model: {licence or 'none was chosen'}. Of the data it learned from: see below."
    yield ""
    yield "## Data"
    yield ""
    yield f"{title} (`{about.get('dataset', 'unknown')}`)."
    yield f"Licence of the data: {about.get('licence', 'none stated')}."
    if credit := about.get("credit"):
        yield f"Credit: {credit}."
    if sha256 := about.get("dataset_sha256"):
        yield f"Its sha256: `{sha256}`."


def _figures(bundle: Bundle) -> Iterator[str]:
    m = bundle.metrics
    rows = {
        "bits per character": ("bits_per_char", "{:.4f}"),
        "nats per character": ("nats_per_char", "{:.4f}"),
        "of the network alone": ("network_nats_per_char", "{:.4f}"),
        "of the best n-gram": ("ngram_nats_per_char", "{:.4f}"),
        "of a bigram": ("bigram_nats_per_char", "{:.4f}"),
        "parameters": ("parameters", "{:,.0f}"),
    }
    known = {
        words: form.format(m[key]) for words, (key, form) in rows.items() if _is_number(m.get(key))
    }
    if not known:
        yield "None was measured."
        return
    yield "On held-out records, split off before training and read once:"
    yield ""
    yield "| measure | value |"
    yield "|---|---|"
    for words, value in known.items():
        yield f"| {words} | {value} |"


def _variants(bundle: Bundle) -> Iterator[str]:
    """The smaller graphs beside the one in fp32; nothing where there are none."""
    kept = [name for name in bundle.sizes if name in bundle.variants]
    if not kept:
        return
    first = bundle.variants[kept[0]]
    yield "## Variants"
    yield ""
    yield f"Beside fp32 on {first.characters:,} characters of {_line(first.judged_on)}:"
    yield ""
    yield (
        "| variant | MB | KL divergence, nats | change, nats/character | same likeliest "
        "| speed at batch 1 |"
    )
    yield "|---|---|---|---|---|---|"
    for name in kept:
        judged, size = bundle.variants[name], bundle.files[variant_file(name)].bytes
        yield (
            f"| {name} | {size / 1e6:.2f} | {judged.kl:.1e} "
            f"| {judged.nats_change:+.5f} ± {judged.nats_change_error:.5f} "
            f"| {judged.greedy_agreement:.1%} | {judged.speed:.2f} x |"
        )
    yield ""


def _copying(bundle: Bundle) -> Iterator[str]:
    """What of the training data comes out, or could be read out, each with what is fair beside."""
    m = bundle.metrics
    sentences = {
        "novel_share": "{:.1%} of what it writes is not in the training list.",
        "train_hit_share": "Among its samples stand {:.1%} of the training list,",
        "held_out_hit_share": "and {:.1%} of the held-out records, which it never saw.",
        "spelled_share": "The n-gram's tables spell out {:.0%} of the training list,",
        "spelled_share_held_out": "and {:.1%} of the held-out records.",
        "verbatim_share": "{:.1%} of its text stands in passages of 50 or more characters that "
        "are the training text's,",
        "verbatim_share_held_out": "and {:.1%} of the held-out text does.",
        "longest_verbatim": "Its longest passage that is the training text's has {:,} characters,",
        "longest_verbatim_held_out": "and the held-out text's has {:,}.",
    }
    known = [text.format(m[key]) for key, text in sentences.items() if _is_number(m.get(key))]
    yield from known or ["Not measured: `python -m charmodels evaluate` does."]
    if bundle.membership:
        yield (
            "Whoever has it can test whether a name they think of stands in the training list: it "
            "has a filter of that list, which can be asked and not read."
        )


def _arch(bundle: Bundle) -> list[str]:
    config = bundle.provenance.get("model")
    arch = config.get("arch") if isinstance(config, Mapping) else None
    return [_line(arch)] if arch else []


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _line(value: Any) -> str:
    """A fact of the bundle in one line without control characters."""
    if isinstance(value, Mapping):
        value = value.get("en") or next(iter(value.values()), "")
    return "".join(c if c.isprintable() else " " for c in str(value)).strip()[:300]
