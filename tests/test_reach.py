"""Gradients through memory: known ones exactly, real models by finite differences; their plots."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from charmodels.__main__ import main
from charmodels.commands.compare import read_learning, short_names
from charmodels.config import ModelConfig
from charmodels.evaluation import reach
from charmodels.evaluation.plots import draw_curves
from charmodels.evaluation.reach import WARM_UP, measure_reach
from charmodels.models import MODELS, CharModel, build_model
from charmodels.runtime.errors import RunError, SettingError
from tests.runs import TINY, run_json, write_names, write_text
from tests.test_imports import ask

VOCAB, HIDDEN, DISTANCE = 7, 5, 12


@pytest.fixture
def ids() -> np.ndarray:
    return np.random.default_rng(0).integers(1, VOCAB, size=400)


def fading(arch: str, share: float) -> CharModel:
    """A model whose memory stays zero and keeps `share` of its gradient a character.

    A plain RNN with W_hh = share I and no input, where tanh is the identity; an LSTM whose forget
    gate is `share`, which writes nothing and whose gates do not look at h.
    """
    config = ModelConfig(arch=arch, hidden_size=HIDDEN, dropout=0.0)  # type: ignore[arg-type]
    torch.manual_seed(0)
    model = build_model(VOCAB, config)
    w_x, w_h, b, _ = model.recurrences()[0].rnn.all_weights[0]  # type: ignore[union-attr]
    with torch.no_grad():
        w_x.zero_(), w_h.zero_(), b.zero_()
        if arch == "rnn":
            w_h.copy_(share * torch.eye(HIDDEN))
        else:
            b[HIDDEN : 2 * HIDDEN] = np.log(share / (1 - share))
    return model


@pytest.mark.parametrize("arch", ["rnn", "lstm"])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_memory_that_halves_has_the_curve_of_powers(
    arch: str, share: float, ids: np.ndarray
) -> None:
    curve = measure_reach(fading(arch, share), ids, DISTANCE)
    # 1e-6: the logarithm that makes the LSTM's gate is rounded to float32.
    np.testing.assert_allclose(curve, share ** np.arange(DISTANCE + 1.0), rtol=1e-6)


def test_another_memory_has_another_curve(ids: np.ndarray) -> None:
    """The check above can fail: one weight moved, and the powers are no longer those of a half."""
    model = fading("rnn", 0.5)
    with torch.no_grad():
        model.recurrences()[0].rnn.all_weights[0][1][0, 0] += 0.01  # type: ignore[union-attr]
    curve = measure_reach(model, ids, DISTANCE)
    assert abs(curve[DISTANCE] / 0.5**DISTANCE - 1) > 1e-2


@pytest.mark.parametrize("arch", MODELS)
@pytest.mark.parametrize("layers", [1, 2])
def test_it_is_the_gradient_by_finite_differences(arch: str, layers: int, ids: np.ndarray) -> None:
    """One position, every number of the memory moved by itself, h and c apart; float64."""
    config = ModelConfig(
        arch=arch,  # type: ignore[arg-type]
        embedding_size=4, hidden_size=3, layers=layers, dropout=0.5,
    )  # fmt: skip
    torch.manual_seed(1)
    model = build_model(VOCAB, config)
    distance = 4
    text = ids[: WARM_UP + distance + 2]
    curve = measure_reach(model, text, distance)
    tokens = torch.from_numpy(text)[None]

    def norm(k: int) -> float:
        place = WARM_UP + distance - k
        with torch.no_grad():
            zero = {name: value.double() for name, value in model.initial_state().items()}
            _, state = model(tokens[:, :place], zero)

            def loss(moved: dict[str, torch.Tensor]) -> float:
                logits, _ = model(tokens[:, place:-1], moved)
                return float(cross_entropy(logits[:, -1], tokens[:, -1]))

            squares = 0.0
            for name, value in state.items():
                for i in range(value.numel()):
                    change = torch.zeros_like(value)
                    change.view(-1)[i] = 1e-6
                    up, down = (loss({**state, name: value + s * change}) for s in (1, -1))
                    squares += ((up - down) / 2e-6) ** 2
        return float(np.sqrt(squares))

    expected = [norm(k) / norm(0) for k in range(distance + 1)]
    np.testing.assert_allclose(curve, expected, rtol=1e-5)


def test_the_mean_does_not_depend_on_the_batch(
    ids: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(2)
    model = build_model(VOCAB, ModelConfig(arch="gru", hidden_size=HIDDEN))
    whole = measure_reach(model, ids, 5)
    monkeypatch.setattr(reach, "_ROWS", 7)
    np.testing.assert_allclose(measure_reach(model, ids, 5), whole, rtol=1e-12)


@pytest.mark.parametrize("distance", [0, -1, 299])
def test_a_distance_beyond_the_text_is_refused(distance: int, ids: np.ndarray) -> None:
    with pytest.raises(SettingError, match=f"distance is {distance}; expected 1 to 298 on a text"):
        measure_reach(fading("rnn", 0.5), ids, distance)
    assert len(measure_reach(fading("rnn", 0.5), ids, 298)) == 299


# --- the commands ---


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on a text. A test that changes it copies it."""
    folder = tmp_path_factory.mktemp("reach")
    source = write_text(folder)
    source.write_text(source.read_text(encoding="utf-8") * 4, encoding="utf-8")
    flags = [*TINY, "--max-steps", "5", "--no-test", "--kind", "text", "--out"]
    assert main(["train", str(source), *flags, str(folder / "run")]) == 0
    return folder / "run"


