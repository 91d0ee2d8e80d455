"""Streaming: it starts, stops, remembers and repeats itself; streams do not disturb each other."""

import numpy as np
import pytest

from charmodels.runtime import Memory, Model, SettingError, VocabularyError
from charmodels.runtime.generation import ROWS_AT_ONCE, Stream, score_ids
from charmodels.runtime.rows import generate_ids
from charmodels.runtime.sampling import Sampling, log_softmax
from tests.tiny import tiny_bundle

GREEDY = Sampling(temperature=0.0)


class Scripted:
    """A step model that wants to say `script`; its state counts the characters it has read."""

    def __init__(self, *script, vocab=5):
        self.script, self.vocab = script, vocab

    def initial_state(self, batch=1):
        return {"read": np.zeros((batch, 1), np.int64)}

    def step(self, tokens, state):
        read = state["read"]
        logits = np.zeros((len(tokens), self.vocab), np.float32)
        for row, count in enumerate(read[:, 0]):
            logits[row, self.script[min(count, len(self.script) - 1)]] = 5.0
        return logits, {"read": read + 1}


def ids(*values):
    return np.array(values, dtype=np.int64)


def stream_of(model, beginning=(), **settings):
    settings = {"sampling": GREEDY, "max_chars": 20, "seed": 0} | settings
    return Stream(model, ids(*beginning), **settings)


# --- starting and stopping ---


def test_the_boundary_ends_a_name_and_is_not_given():
    stream = stream_of(Scripted(3, 1, 4, 0, 2))
    assert list(stream) == [3, 1, 4]
    assert stream.ended
    assert list(stream) == []


def test_the_limit_stops_and_does_not_count_as_an_end():
    stream = stream_of(Scripted(3), max_chars=4)
    assert list(stream) == [3, 3, 3, 3]
    assert not stream.ended


def test_no_characters_may_be_asked_for():
    assert list(stream_of(Scripted(3), max_chars=0)) == []


def test_a_beginning_is_read_and_not_repeated():
    """With two characters read, the script goes on at its third word."""
    assert list(stream_of(Scripted(1, 1, 4, 0), (2, 2))) == [4]


def test_a_name_is_never_empty_but_a_beginning_may_be_all_of_it():
    wants_to_end = Scripted(0, 0)
    assert list(stream_of(wants_to_end)) == [1]
    assert list(stream_of(wants_to_end, (2,))) == []


def test_text_never_ends_by_itself():
    stream = stream_of(Scripted(0), endless=True, max_chars=50)
    assert list(stream) == [1] * 50
    assert not stream.ended


def test_text_never_gives_the_boundary(text_model):
    drawn = text_model.step.step(ids(0), text_model.step.initial_state())[0]
    assert log_softmax(drawn)[0, 0] > -9, "the model here would give it now and then"
    assert all(len(text) == 300 for text in text_model.generate(5, max_chars=300, temperature=3.0))


# --- one session, many streams ---


@pytest.mark.parametrize("kind", ["names", "text"])
def test_interleaved_streams_write_what_each_writes_alone(kind, request):
    model = request.getfixturevalue(f"{kind}_model")
    starts = [("a", 1), ("ñu", 2), ("", 3)]
    alone = ["".join(model.stream(start, seed=seed, max_chars=60)) for start, seed in starts]
    streams = [model.stream(start, seed=seed, max_chars=60) for start, seed in starts]
    together = [""] * len(streams)
    for _ in range(60):
        for place, stream in enumerate(streams):
            together[place] += next(stream, "")
    assert together == alone


def test_scoring_between_characters_does_not_disturb_a_stream(names_model):
    alone = "".join(names_model.stream("a", seed=4))
    stream, text = names_model.stream("a", seed=4), ""
    for character in stream:
        text += character
        names_model.score("zzz")
    assert text == alone


# --- memory ---


@pytest.mark.parametrize("stop", [0, 1, 7, 63, 64, 65, 100])
def test_a_stopped_stream_goes_on_as_if_it_had_not(text_model, stop):
    """Greedy, so that the two halves' random numbers do not matter."""
    whole = "".join(text_model.stream("ab", temperature=0.0, max_chars=100))
    first = text_model.stream("ab", temperature=0.0, max_chars=100)
    half = "".join(next(first) for _ in range(stop))
    second = text_model.stream(temperature=0.0, max_chars=100 - stop, memory=first.memory)
    assert half + "".join(second) == whole


def test_taking_memory_changes_nothing(text_model):
    whole = "".join(text_model.stream("ab", seed=3, max_chars=30))
    stream, text = text_model.stream("ab", seed=3, max_chars=30), ""
    for character in stream:
        text += character
        kept = stream.memory
    assert text == whole
    assert kept.token == text_model.vocabulary.encode(text[-1:])[0]


