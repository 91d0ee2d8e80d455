"""A turn of the chat without Gradio: gathering, memory, seeds, limits, unknown characters."""

import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import groupby, pairwise
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from charmodels.runtime import BundleError, Memory, Model, load_bundle
from demo import chat
from demo.chat import (
    TURNS,
    Kept,
    Refusal,
    Settings,
    check_message,
    check_settings,
    gather,
    recall,
    write,
)
from demo.pages.write import _chosen
from demo.shelf import Speaker, likely_letters, open_shelf, size_said
from demo.words import LANGUAGES
from tests.hostile import HOSTILE
from tests.tiny import write_tiny


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return load_bundle(write_tiny(tmp_path_factory.mktemp("names"), "names"))


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return load_bundle(write_tiny(tmp_path_factory.mktemp("text"), "text"))


def last(replies: Iterator[chat.Reply]) -> chat.Reply:
    *_, reply = replies
    return reply


def same(a: Memory | None, b: Memory | None) -> bool:
    assert a is not None
    assert b is not None
    equal = all(np.array_equal(a.state[name], b.state[name]) for name in a.state)
    return a.token == b.token and equal


class Clock:
    """A clock that moves on by itself each time it is read."""

    def __init__(self, step: float) -> None:
        self.now, self.step = 0.0, step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


# ---- gathering ------------------------------------------------------------------------------


def test_the_first_character_comes_at_once_and_the_rest_in_handfuls() -> None:
    told = list(gather("abcdefghij", every=0.04, clock=Clock(0.01)))
    assert told[0] == "a"
    assert told[-1] == "abcdefghij"
    assert 2 < len(told) < 6
    assert all(later.startswith(earlier) for earlier, later in pairwise(told))


def test_a_quick_model_is_told_of_twice_and_a_slow_one_each_time() -> None:
    assert list(gather("abcdef", clock=lambda: 0.0)) == ["a", "abcdef"]
    assert len(list(gather("abcdef", every=0.04, clock=Clock(0.05)))) == 6
    assert list(gather("")) == []


def test_gathering_ends_at_the_deadline() -> None:
    endless = iter(lambda: "x", "y")
    told = list(gather(endless, deadline=1.0, clock=Clock(0.01)))
    assert 10 < len(told[-1]) < 200


def test_updates_are_never_200_ms_apart() -> None:
    def slowly() -> Iterator[str]:
        for _ in range(12):
            time.sleep(0.015)
            yield "x"

    moments = [time.monotonic() for _ in gather(slowly())]
    assert max(np.diff(moments)) < 0.2
    assert len(moments) < 12


# ---- turns ----------------------------------------------------------------------------------


def all_waiting(*work: Callable[[], object]) -> list[Thread]:
    """Threads at work that have asked for their turns in this order, and get them from here on."""
    threads = [Thread(target=each, daemon=True) for each in work]
    with TURNS:
        for number, thread in enumerate(threads, start=1):
            thread.start()
            while TURNS.waiting < number:
                time.sleep(0.001)
    return threads


def join(threads: list[Thread]) -> None:
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive(), "it waits for ever"


def test_turns_are_handed_on_in_the_order_they_were_asked_for() -> None:
    order: list[int] = []

    def take(number: int) -> None:
        with TURNS:
            order.append(number)

    join(all_waiting(*(partial(take, number) for number in range(8))))
    assert order == list(range(8))


def test_of_many_replies_each_is_written_a_few_milliseconds_at_a_time() -> None:
    clock = Clock(0.001)
    order: list[int] = []

    def reply(number: int) -> None:
        def pieces() -> Iterator[str]:
            for _ in range(40):
                order.append(number)
                yield "x"

        assert list(gather(pieces(), turn=0.005, clock=clock))[-1] == "x" * 40

    join(all_waiting(*(partial(reply, number) for number in range(4))))
    assert order[:4] == [0, 1, 2, 3]  # everybody's first character before anybody's second
    turns = [len(list(run)) for _, run in groupby(order[: 4 * 30])]
    assert 3 < max(turns) < 12


def test_a_reply_that_fails_or_is_left_gives_its_turn_back() -> None:
    def fail() -> Iterator[str]:
        yield "a"
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        list(gather(fail()))
    left = gather("abc")
    assert next(left) == "a"
    assert list(gather("abc"))[-1] == "abc"
    left.close()
    join(all_waiting(lambda: list(gather("abc"))))