def test_the_command_prints_a_row_a_distance(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Path(shutil.copytree(run, tmp_path / "copy"))
    capsys.readouterr()
    assert main(["reach", str(run), str(copy), "--distance", "9", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert list(said["reach"]) == [run.name, copy.name]
    assert len(said["reach"][run.name]) == 10
    assert main(["reach", str(run), str(copy), "--distance", "9"]) == 0
    header, *rows = capsys.readouterr().out.splitlines()
    assert header.split("\t") == ["distance", run.name, copy.name]
    assert [row.split("\t")[0] for row in rows] == [str(k) for k in range(10)]
    assert float(rows[9].split("\t")[1]) == pytest.approx(said["reach"][run.name][9], rel=1e-3)


@pytest.mark.parametrize("command", ["reach", "compare"])
def test_a_picture_is_drawn_the_same_every_time(run: Path, tmp_path: Path, command: str) -> None:
    pictures = [tmp_path / "a.svg", tmp_path / "b.svg"]
    extra = ["--distance", "9"] if command == "reach" else []
    for picture in pictures:
        assert main([command, str(run), "--plot", str(picture), *extra]) == 0
    assert pictures[0].read_bytes() == pictures[1].read_bytes()
    drawing = pictures[0].read_text(encoding="utf-8")
    assert "<text" not in drawing  # outlines: no font is needed
    assert not re.search(r"<dc:date>|Matplotlib", drawing)
    assert main([command, str(run), "--plot", str(tmp_path / "a.png"), *extra]) == 0
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_curves_differ_in_colour_and_in_dashes_on_nothing(tmp_path: Path) -> None:
    curves = {name: ([0.0, 1.0, 2.0], [1.0, i, i * i]) for i, name in enumerate("abc", 2)}
    draw_curves(tmp_path / "a.svg", curves, across="x", up="y", logarithmic=True)
    drawing = (tmp_path / "a.svg").read_text(encoding="utf-8")
    lines = re.findall(r'<path d="[^"]*" clip-path="[^"]*" style="([^"]*)"', drawing)
    drawn = [line for line in lines if "stroke-width: 2" in line]
    assert len({re.search(r"stroke: (#\w+)", line)[1] for line in drawn}) == 3  # type: ignore[index]
    dashes = [re.search(r"stroke-dasharray: ([\d.,]+)", line) for line in drawn]
    assert len({found[1] if found else "" for found in dashes}) == 3
    background = re.search(r'<g id="patch_1">\s*<path[^>]*style="([^"]*)"', drawing)
    assert background
    assert "fill: none" in background[1] or "opacity: 0" in background[1]


@pytest.mark.parametrize("command", ["reach", "compare"])
def test_a_picture_of_another_kind_is_refused(
    run: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, str(run), "--plot", "curve.pdf"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "plot is curve.pdf; expected a file that ends in .svg or .png" in said.err


def test_without_matplotlib_its_extra_is_named(run: Path, tmp_path: Path) -> None:
    code = "from charmodels.__main__ import main\nsys.exit(main(sys.argv[1:]))"
    answer = ask(code, ("matplotlib",), "compare", run, "--plot", tmp_path / "a.svg")
    assert answer.returncode == 1
    assert "this needs matplotlib, which is not installed" in answer.stderr
    assert 'pip install "charmodels[evaluate]"' in answer.stderr
    assert ask(code, ("matplotlib",), "compare", run).returncode == 0  # no picture, no need


def test_reach_is_for_texts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = write_names(tmp_path)
    flags = [*TINY, "--max-steps", "2", "--no-test", "--out", str(tmp_path / "run")]
    assert main(["train", str(names), *flags]) == 0
    capsys.readouterr()
    assert main(["reach", str(tmp_path / "run")]) == 1
    assert "reach is measured on texts" in capsys.readouterr().err


def test_a_learning_curve_is_the_log(run: Path, tmp_path: Path) -> None:
    chars, nats = read_learning(run)
    assert chars[-1] == run_json(run)["metrics"]["chars_seen"]
    assert min(nats) == pytest.approx(run_json(run)["metrics"]["validation_nats_per_char"], 1e-4)
    assert list(chars) == sorted(set(chars))
    assert read_learning(tmp_path) == ([], [])


@pytest.mark.parametrize("line", ["{", "[]", "{}", '{"chars_seen": 1}', "[" * 100_000, "\xff"])
def test_a_broken_log_is_one_line(run: Path, tmp_path: Path, line: str) -> None:
    copy = Path(shutil.copytree(run, tmp_path / "copy"))
    with (copy / "log.jsonl").open("ab") as log:
        log.write(line.encode("latin-1") + b"\n")
    with pytest.raises(RunError, match=r"log\.jsonl, line 6: not a validation") as caught:
        read_learning(copy)
    assert "\n" not in str(caught.value)


def test_without_validations_there_is_nothing_to_draw(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Path(shutil.copytree(run, tmp_path / "copy"))
    (copy / "log.jsonl").write_text("")
    capsys.readouterr()
    picture = str(tmp_path / "a.svg")
    assert main(["compare", str(copy), "--plot", picture]) == 1
    assert "no run has a validation in its log yet" in capsys.readouterr().err
    assert main(["compare", str(copy), str(run), "--plot", picture]) == 0
    assert "copy: no validation in its log" in capsys.readouterr().err


def test_runs_that_end_alike_are_named_by_what_differs(tmp_path: Path) -> None:
    alike = tmp_path / "a" / "run", tmp_path / "b" / "run"
    assert list(short_names(alike)) == ["a/run", "b/run"]
    assert list(short_names((tmp_path / "x", tmp_path / "y"))) == ["x", "y"]
    assert list(short_names((tmp_path / "x", tmp_path / "x"))) == ["x"]
