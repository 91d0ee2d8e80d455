"""A Gradio Space's folder in a fresh environment, installed and asked as a Space would be."""

import os
import subprocess
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from huggingface_hub import SpaceCard

ASK = """
import json, sys, time
from gradio_client import Client

address, model, beginning = sys.argv[1:]
for _ in range(600):
    try:
        client = Client(address, verbose=False)
        break
    except Exception:  # it is not up yet
        time.sleep(0.2)
job = client.submit(model, beginning, 0.8, 30, 7, api_name="/stream")
next(text for text in job if len(text) > len(beginning))
print("first", flush=True)
print(json.dumps([job.result(), client.predict(api_name="/models")]))
"""
"""A visitor's program: when the first character came, then the text and the models' names."""


def clean_environment() -> dict[str, str]:
    """This process's, without what would lead to this checkout or change the page."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "GRADIO"))}


def install(folder: Path, environment: Path, *options: str) -> Path:
    """Gradio in the version of the folder's card, then its requirements; gives the Python."""
    venv.create(environment, with_pip=True)
    python = environment / "bin" / "python"
    version = SpaceCard.load(folder / "README.md").data.to_dict()["sdk_version"]
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *options]
    asked = [f"gradio=={version}", "-r", folder / "requirements.txt"]
    subprocess.run([*command, *asked], check=True, env=clean_environment())
    return python


@contextmanager
def asked(
    folder: Path, python: Path, port: int, model: str, beginning: str
) -> Iterator[subprocess.Popen[str]]:
    """app.py as a Space starts it, and ASK beside it, whose lines can be read as they come."""
    environment = {**clean_environment(), "GRADIO_SERVER_PORT": str(port), "SPACE_ID": "a/b"}
    page = subprocess.Popen([python, "app.py"], cwd=folder, env=environment)
    address = f"http://127.0.0.1:{port}"
    visitor = subprocess.Popen(
        [python, "-c", ASK, address, model, beginning],
        cwd=folder.parent,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    try:
        yield visitor
    finally:
        for process in (visitor, page):
            process.terminate()
            process.wait(20)
        assert visitor.stdout is not None
        visitor.stdout.close()