def test_memory_is_a_value_that_two_streams_may_start_from(text_model):
    start = text_model.stream("abc", max_chars=0).memory
    before = {name: value.copy() for name, value in start.state.items()}
    a, b = ("".join(text_model.stream("d", seed=5, max_chars=40, memory=start)) for _ in range(2))
    assert a == b == "".join(text_model.stream("abcd", seed=5, max_chars=40))
    for name, value in before.items():
        assert np.array_equal(start.state[name], value), f"{name} was changed by a stream"


def test_memory_is_read_in_pieces_as_in_one(text_model):
    pieces = None
    for piece in ("ab", "", "c", "de"):
        pieces = text_model.stream(piece, max_chars=0, memory=pieces).memory
    whole = text_model.stream("abcde", max_chars=0).memory
    assert pieces.token == whole.token
    for name, value in whole.state.items():
        np.testing.assert_array_equal(pieces.state[name], value)


@pytest.mark.parametrize("token", [-1, 31])
def test_memory_of_another_model_is_refused(names_model, token):
    memory = Memory(names_model.step.initial_state(), token)
    with pytest.raises(VocabularyError, match=f"memory's token is {token}; expected 0 to 30"):
        names_model.stream(memory=memory)
    with pytest.raises(VocabularyError, match="memory's token"):
        names_model.score("a", memory)


# --- many rows ---


@pytest.mark.parametrize("kind", ["names", "text"])
def test_string_i_is_the_stream_of_row_i(kind, request):
    model = request.getfixturevalue(f"{kind}_model")
    strings = model.generate(12, prefix="a", seed=9, max_chars=50)
    rows = ["a" + "".join(model.stream("a", seed=9, row=i, max_chars=50)) for i in range(12)]
    assert strings == rows
    assert len(set(strings)) > 1


def test_strings_do_not_depend_on_how_many_are_asked_for(names_model):
    """600 rows, in two blocks."""
    many = names_model.generate(600, seed=2)
    assert 2 * ROWS_AT_ONCE < 600
    assert many[:5] == names_model.generate(5, seed=2)
    assert many[0] == names_model.generate(1, seed=2)[0]
    assert many == ["".join(names_model.stream(seed=2, row=row)) for row in range(600)]
    lengths = {len(name) for name in many}
    assert 0 not in lengths
    assert len(lengths) > 5, "names should end at different places"


def test_long_rows_beside_short_ones_are_whole():
    """Row lengths from none to far past what there is room for at first."""

    class Uneven:
        """Ends at once in some texts, else rarely; what it says hangs on all it has read."""

        def initial_state(self, batch=1):
            return {"sum": np.zeros((batch, 1), np.int64)}

        def step(self, tokens, state):
            total = (state["sum"] * 7 + tokens[:, None] + 1) % 101
            logits = np.sin(total * np.arange(1, 7)).astype(np.float32)
            logits[:, 0] = np.where(total[:, 0] % 50 == 10, 1.0, -7.0)
            return logits, {"sum": total}

    def rows_of(max_chars):
        settings = {"sampling": Sampling(), "max_chars": max_chars, "seed": 3}
        rows = list(generate_ids(Uneven(), ids(2), 5 * ROWS_AT_ONCE, **settings))
        for row, written in enumerate(rows):
            assert written == list(Stream(Uneven(), ids(2), row=row, **settings)), f"row {row}"
        return [len(written) for written in rows]

    lengths = rows_of(150)
    assert min(lengths) == 0
    assert max(lengths) == 150, "none is longer than there is room for at first"
    assert max(rows_of(1)) == 1


def test_what_many_rows_begin_with_is_read_once():
    """And what has ended is read no more."""

    class Counting(Scripted):
        widths: list[int] = []  # noqa: RUF012

        def step(self, tokens, state):
            self.widths.append(len(tokens))
            logits, after = super().step(tokens, state)
            logits[:, 0] = 2.0
            return logits, after

    limit = 12
    rows = list(generate_ids(Counting(1), ids(), 200, sampling=Sampling(), max_chars=limit, seed=0))
    assert len(rows) == 200
    begun = [{tuple(row[:n]) for row in rows if len(row) >= n} for n in range(limit)]
    assert Counting.widths == [len(each) for each in begun if each]
    assert Counting.widths[1] < 200 / 4, "none begin alike"
    assert min(map(len, rows)) < 3, "none ends soon"


def test_the_seed_decides(names_model):
    assert names_model.generate(5, seed=1) == names_model.generate(5, seed=1)
    assert names_model.generate(5, seed=1) != names_model.generate(5, seed=2)


def test_nothing_may_be_asked_for(names_model):
    assert names_model.generate(0) == []
    assert names_model.generate(2, prefix="ab", max_chars=0) == ["ab", "ab"]


def test_the_prefix_is_normalised(names_model):
    assert names_model.generate(1, prefix="e\u0301", max_chars=0) == ["é"]


# --- confidence ---