def test_where_nothing_comes_the_same_is_told_again_for_whoever_has_left() -> None:
    nothing: list[tuple[str, ...]] = [()] * 100
    told = list(gather(nothing, clock=Clock(0.05)))
    assert 5 < len(told) < 40
    assert set(told) == {()}


# ---- replies --------------------------------------------------------------------------------


def test_a_reply_that_is_not_weighed_is_the_same(names: Model, text: Model) -> None:
    for model in (names, text):
        settings = Settings(temperature=0.9, max_chars=12, count=3, seed=5)
        weighed, plain = (
            last(write(model, "ma", settings, weighed=weighed)) for weighed in (True, False)
        )
        assert plain.text == weighed.text
        assert len(weighed.sure) >= 2 * len(weighed.text)
        assert plain.sure == ""


def test_names_are_lines_that_start_with_the_message_and_repeat_with_the_seed(names: Model) -> None:
    settings = Settings(temperature=0.9, max_chars=12, count=7, seed=5)
    reply = last(write(names, "ma", settings))
    assert reply.done
    expected = names.generate(7, prefix="ma", temperature=0.9, max_chars=12, seed=5)
    assert reply.text == "\n".join(expected)
    assert reply.text == last(write(names, "ma", settings)).text
    assert reply.text != last(write(names, "ma", Settings(0.9, 12, 7, seed=6))).text
    assert reply.memory is None


def test_the_first_update_of_names_already_holds_a_letter_of_the_models(names: Model) -> None:
    first = next(write(names, "ma", Settings(0.9, 12, 3, seed=6)))
    assert len(first.text) == len("ma") + 1


def test_text_goes_on_from_the_memory_and_gives_the_one_after_it(text: Model) -> None:
    settings = Settings(temperature=0.8, max_chars=60, seed=3)
    one = last(write(text, "hola", settings))
    two = last(write(text, " y", settings, one.memory))
    assert (len(one.text), len(two.text)) == (60, 60)
    whole = text.stream("hola" + one.text + " y", max_chars=60, seed=3, temperature=0.8)
    assert two.text == "".join(whole)
    assert same(two.memory, whole.memory)
    assert two.text != last(write(text, " y", settings)).text, "without memory it differs"


def test_a_random_seed_differs_and_a_given_one_stays() -> None:
    drawn = {chat.choose_seed(-1) for _ in range(20)}
    assert len(drawn) > 10
    assert all(0 <= seed < 1_000_000 for seed in drawn)
    assert chat.choose_seed(0) == 0


def test_a_visitor_who_leaves_stops_the_model(text: Model) -> None:
    replies = write(text, "a", Settings(0.8, 2000, seed=1))
    next(replies)
    replies.close()  # type: ignore[attr-defined]
    with pytest.raises(StopIteration):
        next(replies)


# ---- how sure the model was ----------------------------------------------------------------------


def pairs(sure: str) -> list[str]:
    return [sure[i : i + 2] for i in range(0, len(sure), 2)]


def percents(probabilities: Iterable[float]) -> list[str]:
    return [f"{min(99, round(100 * p)):02d}" for p in probabilities]


def test_each_character_of_a_text_has_its_percent_at_every_moment(text: Model) -> None:
    settings = Settings(temperature=0.4, max_chars=60, seed=3)
    replies = list(write(text, "hola", settings))
    assert all(len(pairs(reply.sure)) == len(reply.text) for reply in replies)
    *_, reply = replies
    expected = []
    for place, character in enumerate(reply.text):
        expected.append(dict(text.predict("hola" + reply.text[:place], 100))[character])
    assert pairs(reply.sure) == percents(expected), "at temperature 1, whatever the page's"
    assert all(b.sure.startswith(a.sure) for a, b in pairwise(replies))


def test_names_have_percents_for_their_own_letters_and_their_ends(names: Model) -> None:
    replies = list(write(names, "ma", Settings(0.9, 12, 5, seed=5)))
    assert all(len(pairs(r.sure)) - len(r.text) in (0, 1) for r in replies)
    reply = replies[-1]
    told = pairs(reply.sure)
    ended = 0
    for name in reply.text.split("\n"):
        row, told = told[: len(name) + 1], told[len(name) + 1 :]
        expected = percents(np.exp(-names.score(name)))
        assert row[:2] == ["--", "--"], "the visitor wrote these"
        assert row[2:-1] == expected[2:-1]
        is_cut = len(name) == len("ma") + 12
        assert row[-1] == ("--" if is_cut else expected[-1])
        ended += not is_cut
    assert ended > 0
    assert told == []


