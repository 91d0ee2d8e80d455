"""What is installed is what was promised: no torch, the data and models inside, nothing beside."""

import json
import os
import subprocess
import sys
import tomllib
import urllib.request
import zipfile
from pathlib import Path

import pytest
import tyro

from tests.tiny import write_tiny

ROOT = Path(__file__).resolve().parents[1]
NOT_BASE = ("torch", "safetensors", "onnxscript", "rapidfuzz", "pytest", "playwright")
SHIPPED = sorted(path.parent.name for path in ROOT.glob("demo/bundles/*/bundle.json"))


def run(*command, folder):
    return subprocess.run(
        [str(part) for part in command],
        cwd=folder, capture_output=True, text=True, encoding="utf-8",
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
    )  # fmt: skip


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_the_base_install_asks_for_no_torch():
    base = " ".join(project()["dependencies"])
    assert "gradio" in base
    assert not [name for name in NOT_BASE if name in base]


def test_torch_comes_with_training_and_with_all_that_needs_it():
    extras = project()["optional-dependencies"]
    assert "torch~=2.13.0" in extras["train"]
    assert "charmodels[train]" in extras["export"]
    assert extras["dev"][0] == "charmodels[export,evaluate]"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("wheel")
    built = run(sys.executable, "-m", "build", "--wheel", "--outdir", out, ROOT, folder=out)
    assert built.returncode == 0, built.stdout[-2000:] + built.stderr[-2000:]
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """A folder that is not the checkout."""
    return tmp_path_factory.mktemp("elsewhere")


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory):
    """The Python of a fresh environment with the wheel and nothing but what it asks for."""
    folder = tmp_path_factory.mktemp("fresh") / "venv"
    made = run(sys.executable, "-m", "venv", folder, folder=folder.parent)
    assert made.returncode == 0, made.stderr
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    installed = run(python, "-m", "pip", "install", "--quiet", wheel, folder=folder.parent)
    assert installed.returncode == 0, installed.stderr[-3000:]
    return python


@pytest.mark.slow
def test_the_wheel_holds_three_packages_and_what_they_need(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    top = {name.split("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == {
        "charmodels",
        "demo",
        "export",
    }
    data = {f"charmodels/_data/{path.name}" for path in (ROOT / "data").glob("*.*")}
    assets = {f"demo/assets/{path.name}" for path in (ROOT / "demo/assets").iterdir()}
    bundles = {
        f"demo/bundles/{name}/{file}" for name in SHIPPED for file in ("bundle.json", "step.onnx")
    }
    promised = data | assets | bundles | {"charmodels/py.typed"}
    assert promised <= set(names), f"missing: {sorted(promised - set(names))}"
    assert not [name for name in names if "__pycache__" in name or "/runs/" in name]


@pytest.mark.slow
def test_a_fresh_environment_has_no_torch(python, elsewhere):
    listed = run(python, "-m", "pip", "list", "--format", "json", folder=elsewhere)
    found = {package["name"].lower() for package in json.loads(listed.stdout)}
    assert "charmodels" in found
    assert not found & set(NOT_BASE)


@pytest.mark.slow
def test_the_installed_commands_work_from_another_folder(python, elsewhere):
    listed = run(python, "-m", "charmodels", "data", "list", "--json", folder=elsewhere)
    datasets = json.loads(listed.stdout)["datasets"]
    ships = [row["path"] for row in datasets if row["where"] == "ships"]
    assert len(ships) == len(list((ROOT / "data").glob("*.t[xs]*")))
    assert all("_data" in path and str(ROOT) not in path for path in ships)
    installed = installed_bundles(python, elsewhere)
    assert [path.name for path in installed] == SHIPPED
    for bundle in installed or [write_tiny(elsewhere / "tiny")]:
        checked = run(python, "-m", "export", "--check", bundle, folder=elsewhere)
        assert checked.returncode == 0, checked.stderr
        sampled = run(python, "-m", "charmodels", "sample", bundle, "--seed", 0, folder=elsewhere)
        assert sampled.returncode == 0, sampled.stderr
        assert sampled.stdout.strip()


@pytest.mark.slow
def test_training_says_which_extra_it_needs(python, elsewhere):
    (elsewhere / "list.txt").write_text("ana\nluis\neva\n" * 10, encoding="utf-8")
    said = run(python, "-m", "charmodels", "train", "list.txt", "--out", "run", folder=elsewhere)
    assert said.returncode == 1
    assert said.stderr.splitlines()[-1].endswith('install it with: pip install "charmodels[train]"')
    assert "Traceback" not in said.stderr


@pytest.mark.slow
def test_the_installed_page_streams(python, elsewhere):
    from gradio_client import Client

    bundle = write_tiny(elsewhere / "streamed")
    command = [python, "-m", "demo", bundle, "--port", str(free_port()), "--no-open"]
    with subprocess.Popen(
        command, cwd=elsewhere, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as page:
        try:
            address = page.stdout.readline().strip()
            assert address, page.stderr.read()
            with urllib.request.urlopen(address, timeout=30) as answer:
                assert "charmodels" in answer.read().decode()
            client = Client(address, verbose=False)
            models = client.predict(api_name="/models")
            assert len(models) == 1 + len(SHIPPED)
            job = client.submit(models[0], "ma", 0.8, 20, 7, api_name="/stream")
            written = str(job.result(timeout=30))
            assert written.startswith("ma")
            assert any(written.startswith(str(part)) for part in job.outputs())
        finally:
            page.terminate()
            page.communicate(timeout=20)


def installed_bundles(python, elsewhere):
    code = "import demo, pathlib; print(pathlib.Path(demo.__file__).parent / 'bundles')"
    folder = Path(run(python, "-c", code, folder=elsewhere).stdout.strip())
    return sorted(path.parent for path in folder.glob("*/bundle.json"))


def free_port():
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_the_dockerfile_copies_and_starts_what_is_there():
    from demo.__main__ import Options

    lines = (ROOT / "demo/Dockerfile").read_text(encoding="utf-8").splitlines()
    copied = {source for line in lines if line.startswith("COPY") for source in line.split()[1:-1]}
    assert copied >= {"charmodels", "export", "demo", "data", project()["readme"], "LICENSE"}
    assert all((ROOT / source).exists() for source in copied)
    sent = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert {f"!{source}" for source in copied} <= set(sent)
    (command,) = (json.loads(line.removeprefix("CMD ")) for line in lines if line[:4] == "CMD ")
    assert command[:3] == ["python", "-m", "demo"]
    options = tyro.cli(Options, args=command[3:])
    assert (options.host, options.port, options.open) == ("0.0.0.0", 7860, False)
