"""A bundle comes back as it was written; a broken one is refused in one line, and only so."""

import copy
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charmodels.runtime import BundleError, load_bundle
from charmodels.runtime.bundle import (
    FORMAT,
    MAX_DEPTH,
    MAX_JSON_BYTES,
    STEP,
    Golden,
    parse_bundle,
    read_bundle,
    write_bundle,
)
from charmodels.runtime.sampling import Sampling
from export.sheet import describe_bundle, sheet
from tests.tiny import tiny_bundle, write_tiny


@pytest.fixture
def folder(names_bundle, tmp_path):
    """A copy of the tiny bundle, to break."""
    return Path(shutil.copytree(names_bundle, tmp_path / "bundle"))


def facts_of(folder):
    return json.loads((folder / "bundle.json").read_text(encoding="utf-8"))


def rewrite(folder, change):
    """Change the facts of a bundle in place."""
    facts = facts_of(folder)
    change(facts)
    (folder / "bundle.json").write_text(json.dumps(facts), encoding="utf-8")


def refusal(folder):
    """The message with which the folder is refused: one line, of readable length."""
    with pytest.raises(BundleError) as caught:
        load_bundle(folder)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 400 + len(str(folder))
    return message


# --- round trip ---


def test_a_bundle_comes_back_as_it_was_written(tmp_path):
    bundle = replace(
        tiny_bundle("text"),
        sampling=Sampling(temperature=0.7, top_k=5, top_p=0.9, min_p=0.05),
        provenance={"dataset": "ñ 👩", "split": {"salt": ""}, "versions": [1, None, 2.5]},
        golden=Golden(tokens=(0, 1), logits=(0.1, -2e-30)),
    )
    written = write_bundle(tmp_path, bundle, {STEP: b"graph", "step.int8.onnx": b"small"}, 18)
    assert read_bundle(tmp_path) == written
    assert replace(written, files={}) == bundle
    assert {name: file.variant for name, file in written.files.items()} == {
        STEP: "fp32",
        "step.int8.onnx": "int8",
    }


def test_a_bundle_speaks_the_same_after_it_was_copied(names_model, folder):
    assert load_bundle(folder).generate(5, seed=3) == names_model.generate(5, seed=3)


def test_trusting_skips_only_the_structure(names_model, folder):
    trusted = load_bundle(folder, trusted=True)
    assert trusted.generate(5, seed=3) == names_model.generate(5, seed=3)
    (folder / STEP).write_bytes(b"\0" * (folder / STEP).stat().st_size)
    with pytest.raises(BundleError, match="changed since it was made"):
        load_bundle(folder, trusted=True)


def test_unknown_keys_are_ignored(folder):
    def later_version(facts):
        facts["birthday"] = {"of": "…"}
        facts["sampling"]["typical_p"] = 0.5
        facts["states"][0]["comment"] = "later"
        facts["files"][STEP]["quantised"] = False

    rewrite(folder, later_version)
    assert load_bundle(folder).generate(1)


def test_figures_and_provenance_may_hold_anything(folder):
    rewrite(folder, lambda f: f["metrics"].update(odd=[float("nan"), 10**400, {"a": None}]))
    assert load_bundle(folder).bundle.metrics["odd"][1] == 10**400


def nested(depth):
    return {"a": nested(depth - 1)} if depth else {}


def test_facts_may_be_nested_as_deep_as_said_and_no_deeper(folder):
    rewrite(folder, lambda f: f["metrics"].update(deep=nested(MAX_DEPTH - 3)))
    list(sheet(describe_bundle(folder)))
    rewrite(folder, lambda f: f["metrics"].update(deep=nested(MAX_DEPTH - 2)))
    assert f"nested more than {MAX_DEPTH} deep" in refusal(folder)


def test_a_folder_without_golden_logits_opens_only_if_trusted(folder):
    rewrite(folder, lambda f: f.pop("golden"))
    assert "holds no usable golden vectors; export the run again" in refusal(folder)
    assert load_bundle(folder, trusted=True).generate(1)


