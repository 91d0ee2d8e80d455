"""What Keras trained speaks here as it did there; and a hostile or strange file is one line."""

import io
import json
import os
import shutil
import time
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from charmodels.keras_import import apart, containers, convert, files, hdf5
from charmodels.keras_import.architecture import read_architecture
from charmodels.keras_import.files import read_keras
from charmodels.keras_import.vocabulary import read_symbols
from charmodels.keras_import.weights import KerasWeights
from charmodels.models.torch_step import TorchStep
from charmodels.runtime import RunError, SettingError, VocabularyError, load_bundle
from charmodels.training.checkpoint import read_model, read_run, weights_of
from export.parity import TOLERANCE
from tests.runs import write_names, write_text
from tests.test_cli import assert_one_line, charm, export_
from tests.test_imports import ask

FIXTURES = Path(__file__).parent / "keras_fixtures"
CASES = sorted(path.stem for path in FIXTURES.glob("*.json"))
VOCABULARY = ["b", "\n", "a", "ñ", "é", " "]


def about(case: str) -> dict[str, Any]:
    """What Keras said: made by tests/benchmarks/keras_fixtures.py."""
    facts: dict[str, Any] = json.loads((FIXTURES / f"{case}.json").read_text(encoding="utf-8"))
    assert facts["vocabulary"] == VOCABULARY
    return facts


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read HDF5 in this process, or a hundred tests would start as many; some take it back."""
    monkeypatch.setattr(files, "run_apart", lambda work, *arguments: work(*arguments))


@pytest.fixture
def vocabulary(tmp_path: Path) -> Path:
    path = tmp_path / "vocabulary.json"
    path.write_text(json.dumps(VOCABULARY), encoding="utf-8")
    return path


def import_keras(file: Path, vocabulary: Path, out: Path, *words: str) -> tuple[int, str, str]:
    code, out_text, err = charm(
        "import-keras", file, "--vocabulary", vocabulary, "--out", out, *words
    )
    return code, out_text, err


def import_case(case: str, vocabulary: Path, out: Path) -> dict[str, Any]:
    facts = about(case)
    words = ["--kind", facts["kind"], *(["--zero-start"] if facts["zero_start"] else [])]
    code, _, err = import_keras(FIXTURES / facts["file"], vocabulary, out, *words)
    assert code == 0, err
    return facts


def worst_difference(run: Path, facts: dict[str, Any]) -> float:
    """Of the run's logits from Keras's, scaled as export's parity scales them."""
    described = read_run(run)
    engine = TorchStep(read_model(run, described))
    place = np.array([described.vocabulary.ids.get(symbol, 0) for symbol in VOCABULARY])
    tokens = place[np.array(facts["ids"])]
    if facts["kind"] == "names":  # Keras read its end symbol, or zeros, first
        tokens = np.pad(tokens, ((0, 0), (1, 0)))
    expected = np.array(facts["logits"])
    assert expected.shape == (*tokens.shape, len(VOCABULARY))
    state, worst = engine.initial_state(len(tokens)), 0.0
    for step in range(tokens.shape[1]):
        logits, state = engine.step(tokens[:, step], state)
        a, b = expected[:, step], logits[:, place]
        worst = max(worst, float((np.abs(a - b) / np.maximum(1, np.abs(a))).max()))
    return worst


# --- it speaks as it did ---


@pytest.mark.parametrize("case", CASES)
def test_the_run_says_what_keras_said(case: str, vocabulary: Path, tmp_path: Path) -> None:
    facts = import_case(case, vocabulary, tmp_path / "run")
    worst = worst_difference(tmp_path / "run", facts)
    assert worst <= TOLERANCE, f"{case}: worst difference {worst:.1e}"


def test_every_recurrence_and_form_has_a_fixture() -> None:
    files = {about(case)["file"] for case in CASES}
    assert {"".join(Path(file).suffixes) for file in files} == {
        ".keras",
        ".h5",
        ".weights.h5",
        ".npz",
    }
    archs = set()
    for case in CASES:
        weights = read_keras(FIXTURES / about(case)["file"], len(VOCABULARY)).weights
        archs |= {layer.arch for layer in weights.recurrences}
    assert archs == {"rnn", "gru", "gru_reset_before", "lstm"} == set(convert.GATE_ORDER)


