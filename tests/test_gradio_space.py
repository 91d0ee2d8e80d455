"""The folder for a Gradio Space: whole in itself, without torch, and a page that streams."""

import ast
import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import SpaceCard

from charmodels.runtime import SettingError
from demo import gradio_space
from demo.gradio_space import app, card, closure, requirements, stage
from tests.fresh import asked, clean_environment, install
from tests.serving import free_port
from tests.tiny import write_tiny

ROOT = Path(__file__).resolve().parents[1]

COLOURS = set("red yellow green blue indigo purple pink gray".split())
"""What Hugging Face's colorFrom and colorTo may be."""


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("space")
    own = write_tiny(folder / "mine")
    (own / ".env").write_text("SECRET=1", encoding="utf-8")  # none of these is the bundle's
    (own / "customers.csv").symlink_to(ROOT / "LICENSE")
    (own / "old").mkdir()
    (own / "old" / "step.onnx").write_bytes(b"not ours")
    return stage(folder / "out", [own], title='Names: "mine"', models=["someone/names"]).folder


def faults(folder: Path) -> list[str]:
    """Imports of torch, and of modules of this project that the folder has not."""
    told = []
    for file in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or "."]
            for name in names:
                inside = folder.joinpath(*name.split("."))
                is_ours = name.partition(".")[0] in ("charmodels", "demo", "export", "tests")
                if name.startswith("torch") or (
                    is_ours and not (inside.is_dir() or inside.with_suffix(".py").is_file())
                ):
                    told.append(f"{file.relative_to(folder)}: {name}")
    return told


def test_the_folder_needs_nothing_that_it_has_not(staged: Path) -> None:
    assert not faults(staged)
    top = {path.name for path in staged.iterdir()}
    assert top == {
        *("README.md", "LICENSE", "app.py", "requirements.txt", "page.png"),
        *("charmodels", "demo", "bundles"),
    }
    assert (staged / "bundles/00/mine/bundle.json").is_file()
    shipped = {path.name for path in (staged / "demo/bundles").iterdir() if path.is_dir()}
    assert shipped == {path.parent.name for path in ROOT.glob("demo/bundles/*/bundle.json")}
    assert not list(staged.rglob("*.pyc"))


def test_of_a_bundle_only_its_own_files_are_staged(staged: Path) -> None:
    own = {path.relative_to(staged / "bundles").as_posix() for path in staged.glob("bundles/**/*")}
    assert own == {"00", "00/mine", "00/mine/bundle.json", "00/mine/step.onnx"}
    shipped = {path.name for path in staged.glob("demo/bundles/*/*")}
    assert shipped == {"bundle.json", "step.onnx", "weights.safetensors"}


def told_by(staged: Path, patch: str) -> Any:
    """What `patch` tells, when app.py is started after it as a Space starts it."""
    tell = "def tell(what): print(json.dumps(what), file=sys.__stdout__); sys.exit()"
    said = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import json, runpy, sys\n{tell}\n{patch}\nrunpy.run_path('app.py')",
        ],
        cwd=staged,
        env={**os.environ, "SPACE_ID": "someone/names", "GRADIO_SERVER_PORT": str(free_port())},
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert said.stdout, said.stderr[-2000:]
    return json.loads(said.stdout)


def test_it_opens_exactly_what_was_staged(staged: Path, tmp_path: Path) -> None:
    """A bundle that an earlier push left beside the new one is not shown."""
    again = tmp_path / "again"
    shutil.copytree(staged, again)
    write_tiny(again / "bundles/00/left")
    write_tiny(again / "bundles/01/behind")
    told = told_by(
        again,
        "import demo.__main__ as page\n"
        "page.run = lambda options: tell([str(path) for path in options.bundles])",
    )
    assert told == ["bundles/00/mine"]


def test_its_page_is_for_the_public(staged: Path) -> None:
    """What app.py asks of the page, and what the page asks of Gradio, even where torch is."""
    told = told_by(
        staged,
        "import gradio\n"
        "def launch(self, **asked):\n"
        "    tabs = [b.id for b in self.blocks.values() if isinstance(b, gradio.Tab)]\n"
        "    guards = [repr(m) for m in asked.pop('app_kwargs')['middleware']]\n"
        "    plain = {k: v for k, v in asked.items() if isinstance(v, bool | int | str)}\n"
        "    queue = {'api_open': self.api_open, 'waiting': self._queue.max_size}\n"
        "    told = {'tabs': tabs, 'guards': guards, 'analytics': self.analytics_enabled}\n"
        "    tell({**plain, **told, **queue})\n"
        "gradio.Blocks.launch = launch",
    )
    assert told["tabs"] == ["write", "names", "inside", "learn"]  # nobody trains there
    assert told["server_name"] == "0.0.0.0"
    guard, limiter, *_ = told["guards"]
    assert guard == "Middleware(Guard, behind_proxy=True, mcp=False)"
    assert limiter == "Middleware(Limiter, behind_proxy=True)"
    assert (told["max_file_size"], told["waiting"]) == ("1mb", 128)
    assert told["strict_cors"] is True
    off = (
        *("analytics", "api_open", "enable_monitoring", "inbrowser", "mcp_server", "pwa"),
        *("run_history", "share", "show_error", "ssr_mode"),
    )
    assert not {name for name in off if told[name] is not False}
    assert not {"allowed_paths", "auth"} & told.keys()


