"""Who may import whom: the runtime, the corpus, the page and the check of a bundle need no torch.

Each question is asked in a fresh interpreter where the forbidden packages cannot be imported; and
one test asks it of code that does need torch, to show that the answer can be no.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TORCH = ("torch", "safetensors", "onnxscript", "charmodels.models", "charmodels.training")
PAGE = ("gradio", "pandas", "polars")
IMPORT_SECONDS = 0.5
SLACK = 5
"""Times are for an idle machine; tests run on busy ones."""


def modules_of(package):
    """Every module of a package, so that a new one is asked too."""
    files = sorted((ROOT / package).rglob("*.py"))
    names = [".".join(file.relative_to(ROOT).with_suffix("").parts) for file in files]
    return [name.removesuffix(".__init__") for name in names]


BLOCK = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name in {names!r}:
            raise ModuleNotFoundError(f"{{name}} is blocked here", name=name)

sys.meta_path.insert(0, Blocked())
"""


def ask(code, blocked, *arguments):
    """Run `code` where importing any of `blocked` fails."""
    command = [sys.executable, "-c", BLOCK.format(names=blocked) + code, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8")


def import_all(modules, blocked):
    names = "".join(f"import {name}\n" for name in modules)
    return ask(names + "print('imported')", blocked)


@pytest.mark.parametrize(
    ("package", "blocked"),
    [
        ("charmodels/runtime", (*TORCH, *PAGE, "tyro", "rich", "export", "demo")),
        ("charmodels/corpus", (*TORCH, *PAGE, "export", "demo")),
        ("charmodels/scratch", (*TORCH, *PAGE, "export", "demo")),
        ("charmodels/ngram", (*TORCH, *PAGE, "export", "demo")),
        ("demo", (*TORCH, "export")),
    ],
)
def test_a_package_imports_without_what_it_may_not_need(package, blocked):
    answer = import_all(modules_of(package), blocked)
    assert answer.stdout == "imported\n", answer.stderr


@pytest.mark.parametrize(
    ("module", "missing"),
    [("charmodels.models", "torch"), ("export.writer", "torch"), ("demo.app", "gradio")],
)
def test_the_question_can_be_answered_with_no(module, missing):
    answer = import_all([module], [missing])
    assert answer.returncode == 1
    assert f"{missing} is blocked here" in answer.stderr


def test_a_bundle_is_checked_and_described_without_torch(names_bundle):
    code = "from export.__main__ import main\nsys.exit(main(sys.argv[1:]))"
    for option, expected in (("--check", "is sound"), ("--inspect", "kind: names")):
        answer = ask(code, (*TORCH, *PAGE), option, names_bundle)
        assert answer.returncode == 0, answer.stderr
        assert expected in answer.stdout


def test_the_command_line_samples_without_torch(names_bundle):
    code = "from charmodels.__main__ import main\nsys.exit(main(sys.argv[1:]))"
    answer = ask(code, (*TORCH, *PAGE), "sample", names_bundle, "--count", 3, "--seed", 1)
    assert len(answer.stdout.splitlines()) == 3, answer.stderr


def test_the_runtime_is_light_and_quick_to_import():
    """Nothing but numpy and onnxruntime; onnx, which checks a stranger's graph, comes later."""
    code = """
import time
start = time.perf_counter()
import charmodels.runtime
print(time.perf_counter() - start)
heavy = "torch gradio pandas polars onnx tyro rich scipy matplotlib".split()
print([name for name in heavy if name in sys.modules])
"""
    seconds, found = ask(code, ()).stdout.splitlines()
    assert found == "[]"
    assert float(seconds) < IMPORT_SECONDS * SLACK


@pytest.mark.parametrize(
    ("folder", "code", "rule"),
    [
        ("charmodels/runtime", "import torch\n", "TID251"),
        ("charmodels/runtime", "def f():\n    from torch import nn\n    return nn\n", "TID251"),
        ("charmodels/runtime", "import gradio\n", "TID251"),
        ("demo", "import torch\n", "TID253"),
        ("demo", "from export.writer import export_run\n", "TID253"),
        ("demo", "from charmodels.training.train import train_run\n", "TID253"),
        ("demo", "def f():\n    import torch\n\n    return torch\n", None),
        ("charmodels/models", "import torch\n", None),
    ],
)
def test_the_linter_holds_the_rule(tmp_path, folder, code, rule):
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / folder).mkdir(parents=True)
    if (ROOT / folder / "ruff.toml").exists():
        shutil.copy(ROOT / folder / "ruff.toml", tmp_path / folder)
    (tmp_path / folder / "bad.py").write_text(code)
    command = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--no-cache",
        "--select",
        "TID",
        str(tmp_path),
    ]
    said = subprocess.run(command, capture_output=True, text=True, encoding="utf-8")
    assert said.returncode == (1 if rule else 0), said.stderr
    assert rule is None or rule in said.stdout
