"""The command lines: help at once, results on stdout, talk on stderr, one line for an error."""

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import onnx
import pytest

import charmodels.__main__
import export.__main__
from charmodels.runtime.bundle import read_bundle, write_bundle
from export.sample_graph import build_sample_graph
from tests.test_imports import SLACK, ask
from tests.tiny import write_tiny

COMMANDS = {
    "charmodels": [
        "", "train", "evaluate", "sample", "predict", "compare", "reach", "recipes", "data",
        "data list", "data fetch", "data card", "import-keras",
    ],
    "export": [""],
    "demo": [""],
}  # fmt: skip
HELP_SECONDS = 1.0


def run(main, *argv):
    """Exit code, stdout and stderr of a command, without a process of its own."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main([str(each) for each in argv])
        except SystemExit as stop:
            code = stop.code
    return code, out.getvalue(), err.getvalue()


def charm(*argv):
    return run(charmodels.__main__.main, *argv)


def export_(*argv):
    return run(export.__main__.main, *argv)


# --- help ---

HELPS = """
import contextlib, io, time
from importlib import import_module
start = time.perf_counter()
for command in sys.argv[2:]:
    main, out = import_module(f"{sys.argv[1]}.__main__").main, io.StringIO()
    with contextlib.redirect_stdout(out):
        try:
            code = main([*command.split(), "--help"])
        except SystemExit as stop:
            code = stop.code
    print(code, round(time.perf_counter() - start, 3), len(out.getvalue()))
    start = time.perf_counter()
heavy = "torch gradio pandas polars onnx jinja2 matplotlib rapidfuzz pydivsufsort".split()
print([name for name in heavy if name in sys.modules])
"""


@pytest.mark.parametrize("package", COMMANDS)
def test_help_answers_at_once(package):
    """The first answer includes the imports; none of them needs torch or the page."""
    answer = ask(HELPS, (), package, *COMMANDS[package])
    *lines, heavy = answer.stdout.splitlines()
    assert heavy == "[]", f"imported for --help of {package}"
    assert len(lines) == len(COMMANDS[package]), answer.stderr
    for command, line in zip(COMMANDS[package], lines, strict=True):
        code, seconds, length = line.split()
        assert code in ("0", "None"), f"{package} {command} --help"
        assert float(seconds) < HELP_SECONDS * SLACK, f"{package} {command} --help"
        assert int(length) > 150, f"{package} {command} --help says too little"


def test_help_names_every_command():
    code, out, err = charm("--help")
    assert (code, err) == (0, "")
    for command in "train evaluate sample predict compare reach recipes data".split():
        assert command in out


# --- bad usage: 2 ---


@pytest.mark.parametrize(
    ("main", "argv", "suggestion"),
    [
        (charm, ["trian"], "train, evaluate, sample, predict, compare, reach"),
        (charm, [], "train"),
        (charm, ["data", "lst"], "list, fetch"),
        (charm, ["sample", "x", "--tempature", "1"], "--temperature"),
        (charm, ["sample", "x", "--count", "many"], "INT"),
        (charm, ["train", "x", "--out", "y", "--arch", "grru"], "rnn"),
        (charm, ["train", "x"], "--out"),
        (charm, ["train", "--out", "y"], "what to train on is missing"),
        (charm, ["train", "x", "--out", "y", "--dropout", "3"], "dropout is 3"),
        (charm, ["train", "x", "--out", "y", "--no-force"], "--force"),
        (export_, ["--chek", "x"], "--check"),
        (export_, [], "expected one of: RUN --out BUNDLE"),
        (export_, ["a", "--check", "b"], "expected one of"),
        (export_, ["--check", "a", "--for", "hub"], "--check does nothing with --for"),
        (export_, ["--inspect", "a", "--variants", "int8"], "--inspect does nothing with --var"),
        (
            export_,
            ["a", "--out", "b", "--for", "hub", "--no-ngram"],
            "--for does nothing with --no-",
        ),
        (export_, ["a", "--out", "b", "--graphs", "step,prefil"], "expected some of step, prefill"),
        (export_, ["a", "--out", "b", "--graphs", "prefill, sample"], "has no step"),
        (export_, ["runs/mine"], "--out is missing"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_mistyped_word_stops_with_the_right_ones(main, argv, suggestion):
    code, out, err = main(*argv)
    assert code == 2
    assert out == ""
    assert suggestion in err


def test_a_setting_can_be_said_both_ways_and_a_switch_twice():
    """The second reading, over a recipe's defaults, understands what the first one did."""
    words = ["train", "x", "--out", "y", "--no-tied", "--force", "--json"]
    first = charmodels.__main__.parse(words)
    assert isinstance(first, charmodels.__main__.Train)
    tied = replace(first.model, tied=True, embedding_size=96, hidden_size=96)
    second = charmodels.__main__.parse_train(words[1:], replace(first, model=tied))
    assert second == replace(first, model=replace(tied, tied=False))