def test_what_is_missing_or_needs_torch_would_be_seen(staged: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(staged, broken)
    (broken / "demo/guard.py").unlink()
    with (broken / "demo/chat.py").open("a", encoding="utf-8") as file:
        file.write("\n\ndef late():\n    import torch\n")
    assert {fault.split(": ")[1] for fault in faults(broken)} == {"demo.guard", "torch"}


def test_a_page_that_needs_torch_is_not_staged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo/__init__.py").write_text("", encoding="utf-8")
    page = "import demo.helper\nimport demo.trains\n"
    (tmp_path / "demo/__main__.py").write_text(page, encoding="utf-8")
    helper = tmp_path / "demo/helper.py"
    helper.write_text("import numpy, json\n", encoding="utf-8")
    (tmp_path / "charmodels").mkdir()
    (tmp_path / "charmodels/training.py").write_text("import torch\n", encoding="utf-8")
    trains = "def late():\n    import charmodels.training\n"
    (tmp_path / "demo/trains.py").write_text(trains, encoding="utf-8")
    monkeypatch.setattr(gradio_space, "ROOT", tmp_path)
    assert closure(["demo.__main__"]) == (["demo", "demo.__main__", "demo.helper"], {"numpy"})
    helper.write_text("def late():\n    import torch\n", encoding="utf-8")
    with pytest.raises(SettingError, match=r"demo\.helper imports torch, which a Space has not"):
        closure(["demo.__main__"])


def test_the_requirements_are_ours_without_gradio_and_torch() -> None:
    lines = requirements(["numpy", "onnxruntime", "gradio", "starlette", "tyro", "torch"])
    assert [line.split("~=")[0] for line in lines] == ["numpy", "onnxruntime", "tyro"]


def test_the_card_says_what_a_space_reads(staged: Path) -> None:
    _, front, _ = (staged / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    facts = {key: json.loads(v) for key, v in (line.split(": ", 1) for line in front.splitlines())}
    assert facts.pop("title") == 'Names: "mine"'
    assert len(facts.pop("emoji").encode("utf-16-le")) <= 6  # one, with what makes it a picture
    assert {facts.pop("colorFrom"), facts.pop("colorTo")} <= COLOURS
    assert 0 < len(facts.pop("short_description")) <= 60
    assert facts.pop("tags")[0] == "charmodels"
    assert facts == {
        "sdk": "gradio",
        "sdk_version": version("gradio"),
        "python_version": f"{sys.version_info.major}.{sys.version_info.minor}",
        "app_file": "app.py",
        "pinned": False,
        "license": "mit",
        "models": ["someone/names"],
    }
    assert SpaceCard.load(staged / "README.md").data.to_dict()["sdk_version"] == version("gradio")
    assert "](page.png)" in (staged / "README.md").read_text(encoding="utf-8")
    picture = (staged / "page.png").read_bytes()
    assert picture == (ROOT / ".github/gradio-space.png").read_bytes()
    assert len(picture) < 100_000
    assert "models: " not in card("none", [])


def test_only_what_was_staged_is_replaced(tmp_path: Path) -> None:
    out = tmp_path / "mine"
    out.mkdir()
    (out / "novel.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(SettingError, match="in the way"):
        stage(out)
    with pytest.raises(SettingError, match="was not staged by this command"):
        stage(out, force=True)
    assert (out / "novel.txt").is_file()
    earlier = app([]).replace("7860", "8000")  # as an earlier version staged it
    (out / "app.py").write_text(earlier, encoding="utf-8")
    stage(out, force=True)
    assert not (out / "novel.txt").exists()
    assert (out / "app.py").read_text(encoding="utf-8") == app([])


@pytest.mark.slow
def test_a_fresh_environment_streams_from_the_folder(staged: Path, tmp_path: Path) -> None:
    """As a Space does: gradio in the card's version, then the requirements, then app.py."""
    python = install(staged, tmp_path / "venv")
    listed = [python, "-m", "pip", "list"]
    frozen = subprocess.check_output(listed, text=True, env=clean_environment())
    assert "torch" not in frozen
    assert "charmodels" not in frozen
    with asked(staged, python, free_port(), "mine", "ab") as visitor:
        said, _ = visitor.communicate(timeout=120)
    first, told = said.splitlines()
    text, names = json.loads(told)
    assert first == "first"
    assert text.startswith("ab")
    assert names[0] == "mine"
    assert "municipios" in names
