"""Many characters in, one answer out: how often a model's first guess after a window is right.

Each window of `window` characters is read from the zero state: the boundary, then its characters.
The first guess is the likeliest next character, the lowest id on ties, as `Model.predict` has it.
Text: every place of the held-out part with a character after it, at most MOST of them, evenly
spaced. Names: the first `window` characters of each name that has as many; the answer may be the
end mark, "".

Beside it stands a memoryless guesser, which sees only the last character of a window and says what
followed that one most often in the windows of the training part.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from charmodels.corpus.splitting import Split
from charmodels.runtime.errors import CorpusError, SettingError
from charmodels.runtime.generation import ROWS_AT_ONCE, walk
from charmodels.runtime.model import Model
from charmodels.runtime.sampling import Sampling, pick
from charmodels.runtime.vocabulary import BOUNDARY_ID

MOST = 10_000
"""Windows of a text that are measured at most."""

GREEDY = Sampling(temperature=0.0)


def measure_windows(model: Model, split: Split, window: int) -> dict[str, Any]:
    """Share of held-out windows whose next character is the first guess, and what to see it beside.

    `windows_seen` is the share of these windows that stand, with their answers, in the training
    part too: of those a right answer may be no more than recall.

    Raises:
        SettingError: `window` is less than 1.
        CorpusError: no held-out record is long enough.
        VocabularyError: the test part holds characters the model has never seen.
    """
    if window < 1:
        raise SettingError(f"window is {window}; expected 1 or more")
    asked = list(windows_of(split.test, window, endless=model.endless, most=MOST))
    if not asked:
        what = "more than that" if model.endless else "as many"
        raise CorpusError(
            f"window is {window}, and nothing held out has {what} characters; give a smaller one"
        )
    answers = [answer for _, answer in asked]
    guesses = first_guesses(model, [text for text, _ in asked])
    successors, seen = _learn(windows_of(split.train, window, endless=model.endless), set(asked))
    memoryless = [successors[text[-1]] for text, _ in asked]
    return {
        "window": window,
        "windows": len(asked),
        "windows_seen": _share(each in seen for each in asked),
        "window_accuracy": _share(a == b for a, b in zip(guesses, answers, strict=True)),
        "window_accuracy_bigram": _share(a == b for a, b in zip(memoryless, answers, strict=True)),
    }


def windows_of(
    records: Sequence[str], window: int, *, endless: bool, most: int | None = None
) -> Iterator[tuple[str, str]]:
    """Each window and the character after it; of a text `most` of them, evenly spaced."""
    if not endless:
        long = (name for name in records if len(name) >= window)
        yield from ((name[:window], name[window : window + 1]) for name in long)
        return
    (text,) = records
    places = max(0, len(text) - window)
    count = places if most is None else min(places, most)
    for i in range(count):
        start = i * places // count
        yield text[start : start + window], text[start + window]


def first_guesses(model: Model, texts: Sequence[str]) -> list[str]:
    """The likeliest character after each text, all of one length, read from the zero state."""
    guesses: list[str] = []
    for start in range(0, len(texts), ROWS_AT_ONCE):
        rows = np.stack([model.vocabulary.encode(text) for text in texts[start:][:ROWS_AT_ONCE]])
        walker = walk(model.step, model.step.initial_state(len(rows)))
        logits = walker.advance(np.full(len(rows), BOUNDARY_ID))
        for tokens in rows.T:  # (batch,)
            logits = walker.advance(np.ascontiguousarray(tokens))
        ids = pick(logits, np.zeros(len(rows)), GREEDY, not model.endless)
        guesses += [model.vocabulary.symbols[i] for i in ids]
    return guesses


def _learn(
    windows: Iterable[tuple[str, str]], asked: set[tuple[str, str]]
) -> tuple[defaultdict[str, str], set[tuple[str, str]]]:
    """From a last character to its likeliest successor, and those asked that are among `windows`.

    On ties the lower character; after one never seen, the likeliest answer of all.
    """
    after: defaultdict[str, Counter[str]] = defaultdict(Counter)
    seen = set()
    for text, answer in windows:
        after[text[-1]][answer] += 1
        if (text, answer) in asked:
            seen.add((text, answer))
    anyone = _likeliest(sum(after.values(), Counter()))
    best = {last: _likeliest(answers) for last, answers in after.items()}
    return defaultdict(lambda: anyone, best), seen


def _likeliest(answers: Counter[str]) -> str:
    return max(sorted(answers), key=answers.__getitem__, default="")


def _share(facts: Iterable[bool]) -> float:
    told = list(facts)
    return round(sum(told) / len(told), 5)
