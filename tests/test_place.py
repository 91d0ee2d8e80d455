"""What a model expected at a place of a reply, and a link's settings: both asked by browsers."""

import pytest

from charmodels.runtime import Model, VocabularyError, load_bundle
from demo import chat, place
from demo.chat import Kept, Refusal
from demo.link import read_link
from demo.place import voices
from demo.shelf import SHIPPED, Speaker
from tests.tiny import write_tiny


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return load_bundle(write_tiny(tmp_path_factory.mktemp("names"), "names"))


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return load_bundle(write_tiny(tmp_path_factory.mktemp("text"), "text"))


@pytest.fixture(scope="module")
def shelf(names: Model, text: Model) -> dict[str, Speaker]:
    return {
        "towns": Speaker("towns", names, 1, shipped=False),
        "poem": Speaker("poem", text, 1, shipped=False),
    }


# ---- a place ------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", ["", "ab"])
def test_a_network_alone_has_one_voice_and_it_is_the_models(names: Model, before: str) -> None:
    (voice,) = voices(names, "towns", before, 0)
    everything = names.predict(before, len(names.vocabulary))
    assert voice.name == "model"
    assert voice.options == everything
    assert voice.others == 0
    assert any(option.character == "" for option in voice.options) == bool(before)


def test_a_hybrid_is_heard_together_and_apart() -> None:
    model = load_bundle(SHIPPED / "municipios", trusted=True)
    for before in ("", "San Mig"):
        together, network, ngram = voices(model, "municipios", before, 0.5)
        assert [v.name for v in (together, network, ngram)] == ["model", "network", "ngram"]
        for voice, balance in ((together, 0.5), (network, -1), (ngram, 1)):
            assert voice.options == model.predict(before, 1000, balance=balance)
        assert together.options != network.options != ngram.options


def test_a_kept_memory_is_used(text: Model) -> None:
    wrong = text.stream("zzz", max_chars=0).memory
    (voice,) = voices(text, "poem", "abc", 0, [Kept("poem", "abc", wrong)])
    assert voice.options == text.predict("zzz", 100)


def test_a_large_alphabet_is_told_in_part(text: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, "MAX_OPTIONS", 4)
    (voice,) = voices(text, "poem", "abc", 0)
    assert voice.options == text.predict("abc", 4)
    assert voice.others == len(text.vocabulary) - 1 - 4


@pytest.mark.parametrize("before", [None, 7, ["a"], "a" * (place.MAX_BEFORE + 1)])
def test_a_place_that_is_none_is_refused(text: Model, before: object) -> None:
    with pytest.raises(Refusal):
        voices(text, "poem", before, 0)


def test_strange_letters_and_balances_are_refused(names: Model) -> None:
    with pytest.raises(VocabularyError):
        voices(names, "towns", "日", 0)
    model = load_bundle(SHIPPED / "municipios", trusted=True)
    for balance in (2, "left", float("nan")):
        with pytest.raises(Refusal, match="balance"):
            voices(model, "municipios", "San", balance)


# ---- a link -------------------------------------------------------------------------------------


def test_a_link_is_followed(shelf: dict[str, Speaker]) -> None:
    given = {
        "model": "poem",
        "prefix": "n\u0303andu\n ",
        "temperature": "0.35",
        "max_chars": "77",
        "seed": "9007199254740991",
        "balance": "0",
    }
    link = read_link(shelf, given)
    assert link.speaker.name == "poem"
    assert link.prefix == "\xf1andu\n "
    assert link.settings == chat.Settings(0.35, 77, 1, 2**53 - 1)
    assert link.refused == ()


@pytest.mark.parametrize("nothing", [{}, None, [], "model=poem", {"utm": "x", "__proto__": "y"}])
def test_a_link_without_settings_leaves_the_first_models(
    shelf: dict[str, Speaker], nothing: object
) -> None:
    link = read_link(shelf, nothing)
    assert (link.speaker.name, link.prefix, link.refused) == ("towns", "", ())
    assert link.settings == chat.check_settings(shelf["towns"].model, None, None)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model", "nobody"),
        ("model", "<img src=x onerror=alert(1)>"),
        ("model", {"a": 1}),
        ("prefix", "日"),
        ("prefix", "a" * 501),
        ("prefix", 7),
        ("temperature", "1e999"),
        ("temperature", "nan"),
        ("temperature", "9" * 5000),
        ("temperature", "<b>"),
        ("max_chars", "1000000"),
        ("max_chars", "7.5"),
        ("count", "0"),
        ("seed", "-7"),
        ("seed", "9007199254740992"),
        ("seed", ["7"]),
    ],
)
def test_what_is_wrong_in_a_link_is_refused_in_words_and_the_rest_is_followed(
    shelf: dict[str, Speaker], key: str, value: object
) -> None:
    right = {"model": "towns", "prefix": "ma", "temperature": "0.5", "seed": "7"}
    link = read_link(shelf, right | {key: value})
    (error,) = link.refused
    assert len(chat.told(error, "es")) < 200
    own = chat.check_settings(shelf["towns"].model, None, None)
    assert link.speaker.name == "towns"
    assert link.prefix == ("" if key == "prefix" else "ma")
    assert link.settings.temperature == (own.temperature if key == "temperature" else 0.5)
    assert link.settings.seed == (own.seed if key == "seed" else 7)
    assert link.settings.max_chars == own.max_chars