def test_a_stream_tells_the_probability_of_each_character_and_of_the_end(names_model):
    for seed in range(5):
        stream = names_model.stream("ab", seed=seed, temperature=0.3, max_chars=500)
        written = [(character, stream.probability) for character in stream]
        assert stream.ended
        told = [probability for _, probability in written] + [stream.probability]
        text = "ab" + "".join(character for character, _ in written)
        assert told == pytest.approx(np.exp(-names_model.score(text))[2:].tolist(), rel=1e-6)


@pytest.mark.parametrize("kind", ["names_model", "text_model"])
def test_the_probability_leaves_out_an_end_that_cannot_come(kind, request):
    model = request.getfixturevalue(kind)
    stream = model.stream("", seed=4)
    assert np.isnan(stream.probability), "nothing is written yet"
    first = next(stream)
    told = dict(model.predict("", count=len(model.vocabulary)))
    assert stream.probability == pytest.approx(told[first], rel=1e-6)
    second = next(stream)
    told = dict(model.predict(first, count=len(model.vocabulary)))
    assert stream.probability == pytest.approx(told[second], rel=1e-6)


# --- predictions ---


def test_a_prediction_is_what_the_last_step_says(names_model):
    ids_ = names_model.vocabulary.encode("ab")
    state = names_model.step.initial_state()
    for token in (0, *ids_):
        logits, state = names_model.step.step(ids(token), state)
    chances = np.exp(log_softmax(logits)[0])
    said = names_model.predict("ab", count=3)
    assert [p.probability for p in said] == pytest.approx(sorted(chances)[::-1][:3])
    assert said[0].character == names_model.vocabulary.symbols[int(chances.argmax())]


def test_predictions_sum_to_one_and_end_only_where_a_text_may(names_model, text_model):
    everything = len(names_model.vocabulary)
    for model, text, may_end in (
        (names_model, "ab", True),
        (names_model, "", False),
        (text_model, "ab", False),
        (text_model, "", False),
    ):
        said = model.predict(text, count=everything)
        assert sum(p.probability for p in said) == pytest.approx(1)
        assert any(p.character == "" for p in said) == may_end
    with pytest.raises(SettingError, match="count is 0"):
        names_model.predict("ab", count=0)
    with pytest.raises(VocabularyError):
        names_model.predict("zzz€")


def test_predictions_go_on_from_memory(text_model):
    memory = text_model.stream("abc", max_chars=0).memory
    assert text_model.predict("de", memory=memory) == text_model.predict("abcde")


# --- scores ---


def test_a_score_is_the_sum_of_what_each_step_says(names_model):
    state, total = names_model.step.initial_state(), 0.0
    for token, target in [(0, "a"), ("a", "b"), ("b", 0)]:
        token, target = (names_model.vocabulary.ids.get(t, t) for t in (token, target))
        logits, state = names_model.step.step(ids(token), state)
        probabilities = np.exp(logits[0].astype(np.float64))
        total -= np.log(probabilities[target] / probabilities.sum())
    nats = names_model.score("ab")
    assert nats.sum() == pytest.approx(total, abs=1e-6)
    assert len(nats) == 3, "two characters and the end mark"


def test_text_has_no_end_mark_to_pay_for(text_model):
    assert len(text_model.score("abc")) == 3
    assert len(text_model.score("")) == 0


def test_scores_go_on_from_memory(text_model):
    whole = text_model.score("abcdef")
    memory = text_model.stream("abc", max_chars=0).memory
    np.testing.assert_allclose(text_model.score("def", memory), whole[3:], rtol=1e-6)


def test_the_likeliest_text_scores_best():
    model = Scripted(2, 3, 0)
    good, bad = (score_ids(model, ids(*text)).sum() for text in ((2, 3, 0), (3, 2, 0)))
    assert good < bad


# --- limits ---


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (lambda m: m.generate(-1), "count is -1"),
        (lambda m: m.generate(10**7), "count is 10000000"),
        (lambda m: m.generate(1, max_chars=-1), "max-chars is -1"),
        (lambda m: m.stream(max_chars=10**6), "max-chars is 1000000"),
        (lambda m: m.generate(1, seed=-1), "seed is -1"),
        (lambda m: next(m.stream(seed=2**53)), "seed is 9007199254740992"),
        (lambda m: m.generate(1, temperature=11), "temperature is 11"),
    ],
    ids=["count", "too many", "max-chars", "too long", "seed", "large seed", "temperature"],
)
def test_a_value_out_of_range_is_refused(names_model, call, reason):
    with pytest.raises(SettingError, match=reason):
        call(names_model)


def test_an_unknown_prefix_is_refused_before_anything_is_written(names_model):
    with pytest.raises(VocabularyError, match="does not know 'Ω'"):
        names_model.stream("aΩ")


def test_any_step_model_will_do():
    """Numbers of any engine: here one that is neither torch nor onnxruntime."""
    model = Model(Scripted(1, 2, 0, vocab=31), tiny_bundle())
    assert model.generate(2, temperature=0.0) == [" a", " a"]
    assert model.score(" a").shape == (3,)