def test_a_broken_models_confidence_is_none() -> None:
    assert chat._percent(float("nan")) == "--"


def test_a_text_that_nobody_begins_begins_on_a_new_line(names: Model, text: Model) -> None:
    assert chat.opening(text) == "\n"
    assert chat.opening(names) == ""


# ---- memory is what the page shows -------------------------------------------------------------


def test_recall_of_nothing_is_the_beginning(text: Model) -> None:
    assert recall(text, "m", "") is None


def test_after_stop_the_memory_is_that_of_the_characters_shown(text: Model) -> None:
    reply = last(write(text, "hola", Settings(0.8, 50, seed=3)))
    assert reply.memory is not None
    kept = [Kept("m", "hola" + reply.text, reply.memory)]
    shown = reply.text[:17]
    expected = text.stream("hola" + shown, max_chars=0).memory
    assert same(recall(text, "m", "hola" + shown, kept), expected)
    assert not same(recall(text, "m", "hola" + shown, kept), reply.memory)


def test_a_kept_memory_is_used_and_read_on_from(text: Model) -> None:
    start = text.stream("abc", max_chars=0).memory
    kept = [Kept("m", "abc", start)]
    assert recall(text, "m", "abc", kept) is start
    assert same(recall(text, "m", "abcdef", kept), text.stream("abcdef", max_chars=0).memory)
    assert recall(text, "another", "abc", kept) is not start, "another model's memory is not ours"


def test_only_the_end_of_an_overlong_chat_is_read_again(
    text: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat, "MAX_SAID", 10)
    expected = text.stream("b" * 10, max_chars=0).memory
    assert same(recall(text, "m", "a" * 50 + "b" * 10), expected)


# ---- what a visitor may send --------------------------------------------------------------------


def test_unknown_characters_are_named_in_both_languages(names: Model) -> None:
    with pytest.raises(Refusal) as caught:
        check_message(names, "a7\x00日\u202e")
    for character in ("«7»", "U+0000", "«日»", "U+202E"):
        assert character in caught.value.said("es")
        assert character in caught.value.said("en")
    assert "no conoce" in caught.value.said("es")
    assert str(caught.value) == caught.value.said("en")


def test_the_characters_a_model_knows_are_told_in_ranges(names: Model) -> None:
    with pytest.raises(Refusal, match=r"It knows: a-z é ñ$"):
        check_message(names, "7")


def test_a_respelling_the_model_knows_is_offered(names: Model) -> None:
    with pytest.raises(Refusal) as caught:
        check_message(names, "SAN")
    assert "«san»" in caught.value.said("es")


def test_a_message_is_read_composed_and_at_most_so_long(names: Model) -> None:
    assert check_message(names, "n\u0303") == "ñ"
    assert check_message(names, "a" * chat.MAX_MESSAGE)
    with pytest.raises(Refusal, match="501"):
        check_message(names, "a" * (chat.MAX_MESSAGE + 1))
    with pytest.raises(Refusal, match="not text"):
        check_message(names, ["a"])


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("temperature", 2.1),
        ("temperature", -0.1),
        ("temperature", float("nan")),
        ("temperature", "hot"),
        ("temperature", True),
        ("max_chars", 0),
        ("max_chars", 101),
        ("max_chars", 10.5),
        ("max_chars", 10**400),
        ("count", 0),
        ("count", 21),
        ("seed", -2),
        ("seed", 2**53),
        ("seed", "seven"),
        pytest.param("seed", 10**5000, id="a number too long to print"),
    ],
)
def test_settings_out_of_range_are_refused_by_name(
    names: Model, setting: str, value: object
) -> None:
    wanted = {"temperature": 1, "max_chars": 10, "count": 3, "seed": 0, setting: value}
    with pytest.raises(Refusal, match=setting) as caught:
        check_settings(names, **wanted)
    assert caught.value.said("es")
    assert len(str(caught.value)) < 200


def test_settings_left_out_are_the_bundles(names: Model, text: Model) -> None:
    assert check_settings(names, None, None) == Settings(0.8, 40, 1, -1)
    assert check_settings(text, 1, 2000, 1, 9) == Settings(1.0, 2000, 1, 9)


# ---- the shelf ----------------------------------------------------------------------------------


