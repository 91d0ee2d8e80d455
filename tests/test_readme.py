"""What the README says exists, exists: its files, its commands and their options."""

import contextlib
import io
import re
import shlex
from importlib import import_module
from pathlib import Path

import onnx
import pytest

from charmodels.runtime.bundle import GENERATE, PREFILL, SAMPLE, STEP
from export.generate_graph import build_generate_graph
from export.prefill_graph import build_prefill_graph
from export.sample_graph import build_sample_graph
from tests.tiny import lstm_graph, tiny_bundle

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    *(ROOT / name for name in ("README.md", ".github/CONTRIBUTING.md", ".github/CHANGELOG.md")),
    *sorted((ROOT / "data" / "notebooks").glob("*.md")),
]
README = PAGES[0].read_text(encoding="utf-8")


def commands():
    """Every `python -m charmodels|export|demo ...` of the pages, up to what ends it."""
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    found = re.findall(r"python -m ((?:charmodels|export|demo)\b[^`\n#&;|]*)", text)
    return sorted({command.strip() for command in found})


def help_of(package, command):
    """The help of a subcommand, or of the whole package."""
    main = import_module(package if "." in package else f"{package}.__main__").main
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.suppress(SystemExit):
        main([*command, "--help"])
    return out.getvalue()


@pytest.mark.parametrize("command", commands())
def test_a_command_exists_and_knows_its_options(command):
    package, *words = shlex.split(re.sub(r"[\[\],]", " ", command))
    names = [word for word in words if re.fullmatch(r"[a-z][a-z-]*", word)]
    chosen = names[: 2 if names[:1] == ["data"] else 1] if package == "charmodels" else []
    described = help_of(package, chosen)
    assert described, f"no such command: python -m {package} {' '.join(chosen)}"
    for option in (word for word in words if word.startswith("--")):
        assert option in described, f"{option} is no option of python -m {package}"


def test_the_tree_names_what_is_there():
    if "<!-- begin: tree -->" not in README:
        pytest.skip("the README has no tree yet")
    tree = README.split("<!-- begin: tree -->")[1].split("<!-- end: tree -->")[0]
    lines = re.findall(r"^( *)(\S+)  +\S", tree, re.MULTILINE)
    assert lines, "the tree is empty"
    folder = ROOT
    for indent, name in lines:
        folder = folder if indent else ROOT
        assert (folder / name).exists(), f"{name} is in the README's tree only"
        if not indent:
            folder = ROOT / name
    top = {name.strip("/").split("/")[0] for indent, name in lines if not indent}
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert packages <= top, f"the tree does not name {packages - top}"


def test_links_inside_the_repository_lead_somewhere():
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            if "://" not in link:
                assert (page.parent / link).exists(), f"{page.name} links to {link}"


@pytest.mark.parametrize("file", [STEP, PREFILL, SAMPLE, GENERATE])
def test_the_table_of_graphs_tells_what_a_graph_takes_and_gives(file):
    bundle = tiny_bundle()
    step = lstm_graph(bundle)
    build = {
        STEP: lambda: step,
        PREFILL: lambda: build_prefill_graph(step, bundle),
        SAMPLE: lambda: build_sample_graph(step, bundle),
        GENERATE: lambda: build_generate_graph(step, bundle),
    }
    graph = build[file]().graph
    _, inputs, outputs = re.search(rf"^\| (`{file}`) \| (`to.*) \| (.*) \|$", README, re.M).groups()
    assert _values(graph.input) == _told(inputs)
    assert _values(graph.output) == _told(outputs)


def _values(values):
    """Name, type and shape of each, in order; the states as one."""
    found = []
    for value in values:
        tensor = value.type.tensor_type
        dims = ", ".join(str(d.dim_param or d.dim_value) for d in tensor.shape.dim)
        kind = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type).name
        is_state = re.fullmatch(r"(next_)?[hc]_0", value.name)
        found.append("states" if is_state else (value.name, kind, dims.replace("31", "vocab")))
    return [each for i, each in enumerate(found) if each != "states" or found[i - 1] != "states"]


def _told(cell):
    """The same, as a cell of the table says it."""
    found = []
    for part in cell.split(";"):
        told = re.match(r"\s*`(\w+)` (\w+) \(([^)]*)\)", part)
        found.append((told[1], told[2], told[3].rstrip(",")) if told else "states")
    return found
