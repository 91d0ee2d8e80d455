"""A place in a reply: what the model expected there, and what each of its two halves alone.

The reply's own characters are not looked at: a place is known by the text before it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from charmodels.runtime import Model, Prediction
from demo.chat import MAX_MESSAGE, MAX_SAID, Kept, Refusal, check_settings, recall

MAX_OPTIONS = 200
"""Characters told of a place, at most; only alphabets as large as the Chinese have more."""

MAX_BEFORE = 2 * MAX_SAID + MAX_MESSAGE
"""Characters that may stand before a place."""


@dataclass(frozen=True)
class Voice:
    """What one of those who write together expects."""

    name: Literal["model", "network", "ngram"]
    options: list[Prediction]
    """The likeliest first, at temperature 1: another one divides their logarithms."""
    others: int
    """How many characters are left out, each less likely than the last told."""


def voices(
    model: Model, name: str, before: object, balance: object, kept: Sequence[Kept] = ()
) -> list[Voice]:
    """What the model (called `name`) expects after `before`; a hybrid's network and n-gram after.

    Raises:
        Refusal: the text before is none, or too long; the balance is none.
        VocabularyError: it holds characters the model has never seen.
    """
    if not isinstance(before, str):
        raise Refusal("refusal.text", setting="prefix")
    if len(before) > MAX_BEFORE:
        raise Refusal("refusal.message", length=len(before), limit=MAX_BEFORE)
    heard = check_settings(model, None, None, balance=balance).balance
    memory = recall(model, name, before, kept)

    def voice(name: Literal["model", "network", "ngram"], balance: float) -> Voice:
        options = model.predict("", len(model.vocabulary), memory, balance)
        return Voice(name, options[:MAX_OPTIONS], max(0, len(options) - MAX_OPTIONS))

    together = voice("model", heard)
    if not model.has_ngram:
        return [together]
    return [together, voice("network", -1.0), voice("ngram", 1.0)]