# --- a lone graph ---


def test_a_lone_graph_loads_from_its_own_metadata(names_bundle, names_model, tmp_path):
    lone = Path(shutil.copy(names_bundle / STEP, tmp_path / "mine.onnx"))
    for trusted in (False, True):
        model = load_bundle(lone, trusted=trusted)
        assert model.generate(5, seed=3) == names_model.generate(5, seed=3)
        assert model.bundle.facts() == names_model.bundle.facts()


@pytest.mark.parametrize("trusted", [False, True])
def test_a_lone_graph_without_metadata_is_refused(names_bundle, tmp_path, trusted):
    graph = onnx.load(names_bundle / STEP)
    del graph.metadata_props[:]
    onnx.save(graph, tmp_path / "mine.onnx")
    with pytest.raises(BundleError, match="carries no charmodels metadata"):
        load_bundle(tmp_path / "mine.onnx", trusted=trusted)


def test_a_lone_graph_whose_metadata_lies_is_refused(names_bundle, tmp_path):
    graph = onnx.load(names_bundle / STEP)
    facts = json.loads(graph.metadata_props[0].value)
    facts["vocabulary"].append("Ω")
    graph.metadata_props[0].value = json.dumps(facts)
    onnx.save(graph, tmp_path / "mine.onnx")
    with pytest.raises(BundleError, match=r"bundle\.json says"):
        load_bundle(tmp_path / "mine.onnx")


# --- files ---


def test_a_folder_without_a_bundle_says_how_to_make_one(tmp_path):
    assert "no bundle.json in it; a bundle is made with: python -m export RUN" in refusal(tmp_path)


@pytest.mark.parametrize("kind", ["missing", "file"])
def test_a_path_that_is_no_folder_is_refused(tmp_path, kind):
    path = tmp_path / "x"
    if kind == "file":
        path.write_text("hello")
    reason = "no bundle.json" if kind == "file" else "no such file or folder"
    assert reason in refusal(path)


def test_a_missing_graph_is_named(folder):
    (folder / STEP).unlink()
    assert "step.onnx: named in bundle.json but missing" in refusal(folder)


def test_a_changed_graph_of_the_same_size_is_caught(folder):
    data = bytearray((folder / STEP).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / STEP).write_bytes(data)
    assert "changed since it was made (sha256 differs" in refusal(folder)


def test_a_graph_cut_short_is_caught(folder):
    data = (folder / STEP).read_bytes()
    (folder / STEP).write_bytes(data[:-1])
    assert f"{len(data) - 1} bytes; bundle.json says {len(data)}" in refusal(folder)


def test_a_link_is_not_followed(folder, names_bundle):
    (folder / STEP).unlink()
    (folder / STEP).symlink_to(names_bundle / STEP)
    assert "named in bundle.json but missing" in refusal(folder)


@pytest.mark.parametrize(
    "name",
    [
        "../step.onnx", "/etc/step.onnx", "a/step.onnx", "a\\step.onnx", "C:step.onnx", "..onnx",
        ".onnx", "step.bin", "step.onnx/", "s\0.onnx", "\n.onnx", "\ud800.onnx",
        "s" * 5000 + ".onnx",
    ],
    ids=ascii,
)  # fmt: skip
def test_a_file_name_that_leaves_the_folder_or_is_odd_is_refused(folder, name):
    rewrite(folder, lambda f: f["files"].update({name: f["files"][STEP]}))
    assert "is not a plain NAME.onnx" in refusal(folder)


def test_every_file_named_is_checked(folder):
    (folder / "step.int8.onnx").write_bytes(b"x")
    rewrite(folder, lambda f: f["files"].update({"step.int8.onnx": f["files"][STEP]}))
    assert "step.int8.onnx: 1 bytes" in refusal(folder)


