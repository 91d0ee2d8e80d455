"""Bundles that mean harm are refused in one line, soon and in little memory; broken ones are
refused or opened, and nothing else happens.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charmodels.runtime import CharModelError, load_bundle
from charmodels.runtime.bundle import PREFILL, STEP, read_bundle, write_bundle
from export.writer import export_run
from tests.hostile import HOSTILE, MEGABYTES, SECONDS, opened
from tests.test_parity import SHAPES, quiet, write_run_folder
from tests.tiny import write_tiny

SLACK = 5
"""Seconds are for an idle machine; tests run on busy ones."""

REASONS = {
    "8 GB ConstantOfShape": "operator 'ConstantOfShape' is not allowed",
    "endless Loop": "operator 'Loop' is not allowed",
    "doubling Concat": "would fill",
    "weights that claim 2^40 rows": "does not fill its shape",
    "an output of another width": "bundle.json says",
    "nan weights": "holds nan or infinity",
    "swapped states": "differ from the golden ones",
    "a look-up past its table": "onnxruntime cannot run the graph",
    "external data": "lies outside the file",
    "integers by -1": "divides integers by",
    "a half-precision nan": "holds nan or infinity",
    "endless products": "does not work for",
    "two graphs, a Loop in the first": "operator 'Loop' is not allowed",
    "two tensors in one attribute": "does not fill its shape",
    "a number for a text": "operator 'Loop' is not allowed",
    "truncated protobuf": "not an ONNX file",
    "64 MB of zeros": "not an ONNX file",
    "facts of 50 MB in a graph": "facts of more than",
    "64 MB of empty nodes": "more than 100,000 fields",
    "64 MB of one-byte integers": "bytes of numbers outside of raw_data",
    "60 MB of weights, the last nan": "holds nan or infinity",
    "a tensor in segments": "is a part of another",
    "numbers in another type's list": "does not fill its shape",
    "256 golden tokens of much work": "256 golden tokens would take",
    "swapped states, nothing golden": "holds no usable golden vectors",
    "figures nested 500 deep": "nested more than 32 deep",
    "vocabulary too short": "bundle.json says",
    "vocabulary too long": "bundle.json says",
    "huge JSON": "larger than",
    "JSON of a million objects": "no key 'format'",
    "deep JSON": "not valid JSON",
    "zip: a path out of it": "leads out of the archive",
    "zip: a link": "is a link or a device",
    "zip: a bomb": "would grow",
    "zip: 300 MB of graphs": "expected at most 134,217,728",
    "zip: 20,000 files": "not a zip archive of a bundle's few files",
    "zip: two bundles": "holds 2 bundle.json",
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("hostile")
    paths = [make(folder / str(number)) for number, make in enumerate(HOSTILE.values())]
    fine = write_tiny(folder / "fine")
    names = [*HOSTILE, "fine"]
    return dict(zip(names, opened([*paths, fine]), strict=True))


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_bundle_is_refused_soon_in_little_memory(
    told: dict[str, dict[str, Any]], name: str
) -> None:
    about = told[name]
    assert about["refused"], about["said"]
    assert REASONS[name] in about["said"]
    assert "\n" not in about["said"]
    assert len(about["said"]) < 1000 + len(about["path"])
    assert about["seconds"] <= SLACK * SECONDS
    assert about["megabytes"] <= 1.25 * MEGABYTES


def test_the_same_process_opens_what_is_fine(told: dict[str, dict[str, Any]]) -> None:
    assert told["fine"]["said"] == "opened"


# --- hypothesis drives the loader ---

CHANGES = st.lists(
    st.tuples(
        st.floats(0, 1, exclude_max=True),  # where, as a share of the file
        st.integers(0, 40),  # bytes taken out
        st.binary(max_size=40),  # bytes put in
    ),
    min_size=1,
    max_size=4,
)


def changed(data: bytes, changes: list[tuple[float, int, bytes]]) -> bytes:
    for share, drop, new in changes:
        at = int(share * len(data))
        data = data[:at] + new + data[at + drop :]
    return data


def opens_or_is_refused(path: Path) -> None:
    """Anything but a model that writes, or one clear line, fails the test."""
    try:
        model = load_bundle(path)
    except CharModelError as error:
        assert "\n" not in str(error)  # noqa: PT017
        assert len(str(error)) < 1000 + len(str(path))  # noqa: PT017
    else:
        assert len(model.generate(2, max_chars=5)) == 2
        assert model.predict("an ana ana" if model.vocabulary.unknown("A") else "An Ana Ana")


@pytest.fixture(scope="module")
def broken(names_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that is broken again and again, with a copy of what it was beside it."""
    return Path(shutil.copytree(names_bundle, tmp_path_factory.mktemp("broken") / "bundle"))


