"""Programs: the README's examples, and the page's doors as tools of an MCP server."""

import asyncio
import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from charmodels.runtime import load_bundle
from demo.shelf import SHIPPED
from tests.browser import missing
from tests.serving import ROOT, served

SECTION = (ROOT / "README.md").read_text(encoding="utf-8").split("## The page for programs")[1]
EXAMPLES = re.findall(r"```(python|sh)\n(.*?)```", SECTION.split("\n## ")[0], re.DOTALL)

CALLS = {
    "models": {},
    "stream": {"model": "municipios", "prefix": "San ", "max_chars": 40, "seed": 7},
    "predict": {"model": "municipios", "window": "San "},
    "names": {"model": "municipios", "count": 2, "starts": "San ", "seed": 7},
    "score": {"model": "municipios", "text": "Tlaxcala"},
}
"""For each tool what it is asked here; a new door has a line."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The page with the models that come with it, and its tools."""
    if importlib.util.find_spec("mcp") is None:
        missing("mcp is not installed: pip install -e '.[mcp]'")
    with served(["--mcp"]) as (address, _):
        yield address


@pytest.mark.parametrize(("kind", "code"), EXAMPLES)
def test_an_example_of_the_readme_runs_and_says_what_the_model_says(
    address: str, kind: str, code: str
) -> None:
    here = code.replace("http://127.0.0.1:7860", address)
    assert here != code, "the example names the page"
    command = [sys.executable, "-c", here] if kind == "python" else ["bash", "-ec", here]
    local = {**os.environ, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=local)
    assert done.returncode == 0, done.stderr
    model = load_bundle(SHIPPED / "municipios", trusted=True)
    if kind == "sh":
        assert "event: complete" in done.stdout
        said = done.stdout.encode().decode("unicode_escape")
    else:
        said = done.stdout
    prefix = "San " if "San " in code else ""
    assert prefix + "".join(model.stream(prefix, temperature=0.8, seed=7, max_chars=40)) in said


def test_there_is_an_example_for_each_kind_of_program() -> None:
    codes = [code for _, code in EXAMPLES]
    for client in ("gradio_client", "curl", "ClientSession"):
        assert any(client in code for code in codes), f"no example with {client}"


def converse(address: str, *calls: tuple[str, dict[str, Any]]) -> tuple[list[Any], list[Any]]:
    """An MCP client's conversation over streamable HTTP: the tools, and each call's answer."""
    from mcp import ClientSession
    from mcp.client.streamable_http import streamable_http_client

    async def talk() -> tuple[list[Any], list[Any]]:
        async with (
            streamable_http_client(f"{address}/gradio_api/mcp/") as (read, write, _),
            ClientSession(read, write) as page,
        ):
            await page.initialize()
            tools = (await page.list_tools()).tools
            return tools, [await page.call_tool(name, asked) for name, asked in calls]

    return asyncio.run(talk())


def test_every_door_is_a_tool_that_says_what_it_takes_and_answers(address: str) -> None:
    info = httpx.get(f"{address}/gradio_api/info").json()
    doors = {name.strip("/") for name in info["named_endpoints"]}
    tools, answers = converse(address, *((name, CALLS[name]) for name in sorted(doors)))
    assert {tool.name for tool in tools} == doors
    for tool in tools:
        assert len(tool.description) > 20, f"{tool.name} does not say what it does"
        for name, parameter in tool.inputSchema["properties"].items():
            assert parameter.get("type"), f"{tool.name}: {name} has no type"
            assert parameter.get("description"), f"{tool.name}: {name} is not explained"
    said = dict(zip(sorted(doors), answers, strict=True))
    assert not [name for name, answer in said.items() if answer.isError]
    model = load_bundle(SHIPPED / "municipios", trusted=True)
    written = "San " + "".join(model.stream("San ", temperature=0.8, seed=7, max_chars=40))
    assert said["stream"].content[0].text == written
    assert "municipios" in said["models"].content[0].text
    likeliest = model.predict("San ", 1)[0].character
    assert said["predict"].content[0].text.startswith(f"[[{likeliest!r}")


def test_wrong_arguments_of_a_tool_are_told_plainly(address: str) -> None:
    wrong: dict[str, tuple[str, dict[str, Any]]] = {
        "There is no model called “nobody”": ("stream", {"model": "nobody"}),
        "temperature is 9; it must be from 0 to 2": (
            "stream",
            {"model": "municipios", "temperature": 9},
        ),
        "'hot' is not of type 'number'": ("stream", {"model": "municipios", "temperature": "hot"}),
        "'model' is a required property": ("predict", {}),
        "does not know «日»": ("predict", {"model": "municipios", "window": "日"}),
        "Unknown tool": ("nobody", {}),
    }
    _, answers = converse(address, *wrong.values())
    for reason, answer in zip(wrong, answers, strict=True):
        assert answer.isError
        assert reason in answer.content[0].text
        assert "Traceback" not in answer.content[0].text


def test_of_the_mcp_doors_only_the_one_in_use_is_open(address: str) -> None:
    for door in ("mcp/sse", "mcp/messages", "mcp/messages/", "mcp/schema", "mcp/http", "mcpx"):
        for method in ("GET", "POST"):
            answer = httpx.request(method, f"{address}/gradio_api/{door}")
            assert (answer.status_code, answer.text) == (403, "This page has no such door.")


def test_without_the_extra_the_command_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from demo.__main__ import main

    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["--mcp", "--no-open"]) == 1
    said = capsys.readouterr()
    expected = "error: --mcp needs mcp, which is not installed; install it with: "
    assert said.err == expected + 'pip install "charmodels[mcp]"\n'
    assert said.out == ""