def test_own_bundles_come_first_and_names_stay_apart(tmp_path: Path) -> None:
    shipped = tmp_path / "shipped"
    for name in ("shakespeare", "zebra", "municipios"):
        write_tiny(shipped / name, "text" if name == "shakespeare" else "names")
    own = [write_tiny(tmp_path / "zebra"), write_tiny(tmp_path / "other" / "zebra")]
    speakers = open_shelf(own, shipped)
    assert [s.name for s in speakers] == [
        "zebra",
        "zebra-2",
        "municipios",
        "shakespeare",
        "zebra-3",
    ]
    again = open_shelf([shipped / "shakespeare"], shipped)
    assert [s.name for s in again] == ["shakespeare", "municipios", "zebra"]
    assert again[0].title("en") == "Shakespeare"


def test_a_stranger_among_the_shipped_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what the page knows by its hash is opened without the check."""
    HOSTILE["endless Loop"](tmp_path / "municipios")
    with pytest.raises(BundleError, match="'Loop' is not allowed"):
        open_shelf([], tmp_path)

    def checked(*_: object) -> None:
        raise AssertionError("a shipped bundle was checked")

    monkeypatch.setattr("charmodels.runtime.verify.verify_graph", checked)
    assert open_shelf()


def test_a_lone_graph_is_called_after_its_folder(tmp_path: Path) -> None:
    folder = write_tiny(tmp_path / "mine.v2")
    for path in (folder, folder / "step.onnx"):
        (speaker,) = open_shelf([path], tmp_path / "none")
        assert speaker.name == "mine.v2"
        assert speaker.size == (folder / "step.onnx").stat().st_size


def test_a_run_folder_and_an_empty_shelf_are_told_apart(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "run.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ValueError, match=r"run folder.*python -m export"):
        open_shelf([run], tmp_path)
    with pytest.raises(ValueError, match="no bundle"):
        open_shelf([], tmp_path)


def test_beginnings_can_be_read_by_their_model(names: Model) -> None:
    speaker = Speaker("municipios", names, 1000, shipped=True)
    assert speaker.beginnings() == ("",), "the tiny model knows no capitals"
    own = Speaker("mine", names, 1000, shipped=False)
    assert own.beginnings() == (*likely_letters(names), "")
    assert all(letter.isalpha() for letter in likely_letters(names))
    assert len(likely_letters(names)) == 4


def test_a_card_escapes_what_a_bundle_says_and_bears_any_type(tmp_path: Path) -> None:
    folder = write_tiny(tmp_path / "hostile")
    path = folder / "bundle.json"
    for title in ("<img src=x onerror=alert(1)>", {"es": "<b>"}, 7, None, ["<i>"], {"es": 3}, {}):
        facts = load_facts(path)
        facts["provenance"] = {
            "title": title,
            "licence": title,
            "language": title,
            "credit": "x\x00\u202e",
            "model": {"arch": title, "hidden_size": 3, "layers": 1},
        }
        facts["metrics"] = {"parameters": title, "bits_per_char": 1e400, "novel_share": title}
        path.write_text(dump(facts), encoding="utf-8")
        speaker = open_shelf([folder], tmp_path / "none")[0]
        for language in LANGUAGES:
            card = speaker.card(language)
            assert "<img" not in card
            assert "<b>" not in card
            assert "\x00" not in card
            assert speaker.title(language)


def test_sizes_are_said_in_kb_and_mb() -> None:
    assert size_said("es", 410_400) == "410 kB"
    assert size_said("en", 1_940_000) == "1.9 MB"


def load_facts(path: Path) -> dict[str, object]:
    import json

    facts: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))
    return facts


def dump(facts: object) -> str:
    import json

    return json.dumps(facts)


def test_a_balance_counts_only_where_there_is_an_ngram(
    names: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert check_settings(names, 0.8, 10, 1, 0, balance=0.4).balance == 0
    monkeypatch.setattr(Model, "has_ngram", property(lambda model: True))
    assert check_settings(names, 0.8, 10, 1, 0, balance=0.4).balance == 0.4
    assert check_settings(names, 0.8, 10, 1, 0, balance=None).balance == 0
    for wrong in (1.1, -1.1, "left", float("nan")):
        with pytest.raises(Refusal, match="balance"):
            check_settings(names, 0.8, 10, 1, 0, balance=wrong)


def test_the_dial_shows_where_there_is_an_ngram() -> None:
    shelf = {speaker.name: speaker for speaker in open_shelf()}
    for name, is_shown in (("municipios", True), ("dinosaurs", False)):
        dial = _chosen(shelf, name, "es")[4]
        assert (dial["value"], dial["visible"]) == (0, is_shown), name
        assert ("n-grama" in shelf[name].card("es")) is is_shown