# --- an error of the user's: 1, one line ---


def assert_one_line(code, out, err, reason):
    assert code == 1
    assert out == "", "an error leaves nothing on stdout"
    assert err.startswith("error: ")
    assert err.count("\n") == 1, "an error is one line"
    assert reason in err


@pytest.mark.parametrize(
    ("main", "argv", "reason"),
    [
        (charm, ["sample", "no/such/folder"], "no such file or folder"),
        (charm, ["sample", "hf://name"], "expected hf://user/name"),
        (charm, ["sample", "NAMES", "--prefix", "Ω"], "does not know 'Ω'"),
        (charm, ["sample", "NAMES", "--temperature", "11"], "temperature is 11"),
        (charm, ["sample", "NAMES", "--temperature", "nan"], "temperature is nan"),
        (charm, ["sample", "NAMES", "--top-p", "2"], "top-p is 2"),
        (charm, ["sample", "NAMES", "--count", "-1"], "count is -1"),
        (charm, ["sample", "NAMES", "--seed", "-1"], "seed is -1"),
        (charm, ["sample", "NAMES", "--max-chars", "-1"], "max-chars is -1"),
        (charm, ["sample", "TEXT", "--count", "2"], "need --print0 or --json"),
        (charm, ["sample", "TEXT", "--temperature", "11"], "temperature is 11"),
        (charm, ["sample", "TEXT", "--seed", "-1"], "seed is -1"),
        (charm, ["sample", "BROKEN"], "changed since it was made"),
        (charm, ["data", "fetch", "nothing"], "nothing"),
        (export_, ["--check", "no/such/folder"], "no such file or folder"),
        (export_, ["--check", "GRAPH"], "alone it has no golden logits"),
        (export_, ["NAMES", "--out", "b"], "is a bundle; expected the run it was made from"),
        (export_, ["--check", "BROKEN"], "changed since it was made"),
        (export_, ["--inspect", "BROKEN"], "changed since it was made"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_users_error_is_one_line(places, main, argv, reason):
    argv = [places.get(word, word) for word in argv]
    assert_one_line(*main(*argv), reason)


@pytest.fixture
def places(names_bundle, text_bundle, tmp_path):
    """Words of a command line that stand for folders."""
    broken = Path(shutil.copytree(names_bundle, tmp_path / "broken"))
    graph = bytearray((broken / "step.onnx").read_bytes())
    graph[2000] ^= 1
    (broken / "step.onnx").write_bytes(graph)
    graph = names_bundle / "step.onnx"
    return {"NAMES": names_bundle, "TEXT": text_bundle, "BROKEN": broken, "GRAPH": graph}


@pytest.mark.parametrize(
    ("package", "argv", "missing", "extra"),
    [
        ("charmodels", ["train", "LIST", "--out", "run"], "torch", "train"),
        ("charmodels", ["evaluate", "NAMES", "--corpus", "LIST"], "rapidfuzz", "evaluate"),
        ("export", ["RUN", "--out", "bundle"], "torch", "export"),
    ],
)
def test_a_missing_extra_is_named(names_bundle, tmp_path, package, argv, missing, extra):
    names = tmp_path / "list.txt"
    names.write_text("".join(f"{a}{b}na\n" for a in "abcdefgh" for b in "aeiou"))
    (tmp_path / "run").mkdir()
    places = {
        "LIST": names,
        "NAMES": names_bundle,
        "RUN": tmp_path / "run",
        "run": tmp_path / "new",
    }
    code = f"from {package}.__main__ import main\nsys.exit(main(sys.argv[1:]))"
    answer = ask(code, (missing,), *(places.get(word, word) for word in argv))
    said = [line for line in answer.stderr.splitlines() if line.startswith("error: ")]
    assert said == [
        f"error: this needs {missing}, which is not installed; "
        f'install it with: pip install "charmodels[{extra}]"'
    ], answer.stderr
    assert answer.returncode == 1
    assert answer.stdout == ""
    assert "Traceback" not in answer.stderr
    assert not (tmp_path / "new").exists(), "a command that cannot run leaves nothing behind"


# --- sample ---


def lines(texts):
    return "".join(text + "\n" for text in texts)


def test_sample_prints_a_name_a_line_and_says_its_seed(names_bundle, names_model):
    code, out, err = charm("sample", names_bundle)
    assert code == 0
    assert err.startswith("seed ")
    assert out == lines(names_model.generate(10, seed=int(err.split()[1])))
    again = charm("sample", names_bundle, "--seed", err.split()[1])
    assert again == (0, out, ""), "the seed that was said writes the same names, in silence"


def test_sample_writes_what_generate_writes(names_bundle, names_model):
    settings = ["--prefix", "ma", "--count", "4", "--seed", "5", "--temperature", "0.5"]
    code, out, _ = charm("sample", names_bundle, *settings, "--top-k", "9", "--max-chars", "8")
    expected = names_model.generate(4, prefix="ma", seed=5, temperature=0.5, top_k=9, max_chars=8)
    assert (code, out) == (0, lines(expected))


def test_sample_as_json_is_one_object(names_bundle, names_model):
    code, out, err = charm("sample", names_bundle, "--json", "--seed", "3", "--count", "2")
    assert (code, err) == (0, "")
    assert json.loads(out) == {"seed": 3, "texts": names_model.generate(2, seed=3)}


def test_sample_ends_texts_with_nul_when_asked(text_bundle, text_model):
    code, out, _ = charm("sample", text_bundle, "--print0", "--seed", "3", "--count", "3")
    assert code == 0
    assert out == "".join(text + "\0" for text in text_model.generate(3, seed=3))


def test_a_text_streams_with_its_prefix_first(text_bundle, text_model):
    code, out, _ = charm("sample", text_bundle, "--seed", "3", "--prefix", "ab")
    assert (code, out) == (0, text_model.generate(1, prefix="ab", seed=3)[0] + "\n")


def test_a_prefix_is_streamed_composed(text_bundle):
    """As every other way of sampling gives it: one code point a character."""
    code, out, _ = charm("sample", text_bundle, "--seed", "3", "--prefix", "n\u0303")
    assert (code, out[0]) == (0, "ñ")


def test_a_reader_that_leaves_is_no_error(names_bundle):
    command = [sys.executable, "-m", "charmodels", "sample", str(names_bundle), "--count", "20000"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.readline()
    process.stdout.close()
    said = process.stderr.read().decode()
    process.stderr.close()
    assert process.wait(30) == 0
    assert "Traceback" not in said
    assert "BrokenPipe" not in said


# --- the streams ---


def module(*argv, **settings):
    """A command in a process of its own; bytes on both streams."""
    command = [sys.executable, "-m", *map(str, argv)]
    return subprocess.run(command, stderr=subprocess.PIPE, timeout=60, **settings)


def test_an_inspection_may_be_cut_short(names_bundle, tmp_path):
    """What fits into the buffer is written at the end: to a pipe that nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    done = module("export", "--inspect", names_bundle, stdout=writer)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("words", [["export", "--inspect"], ["charmodels", "sample"]])
def test_a_full_disk_is_one_line(names_bundle, words):
    with Path("/dev/full").open("wb") as full:
        done = module(*words, names_bundle, stdout=full)
    assert done.returncode == 1
    assert b"error: No space left on device\n" in done.stderr
    assert b"None" not in done.stderr
    assert b"Traceback" not in done.stderr
    assert b"Exception" not in done.stderr


@pytest.mark.parametrize("words", [["export", "--inspect"], ["charmodels", "sample", "--seed=1"]])
def test_both_streams_are_utf8_whatever_is_asked_for(names_bundle, words):
    ascii_only = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    prefix = ["--prefix", "ñé"] if words[0] == "charmodels" else []
    done = module(*words, names_bundle, *prefix, stdout=subprocess.PIPE, env=ascii_only)
    assert (done.returncode, done.stderr) == (0, b"")
    assert any(ord(character) > 127 for character in done.stdout.decode("utf-8"))


@pytest.mark.parametrize("main", [charmodels.__main__, export.__main__])
def test_ctrl_c_is_130(main, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(main, "run", interrupted)
    argv = ["recipes"] if main is charmodels.__main__ else ["--check", "x"]
    assert run(main.main, *argv) == (130, "", "stopped\n")


# --- export --check and --inspect ---


def test_check_says_what_it_measured(names_bundle):
    code, out, err = export_("--check", names_bundle)
    assert (code, err) == (0, "")
    assert out.endswith(f"{names_bundle} is sound\n")
    assert "tolerance" in out
    code, out, _ = export_("--check", names_bundle, "--json")
    assert json.loads(out)["sound"] is True


def test_inspect_describes_inputs_and_outputs(text_bundle):
    code, out, _ = export_("--inspect", text_bundle, "--json")
    facts = json.loads(out)
    assert code == 0
    assert facts["kind"] == "text"
    assert facts["inputs"] == {
        "token": "int64 (batch,)",
        "h_0": "float32 (batch, 16)",
        "c_0": "float32 (batch, 16)",
    }
    assert facts["outputs"]["next_c_0"] == "float32 (batch, 16)"
    assert facts["memory_bytes_per_text"] == 2 * 16 * 4
    graph = facts["graphs"]["step.onnx"]
    assert (graph["opset"], graph["nodes"]) == (18, 14)
    assert graph["operators"]["Sigmoid"] == 3
    assert graph["bytes"] == facts["bytes"] == (text_bundle / "step.onnx").stat().st_size
    assert facts["provenance"]["dataset"] == "tiny"


def test_an_inspection_is_a_sheet_to_read(text_bundle, tmp_path):
    sheet = export_("--inspect", text_bundle)[1]
    assert sheet.startswith("bundle: text\nkind: text\n")
    assert "step.onnx: fp32, " in sheet
    assert "  out        logits       float32 (batch, 31)\n" in sheet
    assert "  nats_per_char                    2.5\n" in sheet
    archive = shutil.make_archive(str(tmp_path / "text"), "zip", text_bundle)
    assert export_("--inspect", archive)[1].splitlines()[1:] == sheet.splitlines()[1:]
    assert export_("--inspect", text_bundle / "step.onnx")[0] == 0


def test_an_inspection_names_types_and_variants_and_moves_no_cursor(names_bundle, tmp_path):
    step = onnx.load(names_bundle / "step.onnx")
    (tmp_path / "step.int8.onnx").write_bytes(step.SerializeToString())
    assert "step.int8.onnx: int8, " in export_("--inspect", tmp_path / "step.int8.onnx")[1]
    bundle = read_bundle(names_bundle)
    sample = build_sample_graph(step, bundle)
    sample.graph.output[0].name = "\x1b[2Jgone"
    graphs = {"step.onnx": step.SerializeToString(), "sample.onnx": sample.SerializeToString()}
    write_bundle(tmp_path, bundle, graphs, 18)
    code, sheet, _ = export_("--inspect", tmp_path)
    assert code == 0
    assert "             temperature  float64 (batch,)\n" in sheet
    assert "gone" in sheet
    assert "\x1b" not in sheet


def test_check_notices_golden_logits_that_do_not_fit(names_bundle, tmp_path):
    folder = Path(shutil.copytree(names_bundle, tmp_path / "bundle"))
    facts = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
    facts["golden"]["logits"][3] += 1e-2
    (folder / "bundle.json").write_text(json.dumps(facts), encoding="utf-8")
    assert_one_line(*export_("--check", folder), "differ from the golden ones")


# --- lists ---


def test_recipes_and_datasets_are_listed():
    code, out, _ = charm("recipes", "--json")
    assert code == 0
    recipes = json.loads(out)
    code, out, _ = charm("data", "list", "--json")
    assert code == 0
    datasets = {row["name"] for row in json.loads(out)["datasets"]}
    assert {recipe["dataset"] for recipe in recipes.values()} <= datasets
    assert charm("recipes")[1].count("\n") == len(recipes)


def test_predictions_are_printed_with_their_chances(tmp_path):
    bundle = write_tiny(tmp_path / "tiny")
    code, out, _ = charm("predict", str(bundle), "ab", "--count", "3", "--json")
    assert code == 0
    said = json.loads(out)
    assert said["text"] == "ab"
    chances = [each["probability"] for each in said["predictions"]]
    assert chances == sorted(chances, reverse=True)
    code, out, _ = charm("predict", str(bundle), "ab", "--count", "3")
    assert [line.split()[1] for line in out.splitlines()] == [f"{p:.1%}" for p in chances]
    assert charm("predict", str(bundle), "€")[0] == 1