@pytest.mark.parametrize(
    ("case", "arch", "wrong"),
    [
        ("gru_after", "gru", (0, 1, 2)),
        ("gru_before", "gru_reset_before", (0, 1, 2)),
        ("prose", "lstm", (1, 0, 2, 3)),
        ("stacked", "lstm", (0, 1, 3, 2)),
    ],
)
def test_gates_in_a_wrong_order_would_be_noticed(
    case: str,
    arch: str,
    wrong: tuple[int, ...],
    vocabulary: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(convert.GATE_ORDER, arch, wrong)  # type: ignore[misc]
    facts = import_case(case, vocabulary, tmp_path / "run")
    assert worst_difference(tmp_path / "run", facts) > 100 * TOLERANCE


def test_a_name_begun_otherwise_would_be_noticed(vocabulary: Path, tmp_path: Path) -> None:
    facts = about("notebook_000")
    assert facts["zero_start"]
    assert import_keras(FIXTURES / facts["file"], vocabulary, tmp_path / "run")[0] == 0
    assert worst_difference(tmp_path / "run", facts) > 100 * TOLERANCE


def test_the_same_weights_in_two_forms_are_the_same(tmp_path: Path) -> None:
    """An .npz made here of what a .keras holds."""
    whole = read_keras(FIXTURES / "prose.keras", len(VOCABULARY)).weights
    np.savez(tmp_path / "same.npz", *flat(whole))
    again = read_keras(tmp_path / "same.npz", len(VOCABULARY)).weights
    for a, b in zip(flat(whole), flat(again), strict=True):
        assert np.array_equal(a, b)


def flat(weights: KerasWeights) -> list[np.ndarray]:
    """As model.get_weights() gives them."""
    arrays = [weights.embedding] if weights.embedding is not None else []
    for layer in weights.recurrences:
        arrays += [layer.kernel, layer.recurrent_kernel]
        arrays += [layer.bias] if layer.bias is not None else []
    arrays.append(weights.head)
    return arrays + ([weights.head_bias] if weights.head_bias is not None else [])


# --- the run folder is one like any other ---


def test_names_are_sampled_evaluated_compared_and_exported(
    vocabulary: Path, tmp_path: Path
) -> None:
    import_case("notebook_000", vocabulary, tmp_path / "run")
    run, bundle = tmp_path / "run", tmp_path / "bundle"
    code, out, err = charm("sample", run, "--seed", "1")
    assert (code, out.count("\n")) == (0, 10), err
    assert set(out) <= set(VOCABULARY)
    code, _, err = export_(run, "--out", bundle)
    assert code == 0, err
    model = load_bundle(bundle)
    assert charm("sample", run, "--seed", "1")[1] == "".join(
        f"{n}\n" for n in model.generate(10, seed=1)
    )
    assert model.bundle.provenance["dataset"] == "notebook_000.keras"
    assert model.bundle.max_chars == 75
    assert "nats_per_char" not in model.bundle.metrics
    names = tmp_path / "names.txt"
    names.write_text("".join(f"{a}{b}{c}\n" for a in "abñé" for b in "abñé " for c in "abñé"))
    code, out, err = charm("evaluate", run, "--corpus", names, "--json")
    assert code == 0, err
    assert "may have been trained on these records" in err
    assert json.loads(out)["nats_per_char"] > 0
    code, out, _ = charm("compare", run)
    assert (code, out.count("rnn")) == (0, 1)
    assert_one_line(*charm("evaluate", run), "--corpus FILE")
    code, out, err = charm("evaluate", run, "--corpus", write_names(tmp_path))
    assert (code, out) == (1, "")
    assert err.splitlines()[-1].startswith("error: the model does not know")
    assert_one_line(*charm("train", "--out", run, "--resume"), "already finished")


def test_text_begins_with_zeros_and_never_writes_the_boundary(
    vocabulary: Path, tmp_path: Path
) -> None:
    import_case("prose", vocabulary, tmp_path / "run")
    facts = read_run(tmp_path / "run")
    assert list(facts.vocabulary.symbols) == ["", *VOCABULARY]
    weights = {
        name: value.detach() for name, value in weights_of(read_model(tmp_path / "run")).items()
    }
    assert float(weights["head.bias"][0]) == -1e4
    assert float(weights["head.weight"][0].abs().max()) == 0
    assert float(weights["embedding.weight"][0].abs().max()) == 0
    code, out, err = charm("sample", tmp_path / "run", "--seed", "1", "--max-chars", "300")
    assert (code, len(out)) == (0, 301), err
    assert "\n" in out[:-1], "a newline is an ordinary character of text"
    code, _, err = export_(tmp_path / "run", "--out", tmp_path / "bundle")
    assert code == 0, err
    assert code == export_("--check", tmp_path / "bundle")[0]


@pytest.mark.parametrize("case", ["gru_before", "prose"])
def test_training_goes_on_from_it(case: str, vocabulary: Path, tmp_path: Path) -> None:
    """One-hot and embedded, with characters that Keras never saw."""
    facts = import_case(case, vocabulary, tmp_path / "run")
    corpus = write_names(tmp_path) if facts["kind"] == "names" else write_text(tmp_path)
    words = ["--from", tmp_path / "run", "--out", tmp_path / "on", "--kind", facts["kind"]]
    code, out, err = charm("train", corpus, *words, "--max-steps", "2", "--no-test", "--json")
    assert code == 0, err
    assert json.loads(out)["steps"] == 2


def test_the_run_claims_nothing(vocabulary: Path, tmp_path: Path) -> None:
    code, out, err = import_keras(
        FIXTURES / "prose.keras", vocabulary, tmp_path / "run", "--kind", "text", "--json"
    )
    parameters = 6 * 4 + 4 * 4 * (4 + 4 + 1) + 7 * (4 + 1) + 4  # the boundary's row is one more
    said = {"run": str(tmp_path / "run"), "arch": "lstm", "parameters": parameters, "vocabulary": 7}
    assert (code, json.loads(out)) == (0, said), err
    facts = json.loads((tmp_path / "run/run.json").read_text(encoding="utf-8"))
    assert facts["metrics"] == {"parameters": parameters}
    assert facts["corpus"]["source"] == ""
    assert facts["corpus"]["imported"]["keras"] == about("prose")["keras"]
    assert facts["split"]["train"] == facts["split"]["test"] == 0


def test_assumptions_are_said_only_where_the_file_is_silent(
    vocabulary: Path, tmp_path: Path
) -> None:
    for case in CASES:
        file = FIXTURES / about(case)["file"]
        _, _, err = import_keras(file, vocabulary, tmp_path / case)
        silent = file.suffix == ".npz" or case.endswith("weights")
        assert ("says no activations: tanh" in err) == silent, case


def test_another_symbol_may_end_a_name(vocabulary: Path, tmp_path: Path) -> None:
    file = FIXTURES / "notebook_002.keras"
    assert import_keras(file, vocabulary, tmp_path / "run", "--end", " ")[0] == 0
    assert read_run(tmp_path / "run").vocabulary.symbols == ("", "b", "\n", "a", "ñ", "é")


# --- what is there stays there ---


def test_force_replaces_a_run_and_nothing_else(vocabulary: Path, tmp_path: Path) -> None:
    file, out = FIXTURES / "prose.keras", tmp_path / "run"
    import_case("notebook_000", vocabulary, out)
    (out / "notes.txt").write_text("mine")
    assert_one_line(*import_keras(file, vocabulary, out), "replace it with --force")
    assert read_run(out).model.arch == "rnn"
    broken = tmp_path / "broken.keras"
    broken.write_bytes(file.read_bytes()[:500])
    assert_one_line(*import_keras(broken, vocabulary, out, "--force"), "broken")
    assert read_model(out).config.arch == "rnn", "a wrong file loses nothing"
    assert import_keras(file, vocabulary, out, "--force")[0] == 0
    assert read_model(out).config.arch == "lstm"
    assert (out / "notes.txt").read_text() == "mine"
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("years")
    assert_one_line(*import_keras(file, vocabulary, precious, "--force"), "is no run folder")
    assert not list(tmp_path.glob(".*")), "nothing is left beside"


def refused(file: Path, vocabulary: Path, *words: str) -> str:
    """The one line of an import that must fail and leave nothing behind."""
    out = vocabulary.parent / "runs" / "refused"
    code, said, err = import_keras(file, vocabulary, out, *words)
    assert_one_line(code, said, err, "")
    assert not out.parent.exists()
    return err


# --- vocabularies ---


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a": 0}', "holds no list"),
        ("[]", "holds no list"),
        ("[1, 2]", "id 0 is 1; expected a single character"),
        ('["a", "bc"]', "id 1 is 'bc'"),
        ('["a", ""]', "id 1 is ''"),
        ('["a", "\\ud800"]', "id 1 is '\\ud800'"),
        ('["a", "\u0958"]', "one code point once composed"),  # two, even once composed
        ('["é", "e\\u0301"]', "stands at 0 and at 1"),
        ('["a", "b", "a"]', "stands at 0 and at 2"),
        ("[" * 100_000, "not JSON"),
        ("nonsense", "not JSON"),
        (None, "no such file"),
        ('["a", "b", "c", "d", "e", "f"]', "--kind text"),
        ('["\\n", "b", "c"]', "Does the vocabulary list every id"),
    ],
)
def test_a_wrong_vocabulary_is_one_line(text: str | None, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "v.json"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    assert reason in refused(FIXTURES / "prose.keras", path)


def test_a_decomposed_character_is_composed(tmp_path: Path) -> None:
    path = tmp_path / "v.json"
    path.write_text(json.dumps(["n\u0303", "\n"]), encoding="utf-8")
    assert read_symbols(path) == ("ñ", "\n")


def test_end_is_one_character_of_names(vocabulary: Path) -> None:
    file = FIXTURES / "prose.keras"
    assert "end is 'ab'" in refused(file, vocabulary, "--end", "ab")
    assert "'x', is not in the vocabulary" in refused(file, vocabulary, "--end", "x")
    assert "end is ''" in refused(file, vocabulary, "--end", "")
    assert "text has no end" in refused(file, vocabulary, "--kind", "text", "--end", "\n")
    with pytest.raises((SettingError, VocabularyError)):
        convert.convert(read_keras(file, 6).weights, tuple(VOCABULARY), "names", "")


# --- architectures ---


def config_of(name: str) -> dict[str, Any]:
    with zipfile.ZipFile(FIXTURES / name) as archive:
        config: dict[str, Any] = json.loads(archive.read("config.json"))
    return config


def layer_of(config: dict[str, Any], class_name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(
        layer for layer in config["config"]["layers"] if layer["class_name"] == class_name
    )
    return found


@pytest.mark.parametrize(
    ("name", "class_name", "setting", "value", "reason"),
    [
        ("prose", "LSTM", "activation", "relu", "layer 'lstm' (LSTM): activation is 'relu'"),
        ("prose", "LSTM", "activation", {"class_name": "function"}, "activation is {"),
        (
            "prose",
            "LSTM",
            "recurrent_activation",
            "hard_sigmoid",
            "is 'hard_sigmoid'; expected sig",
        ),
        ("prose", "LSTM", "go_backwards", True, "go_backwards is True"),
        ("prose", "LSTM", "units", 5, "is 5 wide, but"),
        ("prose", "LSTM", "units", None, "its width is None"),
        (
            "prose",
            "LSTM",
            "use_bias",
            False,
            "has weights kernel, recurrent_kernel, bias; expected",
        ),
        ("prose", "LSTM", "use_bias", None, "use_bias is None"),
        ("prose", "Embedding", "mask_zero", True, "mask_zero is True"),
        ("prose", "Dense", "activation", "relu", "activation is 'relu'; expected softmax"),
        ("notebook_002", "Activation", "activation", "tanh", "activation is 'tanh'"),
        ("notebook_002", "Dense", "activation", "softmax", "softmax twice"),
        ("gru_after", "GRU", "reset_after", None, "reset_after is None"),
        ("gru_after", "GRU", "reset_after", False, "bias has shape (2, 12); expected (12,)"),
    ],
)
def test_a_setting_that_changes_the_equations_is_refused(
    name: str,
    class_name: str,
    setting: str,
    value: object,
    reason: str,
    vocabulary: Path,
    tmp_path: Path,
) -> None:
    config = config_of(f"{name}.keras")
    layer_of(config, class_name)["config"][setting] = value
    assert reason in refused(with_config(name, config, tmp_path), vocabulary)


def with_config(name: str, config: object, folder: Path) -> Path:
    """A fixture with another configuration."""
    path = folder / "changed.keras"
    with (
        zipfile.ZipFile(FIXTURES / f"{name}.keras") as old,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        new.writestr("config.json", json.dumps(config))
        new.writestr("model.weights.h5", old.read("model.weights.h5"))
    return path


@pytest.mark.parametrize(
    ("class_name", "reason"),
    [
        ("Lambda", "is a Lambda: it is code"),
        ("Bidirectional", "is a Bidirectional: it reads the text to come"),
        ("Masking", "is a Masking: characters that are skipped"),
        ("TextVectorization", "is a TextVectorization: it is not known here"),
        ("LayerNormalization", "is a LayerNormalization"),
        ("Sequential", "a model inside the model"),
        ("Dense", "comes after the Dense layer"),
        ("LSTM", "comes after the Dense layer"),
        ("Softmax", "softmax twice"),
    ],
)
def test_a_layer_that_is_not_understood_is_named(
    class_name: str, reason: str, vocabulary: Path, tmp_path: Path
) -> None:
    config = config_of("notebook_002.keras")
    layers = config["config"]["layers"]
    like = next((layer for layer in layers if layer["class_name"] == class_name), layers[-1])
    other = json.loads(json.dumps(like)) | {"class_name": class_name}
    other["config"]["name"] = "stranger"
    layers.append(other)
    path = with_config("notebook_002", config, tmp_path)
    if class_name in ("Dense", "LSTM"):  # its weights are looked for, and are not there
        reason = "has no"
    assert reason in refused(path, vocabulary)


def test_a_lambda_that_keras_saved_is_refused(vocabulary: Path) -> None:
    assert "layer 'lambda' is a Lambda: it is code" in refused(
        FIXTURES / "lambda.keras", vocabulary
    )


def test_objects_of_ones_own_are_refused(vocabulary: Path, tmp_path: Path) -> None:
    config = config_of("prose.keras")
    layer_of(config, "LSTM")["registered_name"] = "mine>LSTM"
    assert "'mine>LSTM', which is code" in refused(
        with_config("prose", config, tmp_path), vocabulary
    )
    config = config_of("prose.keras")
    layer_of(config, "LSTM")["module"] = "mine.layers"
    assert "layer 'lstm' is a custom" in refused(with_config("prose", config, tmp_path), vocabulary)
    config = config_of("prose.keras") | {"class_name": "MyModel"}
    assert "is a 'MyModel'" in refused(with_config("prose", config, tmp_path), vocabulary)


def functional(**changes: Any) -> dict[str, Any]:
    config = config_of("notebook_000.keras")
    config["config"] |= changes
    return config


def test_a_functional_model_has_one_way_through() -> None:
    assert len(read_architecture(functional()).layers) == 2
    assert "memory begins at zero" in read_architecture(functional()).notes[0]
    names = [layer["name"] for layer in functional()["config"]["layers"]]
    dense, recurrent = names[-1], names[-2]
    both = functional(output_layers=[[dense, 0, 0], [recurrent, 0, 1]])
    assert len(read_architecture(both).layers) == 2, "memories may go out beside the scores"
    wrongs: list[tuple[dict[str, Any], str]] = [
        (functional(output_layers=[]), "gives 0 outputs"),
        (functional(output_layers=[["nobody", 0, 0]]), "'nobody' is read, but not there"),
        (functional(output_layers=[[names[0], 0, 0]]), "is not on the way"),
    ]
    twice = functional()
    layer_of(twice, "Dense")["inbound_nodes"] *= 2
    wrongs.append((twice, "is used 2 times"))
    looped = functional()
    text = json.dumps(layer_of(looped, "Dense")["inbound_nodes"]).replace(recurrent, dense)
    layer_of(looped, "Dense")["inbound_nodes"] = json.loads(text)
    wrongs.append((looped, "reads what it says itself"))
    masked = functional()
    node = layer_of(masked, "SimpleRNN")["inbound_nodes"][0]
    node["kwargs"]["mask"] = node["args"][0]
    wrongs.append((masked, "given a mask"))
    for config, reason in wrongs:
        with pytest.raises(RunError, match=reason):
            read_architecture(config)


def test_the_memory_c_of_an_lstm_is_not_what_it_says() -> None:
    """In the form of Keras 2."""

    def model(output: int) -> dict[str, Any]:
        lstm = {"name": "m", "units": 3, "activation": "tanh", "recurrent_activation": "sigmoid"}
        dense = {"name": "s", "units": 6, "activation": "softmax", "use_bias": True}
        layers = [
            {"name": "i", "class_name": "InputLayer", "config": {"name": "i"}, "inbound_nodes": []},
            {
                "name": "m",
                "class_name": "LSTM",
                "config": lstm | {"use_bias": True},
                "inbound_nodes": [[["i", 0, 0, {}]]],
            },
            {
                "name": "s",
                "class_name": "Dense",
                "config": dense,
                "inbound_nodes": [[["m", 0, output, {}]]],
            },
        ]
        config = {"layers": layers, "output_layers": [["s", 0, 0]]}
        return {"class_name": "Functional", "config": config}

    for output in (0, 1):
        assert [layer.name for layer in read_architecture(model(output)).layers] == ["m", "s"]
    with pytest.raises(RunError, match="reads output 2 of 'm'; expected its h"):
        read_architecture(model(2))


@pytest.mark.parametrize("config", [None, [], {}, {"class_name": "Sequential"}, {"config": 3}, "x"])
def test_a_configuration_that_is_none_is_one_line(
    config: object, vocabulary: Path, tmp_path: Path
) -> None:
    assert "expected" in refused(with_config("prose", config, tmp_path), vocabulary)


# --- arrays without names ---


def draw(*shapes: tuple[int, ...]) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.standard_normal(shape).astype(np.float32) for shape in shapes]


def write_npz(folder: Path, *arrays: Any) -> Path:
    np.savez(folder / "model.npz", *arrays)
    return folder / "model.npz"


@pytest.mark.parametrize(
    ("shapes", "reason"),
    [
        ([(6, 12), (4, 12), (4, 6), (6,)], "may be gru without bias or gru_reset_before"),
        ([(6, 6), (6, 6), (6, 6), (6,), (6, 6), (6, 6), (6,), (6,)], "give that file"),
        ([(6, 4), (4, 4), (4,), (5, 6), (6,)], "its arrays have shapes (6, 4), (4, 4)"),
        ([(7, 4), (4, 4), (4,), (4, 7), (7,)], "the 6 characters of the vocabulary"),
        ([(6, 4), (4, 4), (4,), (4, 3), (3, 3), (3,), (3, 6), (6,)], "one kind and one width"),
        ([(6, 4), (4, 4), (4,), (4, 16), (4, 16), (16,), (4, 6), (6,)], "one kind and one width"),
        ([(6,)], "its arrays have shapes (6,)"),
        ([(6, 0), (0, 0), (0,), (0, 6)], "its arrays have shapes"),
    ],
)
def test_shapes_that_do_not_say_enough_are_refused(
    shapes: list[tuple[int, ...]], reason: str, vocabulary: Path, tmp_path: Path
) -> None:
    assert reason in refused(write_npz(tmp_path, *draw(*shapes)), vocabulary)


def test_many_arrays_of_one_shape_take_no_time(vocabulary: Path, tmp_path: Path) -> None:
    """The readings of such a list grow with every array; their number is bounded."""
    shapes = [(6, 18)] * containers.MAX_ARRAYS
    assert "its arrays have shapes" in refused(write_npz(tmp_path, *draw(*shapes)), vocabulary)
    shapes.append((6, 18))
    assert "at most 32" in refused(write_npz(tmp_path, *draw(*shapes)), vocabulary)


# --- hostile files ---


def rnn() -> list[np.ndarray]:
    return draw((6, 4), (4, 4), (4,), (4, 6), (6,))


def test_an_npz_holds_plain_finite_floats(vocabulary: Path, tmp_path: Path) -> None:
    kernel, *others = rnn()
    for value in (np.nan, np.inf):
        assert "not finite" in refused(write_npz(tmp_path, kernel * value, *others), vocabulary)
    assert "expected floats" in refused(
        write_npz(tmp_path, kernel.astype(np.int64), *others), vocabulary
    )
    huge = kernel.astype(np.float64) * 1e300
    assert "not finite" in refused(write_npz(tmp_path, huge, *others), vocabulary)
    objects = np.array([{"run": "me"}], dtype=object)
    assert "may run code" in refused(write_npz(tmp_path, kernel, objects), vocabulary)
    np.savez(tmp_path / "named.npz", kernel=kernel)
    assert "np.savez(file, *model.get_weights())" in refused(tmp_path / "named.npz", vocabulary)


def test_an_npz_may_be_packed_double_or_in_the_order_of_fortran(
    vocabulary: Path, tmp_path: Path
) -> None:
    path = tmp_path / "packed.npz"
    np.savez_compressed(path, *(np.asfortranarray(each.astype(np.float64)) for each in rnn()))
    assert np.array_equal(flat(read_keras(path, 6).weights)[0], rnn()[0])


def test_a_header_that_promises_more_than_there_is_takes_no_memory(
    vocabulary: Path, tmp_path: Path
) -> None:
    array = io.BytesIO()
    np.save(array, np.zeros((6, 4), np.float32))
    data = array.getvalue().replace(b"(6, 4), }          ", b"(9999999, 99999), }")
    assert b"9999999" in data
    with zipfile.ZipFile(tmp_path / "big.npz", "w") as archive:
        archive.writestr("arr_0.npy", data)
    assert "says shape (9999999, 99999)" in refused(tmp_path / "big.npz", vocabulary)


def test_a_zip_bomb_is_not_unpacked(vocabulary: Path, tmp_path: Path) -> None:
    for name in ("model.weights.h5", "config.json"):
        path = tmp_path / "bomb.keras"
        members = {"config.json": b"{}", "model.weights.h5": b""} | {name: bytes(50_000_000)}
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for member, data in members.items():
                archive.writestr(member, data)
        said = refused(path, vocabulary)
        assert ("unpacks to 50,000,000" in said) == (name == "config.json")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", json.dumps(config_of("prose.keras")))
        archive.writestr("model.weights.h5", bytes(50_000_000))
    assert "unpacks to 50,000,000" in refused(path, vocabulary)


def hdf5_copy(folder: Path) -> Path:
    return Path(shutil.copy(FIXTURES / "prose_weights.weights.h5", folder / "changed.weights.h5"))


PLACE = "layers/dense/vars/0"


def test_links_lead_nowhere(vocabulary: Path, tmp_path: Path) -> None:
    other = hdf5_copy(tmp_path)
    outside = Path(shutil.copy(other, tmp_path / "outside.h5"))
    for link in (h5py.SoftLink("/layers/dense/vars/1"), h5py.ExternalLink(str(outside), PLACE)):
        with h5py.File(other, "r+") as file:
            del file[PLACE]
            file[PLACE] = link
        assert "is a link to somewhere else" in refused(other, vocabulary)
    with h5py.File(other, "r+") as file:
        del file["layers/dense"]
        file["layers/dense"] = h5py.SoftLink("/layers/lstm")
    assert "is a link to somewhere else" in refused(other, vocabulary)


def test_only_plain_arrays_of_the_file_itself_are_read(vocabulary: Path, tmp_path: Path) -> None:
    layout = h5py.VirtualLayout((4, 6), "f4")
    layout[:] = h5py.VirtualSource(str(tmp_path / "outside.h5"), PLACE, (4, 6))
    (tmp_path / "raw").write_bytes(bytes(96))

    def change(how: Any) -> str:
        path = hdf5_copy(tmp_path)
        with h5py.File(path, "r+") as file:
            del file[PLACE]
            how(file)
        return refused(path, vocabulary)

    plain = "does not stand whole and unpacked"
    assert plain in change(lambda file: file.create_virtual_dataset(PLACE, layout))
    external = [(str(tmp_path / "raw"), 0, 96)]
    assert plain in change(lambda f: f.create_dataset(PLACE, (4, 6), "f4", external=external))
    assert plain in change(lambda f: f.create_dataset(PLACE, (1 << 30, 1 << 20), "f4", chunks=True))
    assert plain in change(lambda f: f.create_dataset(PLACE, (1 << 30, 1 << 8), "f4"))
    assert "holds int32" in change(lambda f: f.create_dataset(PLACE, (4, 6), "i4"))
    assert "expected an array" in change(lambda f: f.create_group(PLACE))
    assert "expected an array" in change(lambda f: f.create_dataset(PLACE, data=h5py.Empty("f4")))
    assert "not finite" in change(lambda f: f.create_dataset(PLACE, data=np.full((4, 6), np.nan)))
    assert "numbered from 0" in change(lambda f: None)


def test_groups_are_bounded(vocabulary: Path, tmp_path: Path) -> None:
    path = hdf5_copy(tmp_path)
    with h5py.File(path, "r+") as file:
        for index in range(hdf5.MAX_MEMBERS):
            file.create_group(f"layers/dropout_{index}")
    assert "expected at most 256" in refused(path, vocabulary)
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [b"x"] * (hdf5.MAX_MEMBERS + 1)
    assert "expected a short list" in refused(path, vocabulary)
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = ["x"]
        file["x/y"] = h5py.SoftLink("/")
    assert "is a link" in refused(path, vocabulary)
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = ["x"]
        group = file.create_group("x")
        group["again"] = group
    assert "groups within groups" in refused(path, vocabulary)


def test_other_layers_of_weights_alone_are_refused(vocabulary: Path, tmp_path: Path) -> None:
    path = hdf5_copy(tmp_path)
    with h5py.File(path, "r+") as file:
        file.create_group("layers/bidirectional")
    assert "it has a layer 'bidirectional'" in refused(path, vocabulary)


def test_what_is_no_file_of_keras_is_one_line(vocabulary: Path, tmp_path: Path) -> None:
    assert "no such file" in refused(tmp_path / "nowhere.keras", vocabulary)
    assert "is a folder" in refused(tmp_path, vocabulary)
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved/saved_model.pb").write_bytes(b"")
    assert "model.save(" in refused(tmp_path / "saved", vocabulary)
    pickle = tmp_path / "model.pkl"
    pickle.write_bytes(b"\x80\x04\x95")
    assert "as no Keras file does" in refused(pickle, vocabulary)
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("thesis.txt", "years")
    assert "a zip file of thesis.txt" in refused(tmp_path / "other.zip", vocabulary)


@pytest.mark.parametrize("name", ["prose.keras", "gru_before.h5", "stacked.npz"])
def test_a_file_cut_short_is_one_of_our_errors(name: str, tmp_path: Path) -> None:
    data, path = (FIXTURES / name).read_bytes(), tmp_path / "short"
    for size in np.linspace(0, len(data) - 1, 40).astype(int):
        path.write_bytes(data[:size])
        with pytest.raises(RunError) as caught:
            read_keras(path, len(VOCABULARY))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["prose.keras", "stacked.npz"])
def test_changed_bytes_are_one_of_our_errors(name: str, tmp_path: Path) -> None:
    """Zip files have checksums. HDF5 has none: changed, it may be read, refused, or never end."""
    data, path = (FIXTURES / name).read_bytes(), tmp_path / "changed"
    rng = np.random.default_rng(0)
    for _ in range(60):
        damaged = bytearray(data)
        for at in rng.integers(len(data), size=30):
            damaged[at] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        with pytest.raises(RunError) as caught:
            read_keras(path, len(VOCABULARY))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["prose.keras", "gru_before.h5"])
