"""The n-gram: the textbook's numbers, sums of one, nothing across names, and a model like any."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charmodels.ngram.bigram import count_bigram
from charmodels.ngram.counting import MAX_ORDER, MIN_ORDER, Counts, count
from charmodels.ngram.ngram import Ngram
from charmodels.ngram.pruning import prune
from charmodels.ngram.smoothing import discounts, smooth, smooth_best
from charmodels.runtime.bundle import StateSpec
from charmodels.runtime.errors import CorpusError, SettingError
from charmodels.runtime.generation import score_ids
from charmodels.runtime.model import Model
from charmodels.runtime.vocabulary import Ids, Vocabulary
from tests.datasets import SHIPPED
from tests.tiny import tiny_bundle

ORDERS = range(MIN_ORDER, MAX_ORDER + 1)
MANY = tuple((SHIPPED / "us_baby_names_10k.txt").read_text("utf-8").splitlines())
NAMES = MANY[:300]
TEXT = (" ".join(NAMES[:150]),)
CORPORA = pytest.mark.parametrize(
    ("records", "endless"),
    [(NAMES, False), (TEXT, True), (("ana", "anna", "eva"), False), (("abcabcabd",), True)],
    ids=["names", "text", "few names", "short text"],
)


def encoded(records: Sequence[str]) -> tuple[list[Ids], int]:
    vocabulary = Vocabulary.of([*records, "\N{SNOWMAN}"])  # it never comes
    return [vocabulary.encode(record) for record in records], len(vocabulary)


class Textbook:
    """The equations of charmodels.ngram.smoothing, one number at a time, from dictionaries."""

    def __init__(self, records: Sequence[Ids], vocab: int, order: int, *, endless: bool) -> None:
        self.vocab = vocab
        came: Counter[tuple[int, ...]] = Counter()
        for record in records:
            whole = [0, *record.tolist()] + ([] if endless else [0])
            for end in range(1, len(whole)):
                for start in range(max(0, end - order + 1), end + 1):
                    came[tuple(whole[start : end + 1])] += 1
        before = Counter(ngram[1:] for ngram in came)
        self.counts: dict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
        for ngram, times in came.items():
            is_whole = len(ngram) == order or (len(ngram) > 1 and ngram[0] == 0)
            self.counts[ngram[:-1]][ngram[-1]] = times if is_whole else before[ngram]
        self.discounts = [self.discounts_of(length) for length in range(order)]
        self.chance = cache(self._chance)

    def discounts_of(self, length: int) -> list[float]:
        n = Counter(
            times
            for context, counts in self.counts.items()
            if len(context) == length
            for times in counts.values()
        )
        if not (n[1] and n[2]):
            return [0.0, 0.5, 0.5, 0.5]
        y = n[1] / (n[1] + 2 * n[2])
        if n[3] and n[4]:
            found = [k - (k + 1) * y * n[k + 1] / n[k] for k in (1, 2, 3)]
            if all(0 < taken <= k for k, taken in enumerate(found, 1)):
                return [0.0, *found]
        return [0.0, y, y, y]

    def _chance(self, context: tuple[int, ...], follower: int) -> float:
        if context not in self.counts:
            return self.chance(context[1:], follower)
        lower = self.chance(context[1:], follower) if context else 1 / self.vocab
        counts, taken = self.counts[context], self.discounts[len(context)]
        own = counts[follower] - taken[min(counts[follower], 3)]
        left = sum(taken[min(times, 3)] for times in counts.values())
        return (own + left * lower) / sum(counts.values())


def contexts_of(records: Sequence[Ids], order: int) -> list[tuple[int, ...]]:
    """What stands before every character, and before some characters that never stood there."""
    wholes = [(0, *record.tolist()) for record in records]
    seen = {whole[max(0, i - order + 1) : i] for whole in wholes for i in range(len(whole) + 1)}
    return sorted(seen | {context[::-1] for context in seen if 0 not in context})


def tabled(ngram: Ngram, contexts: Sequence[tuple[int, ...]]) -> np.ndarray:
    recent = np.zeros((len(contexts), ngram.order - 1), dtype=np.int64)
    for row, context in enumerate(contexts):
        recent[row, ngram.order - 1 - len(context) :] = context
    return ngram.chances(ngram.contexts(recent))


def worst_difference(counts: Counts, records: Sequence[Ids], order: int, endless: bool) -> float:
    """From the textbook, over all contexts that begin a record or fill the memory."""
    vocab = counts.trie.vocab
    book = Textbook(records, vocab, order, endless=endless)
    contexts = [c for c in contexts_of(records, order) if c[:1] == (0,) or len(c) == order - 1]
    expected = np.array([[book.chance(c, w) for w in range(vocab)] for c in contexts])
    assert expected.std() > 0.05  # no flat table agrees by chance
    return float(np.abs(tabled(smooth(counts, order), contexts) - expected).max())


@CORPORA
@pytest.mark.parametrize("order", [2, 3, 4, 5])
def test_it_is_the_textbooks_kneser_ney(records: Sequence[str], endless: bool, order: int) -> None:
    """The worst difference measured is 7e-16."""
    ids, vocab = encoded(records)
    counts = count(ids, vocab, order=order, endless=endless)
    assert worst_difference(counts, ids, order, endless) < 1e-9


def test_discounts_by_hand() -> None:
    """y is 9 / (9 + 2 * 3) = 0.6, as long as there are counts of 1 and of 2."""
    once_and_twice, thrice, more = [1] * 9 + [2] * 3, [3] * 2, [4, 7]
    three = [0, 0.6, 2 - 3 * 0.6 * 2 / 3, 3 - 4 * 0.6 * 1 / 2]
    np.testing.assert_allclose(discounts(np.array(once_and_twice + thrice + more)), three)
    for counts in (once_and_twice + thrice, once_and_twice + more, once_and_twice + [3] * 6 + [4]):
        assert discounts(np.array(counts)).tolist() == [0, 0.6, 0.6, 0.6]
    for counts in ([1] * 9 + thrice + more, [2] * 9, []):
        assert discounts(np.array(counts, dtype=np.int64)).tolist() == [0, 0.5, 0.5, 0.5]


@pytest.mark.parametrize("order", [3, 4, 5])
def test_raw_counts_in_short_contexts_would_be_noticed(order: int) -> None:
    ids, vocab = encoded(NAMES)
    counts = count(ids, vocab, order=order, endless=False)
    mistaken = replace(counts, continuations=counts.counts)
    assert worst_difference(mistaken, ids, order, endless=False) > 1e-3


@CORPORA
def test_an_order_is_the_same_within_counts_of_a_higher_one(
    records: Sequence[str], endless: bool
) -> None:
    ids, vocab = encoded(records)
    counts = count(ids, vocab, order=MAX_ORDER, endless=endless)
    for order in ORDERS:
        alone = smooth(count(ids, vocab, order=order, endless=endless), order)
        assert_same(alone, smooth(counts, order))


def assert_same(one: Ngram, other: Ngram) -> None:
    assert (one.trie.vocab, one.trie.levels) == (other.trie.vocab, other.trie.levels)
    for name in ("keys", "first", "symbols"):
        np.testing.assert_array_equal(getattr(one.trie, name), getattr(other.trie, name), name)
    for name in ("shares", "backoff", "seen"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), name)


def test_no_context_crosses_names() -> None:
    """Then their order cannot matter, bit for bit, and each costs what it costs alone."""
    ids, vocab = encoded(NAMES)
    ngram = smooth(count(ids, vocab, order=6, endless=False), 6)
    assert_same(ngram, smooth(count(ids[::-1], vocab, order=6, endless=False), 6))
    alone = [ngram.score([name], endless=False) for name in ids]
    np.testing.assert_array_equal(ngram.score(ids, endless=False), np.concatenate(alone))


def test_a_node_knows_how_often_its_context_came() -> None:
    vocabulary = Vocabulary.of(NAMES)
    ids = [vocabulary.encode(name) for name in NAMES]
    ngram = smooth(count(ids, len(vocabulary), order=4, endless=False), 4)
    nodes = ngram.contexts(np.array([[0, *vocabulary.encode("Ma")], vocabulary.encode("ari")]))
    times = [ngram.seen[nodes[0, 3]], ngram.seen[nodes[1, 3]], ngram.seen[0]]
    inside = sum(name.count("ari") for name in NAMES)
    starts = sum(name.startswith("Ma") for name in NAMES)
    assert times == [starts, inside, sum(len(name) + 1 for name in NAMES)]
    assert min(starts, inside) > 2
    never = ngram.contexts(vocabulary.encode("arJ")[None])
    assert ngram.contexts(vocabulary.encode("zzJ")[None])[0, 2:].tolist() == [-1, -1]
    assert never[0, 0] == 0 < never[0, 1]


@st.composite
def corpora(draw: st.DrawFn) -> tuple[list[Ids], bool]:
    characters = st.lists(st.integers(1, 6), min_size=1, max_size=12)
    records = draw(st.lists(characters, min_size=1, max_size=8))
    endless = draw(st.booleans())
    return [np.array(record) for record in (records[:1] if endless else records)], endless


@given(corpora(), st.integers(MIN_ORDER, MAX_ORDER), st.data())
def test_what_follows_any_context_sums_to_one(
    corpus: tuple[list[Ids], bool], order: int, data: st.DataObject
) -> None:
    records, endless = corpus
    ngram = smooth(count(records, 8, order=order, endless=endless), order)
    ids = st.lists(st.integers(0, 7), min_size=order - 1, max_size=order - 1)
    recent = np.array(data.draw(st.lists(ids, min_size=1, max_size=20)))
    seen = tabled(ngram, contexts_of(records, order))
    for chances in (seen, ngram.chances(ngram.contexts(recent))):
        np.testing.assert_allclose(chances.sum(axis=1), 1.0, rtol=1e-12)
        assert (chances > 0).all()


@given(corpora(), st.integers(MIN_ORDER, MAX_ORDER), corpora())
def test_scoring_at_once_is_scoring_by_steps(
    corpus: tuple[list[Ids], bool], order: int, other: tuple[list[Ids], bool]
) -> None:
    records, endless = corpus
    ngram = smooth(count(records, 8, order=order, endless=endless), order)
    end = [] if endless else [0]
    for read in (records, other[0]):
        by_steps = [score_ids(ngram, np.array([*each, *end])) for each in read]
        at_once = ngram.score(read, endless=endless)
        np.testing.assert_allclose(at_once, np.concatenate(by_steps), atol=2e-6)


def test_rows_of_a_batch_do_not_disturb_each_other() -> None:
    ids, vocab = encoded(NAMES)
    ngram = smooth(count(ids, vocab, order=5, endless=False), 5)
    tokens = np.random.default_rng(0).integers(0, vocab, (30, 7))  # (time, batch)
    together, apart = ngram.initial_state(7), [ngram.initial_state() for _ in range(7)]
    for row_tokens in tokens:
        before = together["n_0"].copy()
        logits, following = ngram.step(row_tokens, together)
        np.testing.assert_array_equal(together["n_0"], before)  # a step changes nothing
        together = following
        for row in range(7):
            alone, apart[row] = ngram.step(row_tokens[row : row + 1], apart[row])
            np.testing.assert_array_equal(logits[row], alone[0])
            np.testing.assert_array_equal(together["n_0"][row], apart[row]["n_0"][0])
    assert logits.dtype == np.float32
    assert together["n_0"].dtype == np.int64


def test_any_vocabulary_will_do() -> None:
    """Ids up to 65,535, where 9 characters are a number of 144 bits."""
    vocab, order = 65_536, MAX_ORDER
    drawn = np.random.default_rng(0).choice([1, 300, 65_535], size=(40, 30))
    ids = list(drawn)
    ngram = smooth(count(ids, vocab, order=order, endless=False), order)
    book = Textbook(ids, vocab, order, endless=False)
    contexts = [c for c in contexts_of(ids, order) if c[:1] == (0,) or len(c) == order - 1][::25]
    for followers in ([0, 1, 300, 65_535, 2],):
        expected = [[book.chance(c, w) for w in followers] for c in contexts]
        np.testing.assert_allclose(tabled(ngram, contexts)[:, followers], expected, rtol=1e-9)


def test_order_two_is_a_bigram() -> None:
    """Where nothing came twice, even the discounts are the same; else they are three for one."""
    ids, vocab = encoded(["abc"])
    bigram = count_bigram(ids, vocab, endless=False)
    ngram = smooth(count(ids, vocab, order=2, endless=False), 2)
    rows = tabled(ngram, [(v,) for v in range(vocab)])
    np.testing.assert_allclose(rows, np.exp(bigram.log_probabilities), rtol=1e-12)

    ids, vocab = encoded(MANY)
    train, held_out = ids[:9_000], ids[9_000:]
    bigram = count_bigram(train, vocab, endless=False)
    ngram = smooth(count(train, vocab, order=2, endless=False), 2)
    nats = [each.score(held_out, endless=False).mean() for each in (bigram, ngram)]
    assert nats[1] == pytest.approx(nats[0], abs=0.005)
    assert nats[1] != nats[0]


def test_the_best_order_is_chosen_on_what_it_is_given() -> None:
    ids, vocab = encoded(MANY)
    train, held_out = ids[:9_000], ids[9_000:]
    counts = count(train, vocab, order=MAX_ORDER, endless=False)
    nats = {order: smooth(counts, order).score(held_out, endless=False).mean() for order in ORDERS}
    best = smooth_best(counts, held_out, endless=False)
    assert nats[best.order] == min(nats.values()) < nats[2] - 0.2
    assert smooth_best(counts, train, endless=False).order > best.order  # it knows these


def test_pruning_forgets_what_saves_too_little() -> None:
    """Each follower's worth again, from the chances of whole rows."""
    ids, vocab = encoded(NAMES)
    ngram = smooth(count(ids, vocab, order=3, endless=False), 3)
    contexts = [c for c in contexts_of(ids, 3) if c[:1] == (0,) or len(c) == 2]
    wholes = [(0, *name.tolist(), 0) for name in ids]
    never = vocab - 1  # after it, a context is only what follows it
    shorter = tabled(ngram, [(never, never, *context[1:])[-2:] for context in contexts])
    pruned = prune(ngram, 0.5)
    found = 0
    for context, chances, lower in zip(contexts, tabled(ngram, contexts), shorter, strict=True):
        followers = followers_of(ngram, context)
        w = ngram.trie.symbols[followers]
        left = 1 - ngram.shares[followers].sum()
        without = (left + ngram.shares[followers]) * lower[w]
        seen = sum(
            whole[i : i + len(context)] == context
            for whole in wholes
            for i in range(len(whole) - len(context))
        )
        saved = seen * chances[w] * np.log(chances[w] / without)
        assert (
            pruned.trie.symbols[followers_of(pruned, context)].tolist() == w[saved >= 0.5].tolist()
        )
        found += len(w)
    assert found > 500
    assert 0.1 < len(pruned.shares) / len(ngram.shares) < 0.9