# --- bundle.json ---


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"\xff\xfe\x00", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b'{"format": ' + b"9" * 10_000 + b"}", "not valid JSON"),
        (b"[]", "no key 'format'"),
        (b"null", "no key 'format'"),
        (b"{}", "no key 'format'"),
        (b'{"format": 1}', "key 'kind' is missing"),
        (b" " * (MAX_JSON_BYTES + 1), "larger than 4,194,304 bytes"),
    ],
    ids=["empty", "cut", "not text", "deep", "digits", "list", "null", "object", "bare", "large"],
)
def test_json_that_is_no_bundle_is_refused(folder, text, reason):
    (folder / "bundle.json").write_bytes(text)
    assert reason in refusal(folder)


@pytest.mark.parametrize(
    "number", [2, 0, "1", None, True, 1.5, "x" * 10**6], ids=lambda n: f"{n!r:.9}"
)
def test_another_format_is_refused_with_what_to_do(folder, number):
    rewrite(folder, lambda f: f.update(format=number))
    message = refusal(folder)
    assert f"this version reads format {FORMAT}. Upgrade charmodels, or export the run" in message


NAN, HUGE = float("nan"), 10**400


@pytest.mark.parametrize(
    ("keys", "value", "reason"),
    [
        (("kind",), "poems", "kind is 'poems'; expected names or text"),
        (("vocabulary",), ["", 1, "b"], "vocabulary: expected strings"),
        (("vocabulary",), "abc", "vocabulary: expected strings"),
        (("vocabulary",), ["", "a", "a"], "a character stands in it twice"),
        (("vocabulary",), ["a", "b"], "id 0 must be the boundary"),
        (("vocabulary",), ["", "\ud800"], "is not a single character"),
        (("vocabulary",), ["", "a"], "bundle.json says"),
        (("states",), 3, "wrong type"),
        (("states",), ["h_0"], "wrong type"),
        (("states",), [], "bundle.json says"),
        (("states", 0, "name"), "h 0", "state name 'h 0' is not a plain word"),
        (("states", 0, "name"), 7, "state name 7"),
        (("states", 0, "name"), "c_0", "repeat a name"),
        (("states", 0, "name"), "token", "take one of another value"),
        (("states", 0, "name"), "next_c_0", "take one of another value"),
        (("states", 0, "name"), "h_9", "bundle.json says"),
        (("states", 0, "shape"), [17], "bundle.json says"),
        (("states", 0, "shape"), [HUGE], "expected an integer from 1 to"),
        (("states", 0, "shape"), [-1], "expected an integer from 1 to"),
        (("states", 0, "shape"), [16.0], "expected an integer"),
        (("states", 0, "shape"), 16, "wrong type"),
        (("states", 0, "dtype"), "float64", "dtype 'float64'; expected float32 or int64"),
        (("states", 0, "dtype"), "int64", "bundle.json says"),
        (("states", 0), {"name": "mix_0", "shape": [5], "dtype": "float32"}, "mix_0 is"),
        (("states", 0), {"name": "mix_0", "shape": [3], "dtype": "int64"}, "mix_0 is"),
        (("states", 0, "initial"), 1.0, "starts at 1.0; expected 0"),
        (("states", 0, "initial"), NAN, "starts at nan"),
        (("sampling", "temperature"), NAN, "sampling.temperature holds nan"),
        (("sampling", "temperature"), HUGE, "wrong type or range"),
        (("sampling", "temperature"), 11, "temperature is 11"),
        (("sampling", "temperature"), "1", "sampling.temperature holds '1'"),
        (("sampling", "temperature"), True, "sampling.temperature holds True"),
        (("sampling", "top_k"), 1.5, "sampling.top_k is 1.5; expected an integer"),
        (("sampling", "max_chars"), 10**9, "sampling.max_chars is 1000000000"),
        (("sampling", "max_chars"), 0, "sampling.max_chars is 0"),
        (("sampling",), [], "sampling is list; expected an object"),
        (("provenance",), "me", "provenance is str; expected an object"),
        (("files",), {}, "files has no step.onnx"),
        (("files",), [STEP], "files is list; expected an object"),
        (("files", STEP), "sha", "wrong type"),
        (("files", STEP, "bytes"), -1, "bytes is -1"),
        (("files", STEP, "bytes"), HUGE, "bytes is 1000"),
        (("files", STEP, "sha256"), None, "files: expected strings"),
        (("files", STEP, "sha256"), "0" * 64, "changed since it was made"),
        (("golden",), [], "wrong type"),
        (("golden", "logits"), [NAN], "golden.logits holds nan"),
        (("golden", "tokens"), [-1], "golden.tokens is -1"),
        (("golden", "tokens"), None, "wrong type"),
    ],
    ids=lambda value: ".".join(map(str, value)) if isinstance(value, tuple) else f"{value!r:.24}",
)
def test_a_wrong_value_is_named(folder, keys, value, reason):
    def change(facts):
        for key in keys[:-1]:
            facts = facts[key]
        facts[keys[-1]] = value

    rewrite(folder, change)
    assert reason in refusal(folder)