@settings(max_examples=150)
@given(changes=CHANGES)
def test_a_graph_of_other_bytes(broken: Path, names_bundle: Path, changes: Any) -> None:
    """Its hash is in order, so that the check itself and onnxruntime meet it."""
    graph = changed((names_bundle / STEP).read_bytes(), changes)
    write_bundle(broken, read_bundle(names_bundle), {STEP: graph}, 18)
    opens_or_is_refused(broken)
    opens_or_is_refused(broken / STEP)


@pytest.fixture(scope="module", params=["lstm", "gru", "rnn"])
def with_prefill(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that reads prompts at once: by LSTM, by GRU, by Scan."""
    folder = tmp_path_factory.mktemp("prefill")
    write_run_folder(folder / "run", request.param, **SHAPES["1"])
    return export_run(folder / "run", folder / "bundle", weights=False, report=quiet)


@pytest.mark.slow
@settings(max_examples=300)
@given(changes=CHANGES)
def test_a_prompt_graph_of_other_bytes(
    with_prefill: Path, tmp_path_factory: Any, changes: Any
) -> None:
    bundle = read_bundle(with_prefill)
    graphs = {name: (with_prefill / name).read_bytes() for name in bundle.files}
    graphs[PREFILL] = changed(graphs[PREFILL], changes)
    folder = tmp_path_factory.mktemp("broken")
    write_bundle(folder, bundle, graphs, 18)
    opens_or_is_refused(folder)


@settings(max_examples=150)
@given(changes=CHANGES)
def test_facts_of_other_bytes(broken: Path, names_bundle: Path, changes: Any) -> None:
    shutil.copyfile(names_bundle / STEP, broken / STEP)
    data = (names_bundle / "bundle.json").read_bytes()
    (broken / "bundle.json").write_bytes(changed(data, changes))
    opens_or_is_refused(broken)


@settings(max_examples=100)
@given(changes=CHANGES)
def test_an_archive_of_other_bytes(zipped: Path, tmp_path_factory: Any, changes: Any) -> None:
    other = zipped.with_name("other.zip")
    other.write_bytes(changed(zipped.read_bytes(), changes))
    opens_or_is_refused(other)


@pytest.mark.parametrize("first", [STEP, "bundle.json"])
@pytest.mark.parametrize("how", ["missing", "empty", "the other", "a folder", "another model's"])
def test_files_missing_or_swapped(names_bundle: Path, tmp_path: Path, first: str, how: str) -> None:
    folder = Path(shutil.copytree(names_bundle, tmp_path / "bundle"))
    other = {STEP: "bundle.json", "bundle.json": STEP}[first]
    (folder / first).unlink()
    if how == "empty":
        (folder / first).write_bytes(b"")
    elif how == "the other":
        shutil.copyfile(folder / other, folder / first)
    elif how == "a folder":
        (folder / first).mkdir()
    elif how == "another model's":
        shutil.copyfile(write_tiny(tmp_path / "other", seed=5) / first, folder / first)
    with pytest.raises(CharModelError):
        load_bundle(folder)


# --- archives ---


@pytest.fixture(scope="module")
def zipped(names_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("zipped") / "bundle"
    return Path(shutil.make_archive(str(base), "zip", names_bundle))


def test_a_zip_archive_opens_as_its_folder_does(zipped: Path, names_bundle: Path) -> None:
    assert load_bundle(zipped).generate(3, seed=1) == load_bundle(names_bundle).generate(3, seed=1)


def test_an_archive_may_hold_the_folder_itself_and_other_files(
    names_bundle: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(names_bundle, tmp_path / "mine" / "names"))
    (folder / "README.md").write_text("words", encoding="utf-8")
    archive = shutil.make_archive(str(tmp_path / "mine"), "zip", tmp_path / "mine")
    assert load_bundle(archive).generate(1)


def test_a_changed_graph_in_an_archive_is_refused(names_bundle: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(names_bundle, tmp_path / "bundle"))
    facts = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
    facts["files"][STEP]["sha256"] = "0" * 64
    (folder / "bundle.json").write_text(json.dumps(facts), encoding="utf-8")
    archive = shutil.make_archive(str(tmp_path / "bundle"), "zip", folder)
    with pytest.raises(CharModelError, match="changed since it was made"):
        load_bundle(archive)