def followers_of(ngram: Ngram, context: tuple[int, ...]) -> slice:
    recent = np.array([[0] * (ngram.order - 1 - len(context)) + list(context)])
    node = ngram.contexts(recent)[0, len(context)]
    return slice(*ngram.trie.first[node : node + 2]) if node >= 0 else slice(0)


@given(corpora(), st.integers(MIN_ORDER, MAX_ORDER), st.floats(0, 3), st.data())
def test_what_is_pruned_still_sums_to_one(
    corpus: tuple[list[Ids], bool], order: int, least: float, data: st.DataObject
) -> None:
    records, endless = corpus
    whole = smooth(count(records, 8, order=order, endless=endless), order)
    assert_same(prune(whole, 0), whole)
    pruned = prune(whole, least)
    has_longer = np.isin(np.arange(len(pruned.backoff)), pruned.trie.keys // 8)
    assert ((np.diff(pruned.trie.first) > 0) | has_longer).all(), "a node for nothing"
    ids = st.lists(st.integers(0, 7), min_size=order - 1, max_size=order - 1)
    recent = np.array(data.draw(st.lists(ids, min_size=1, max_size=20)))
    chances = pruned.chances(pruned.contexts(recent))
    np.testing.assert_allclose(chances.sum(axis=1), 1.0, rtol=1e-12)
    assert (chances > 0).all()
    by_steps = score_ids(pruned, np.array(records[0]))
    at_once = pruned.score(records[:1], endless=True)
    np.testing.assert_allclose(at_once, by_steps, atol=2e-6)


def test_half_of_an_ngram_costs_little_and_all_of_it_much() -> None:
    ids, vocab = encoded(MANY)
    train, held_out = ids[:9_000], ids[9_000:]
    whole = smooth(count(train, vocab, order=7, endless=False), 7)
    half, none = prune(whole, 0.5), prune(whole, 1e9)
    nats = [ngram.score(held_out, endless=False).mean() for ngram in (whole, half, none)]
    assert len(none.backoff) == 1
    assert len(half.shares) < len(whole.shares) / 2
    assert nats[1] < nats[0] + 0.02
    assert nats[2] > nats[0] + 0.5


def test_it_streams_generates_and_scores_like_any_model() -> None:
    small = tuple(name.lower() for name in NAMES)
    states = (StateSpec("n_0", (4,), "int64"),)
    bundle = replace(tiny_bundle(), states=states)
    ids = [bundle.vocabulary.encode(name) for name in small]
    counts = count(ids, len(bundle.vocabulary), order=5, endless=False)
    model = Model(smooth(counts, 5), bundle)
    initial = model.step.initial_state(3)
    assert [(n, v.shape[1:], v.dtype.name) for n, v in initial.items()] == [
        (state.name, state.shape, state.dtype) for state in states
    ]
    written = model.generate(50, seed=3)
    assert written[7] == "".join(model.stream(seed=3, row=7))
    assert 0 < len(set(written) & set(small)) < len(set(written))
    stream = model.stream("mar", seed=1, temperature=0)
    first = next(stream)
    assert first == model.predict("mar")[0].character
    again = model.stream("", memory=stream.memory, temperature=0)
    assert "".join(stream) == "".join(again)
    at_once = model.step.score([bundle.vocabulary.encode("maria")], endless=False)  # type: ignore[attr-defined]
    np.testing.assert_allclose(model.score("maria"), at_once, atol=1e-6)


def test_what_cannot_be_counted_is_said() -> None:
    for order in (1, 10):
        with pytest.raises(SettingError, match=f"order is {order}; expected 2 to 9"):
            count([np.array([1])], 2, order=order, endless=True)
    with pytest.raises(CorpusError, match="no character to count"):
        count([np.array([], dtype=np.int64)], 2, order=3, endless=True)
    counts = count([np.array([1])], 2, order=3, endless=True)
    with pytest.raises(SettingError, match="order is 4; expected 2 to 3"):
        smooth(counts, 4)
