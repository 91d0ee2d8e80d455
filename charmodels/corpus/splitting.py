"""Corpus to split: which records train, which choose (validation), which are read once (test).

The split depends on the records alone: not on their order in the file, on a seed or on a platform.
So two people with the same list hold out the same names, and a figure can be repeated.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from charmodels.corpus.reading import Corpus
from charmodels.runtime.errors import SettingError

MIN_NAMES = 10
"""Fewer names than this are not split: one held-out name measures nothing."""

MIN_CHARS = 100
"""Fewer characters of text than this are not split."""

MAX_HELD_OUT = 1_000
"""Names in the test part and in the validation part at most."""


@dataclass(frozen=True)
class Split:
    """The three parts of a corpus; no record of names is in two of them.

    Names stand in the order of their hashes, which is fixed and unrelated to the alphabet or the
    file. A text gives one record a part, in reading order: train, then validation, then test.
    """

    train: tuple[str, ...]
    train_weights: npt.NDArray[np.float64]
    """(train,) The corpus weights of the training records; the other parts count each once."""
    validation: tuple[str, ...]
    test: tuple[str, ...]
    hash: str
    """Hex sha256 of the sorted test records joined by newlines: equal hashes, equal test parts."""
    salt: str
    notes: tuple[str, ...] = ()
    """What the person at the terminal must know, such as that nothing could be held out."""


def split_corpus(corpus: Corpus, salt: str = "") -> Split:
    """Hold out a tenth of the names (at most 1,000) for each of test and validation.

    Of names sorted by the sha256 of `salt` and name in UTF-8, the first n = min(1000, N // 10) are
    test, the next n validation, the rest train. Another salt gives another split of the same list.
    A text is cut in reading order: 88% train, 2% validation, 10% test.

    Raises:
        SettingError: a salt with a text, which has one split only.
    """
    if corpus.kind == "text":
        return _split_text(corpus, salt)
    return _split_names(corpus, salt)


def _split_names(corpus: Corpus, salt: str) -> Split:
    records = corpus.records
    prefix = salt.encode()
    keys = [hashlib.sha256(prefix + record.encode()).digest() for record in records]
    order = sorted(range(len(records)), key=keys.__getitem__)
    held_out = min(MAX_HELD_OUT, max(1, len(records) // 10))
    notes: tuple[str, ...] = ()
    if len(records) < MIN_NAMES:
        held_out = 0
        notes = (_too_small(f"{len(records)} names", f"{MIN_NAMES} names"),)
    test, validation, train = (
        order[:held_out],
        order[held_out : 2 * held_out],
        order[2 * held_out :],
    )
    test_records = tuple(records[i] for i in test)
    return Split(
        train=tuple(records[i] for i in train),
        train_weights=corpus.weights[train],
        validation=tuple(records[i] for i in validation),
        test=test_records,
        hash=_hash(test_records),
        salt=salt,
        notes=notes,
    )


def _split_text(corpus: Corpus, salt: str) -> Split:
    if salt:
        raise SettingError(
            f"split salt {salt!r} with a text: a text is always cut in reading order; "
            "leave --split-salt out"
        )
    (text,) = corpus.records
    train, validation, test = text, "", ""
    notes: tuple[str, ...] = ()
    if len(text) < MIN_CHARS:
        notes = (_too_small(f"{len(text)} characters", f"{MIN_CHARS} characters"),)
    else:
        test_start = len(text) * 9 // 10
        validation_start = len(text) * 88 // 100
        train = text[:validation_start]
        validation, test = text[validation_start:test_start], text[test_start:]
    held_out = (test,) if test else ()
    return Split(
        train=(train,),
        train_weights=np.ones(1),
        validation=(validation,) if validation else (),
        test=held_out,
        hash=_hash(held_out),
        salt="",
        notes=notes,
    )


def _too_small(size: str, expected: str) -> str:
    return (
        f"NOT SPLIT: {size}, fewer than {expected}, so all of it trains, nothing is held out "
        "and no figure of quality can be given"
    )


def _hash(test_records: tuple[str, ...]) -> str:
    return hashlib.sha256("\n".join(sorted(test_records)).encode()).hexdigest()