def test_hdf5_is_read_in_a_process_of_its_own(
    name: str, vocabulary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = flat(read_keras(FIXTURES / name, len(VOCABULARY)).weights)
    monkeypatch.setattr(files, "run_apart", apart.run_apart)
    again = flat(read_keras(FIXTURES / name, len(VOCABULARY)).weights)
    assert all(np.array_equal(a, b) for a, b in zip(expected, again, strict=True))
    with pytest.raises(RunError, match="Does the vocabulary list every id"):
        read_keras(FIXTURES / name, 3)


def test_a_crash_or_a_loop_of_the_library_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RunError, match="crashed the HDF5 library"):
        apart.run_apart(os.abort)
    monkeypatch.setattr(apart, "SECONDS", 0.5)
    with pytest.raises(RunError, match=r"not read within 0\.5 seconds"):
        apart.run_apart(time.sleep, 60)


def test_h5py_is_asked_for_only_where_it_is_needed(vocabulary: Path, tmp_path: Path) -> None:
    code = "from charmodels.__main__ import main\nsys.exit(main(sys.argv[1:]))"
    words = ["--vocabulary", vocabulary, "--out", tmp_path / "run"]
    for name in ("prose.keras", "prose_weights.weights.h5"):
        answer = ask(code, ("h5py",), "import-keras", FIXTURES / name, *words)
        assert answer.returncode == 1
        assert answer.stderr == (
            "error: this needs h5py, which is not installed; "
            'install it with: pip install "charmodels[keras]"\n'
        )
        assert not (tmp_path / "run").exists()
    answer = ask(code, ("h5py", "keras"), "import-keras", FIXTURES / "stacked.npz", *words)
    assert answer.returncode == 0, answer.stderr