@pytest.mark.parametrize(
    "key", ["kind", "vocabulary", "states", "sampling", "provenance", "metrics"]
)
def test_a_missing_key_is_named(folder, key):
    rewrite(folder, lambda f: f.pop(key))
    assert f"key '{key}' is missing; export the run again" in refusal(folder)


def test_a_message_does_not_repeat_megabytes(folder):
    rewrite(folder, lambda f: f["states"][0].update(name="h" * 10**6, dtype=["x" * 10**6]))
    assert "expected float32 or int64" in refusal(folder)


# --- whatever else ---


def places(value, path=()):
    """Every place in the JSON."""
    yield path
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(min(len(value), 3)):
            yield from places(value[key], (*path, key))


ODD = st.one_of(
    st.sampled_from([None, True, -1, 0, 10**30, NAN, 1e308, "", "x", "\0", "\ud800", [], {}, [[]]]),
    st.recursive(
        st.none() | st.integers() | st.floats() | st.text(max_size=3),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
        max_leaves=4,
    ),
)  # fmt: skip


@given(data=st.data())
def test_a_mutated_bundle_loads_or_is_refused_and_nothing_else(broken_bundle, data):
    folder, facts = broken_bundle[0], copy.deepcopy(broken_bundle[1])
    for _ in range(data.draw(st.integers(1, 2), label="how many")):
        path = data.draw(st.sampled_from([p for p in places(facts) if p]), label="where")
        inner = facts
        for key in path[:-1]:
            inner = inner[key]
        if isinstance(inner, dict) and data.draw(st.booleans(), label="drop"):
            del inner[path[-1]]
        else:
            inner[path[-1]] = copy.deepcopy(data.draw(ODD, label="value"))
    (folder / "bundle.json").write_text(json.dumps(facts), encoding="utf-8")
    try:
        model = load_bundle(folder)
    except BundleError as error:
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert len(model.generate(2, max_chars=5)) == 2


@pytest.fixture(scope="module")
def broken_bundle(names_bundle, tmp_path_factory):
    """A folder that is broken again and again, and the facts it began with."""
    folder = Path(shutil.copytree(names_bundle, tmp_path_factory.mktemp("broken") / "bundle"))
    return folder, facts_of(folder)


@given(st.binary(max_size=60))
def test_any_bytes_are_refused(data):
    with pytest.raises(BundleError):
        parse_bundle(data, "here")


def test_two_bundles_of_the_same_seed_are_the_same_files(tmp_path):
    first, second = (write_tiny(tmp_path / name) for name in "ab")
    for name in (STEP, "bundle.json"):
        assert (first / name).read_bytes() == (second / name).read_bytes()
    assert np.isfinite(load_bundle(first).score("abc")).all()
