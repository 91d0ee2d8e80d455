"""What `python -m demo.space` makes: a folder that is whole, small, typed and says whose it is."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from charmodels.runtime import SettingError
from charmodels.runtime.bundle import sha256_of
from charmodels.runtime.verify import STEP_OPERATORS
from demo import static_space
from demo.shelf import INTRODUCTIONS, SHIPPED
from demo.space import main
from demo.static_space import WEB, Staged, stage, take_libraries
from tests.browser import missing
from tests.staging import ROOT, staged

OWN_BYTES = 60_000
"""JavaScript of our own, unpacked."""

DOWNLOAD_BYTES = 5_000_000
"""Before the first character of the first model, packed."""


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Staged:
    return staged(tmp_path_factory.getbasetemp())


def own_scripts(folder: Path) -> list[Path]:
    scripts = [path for path in folder.rglob("*.js") if "lib" not in path.parts]
    return [path for path in scripts if path.name != "files.js"]  # a list, made when staging


def test_it_holds_what_it_needs_and_every_bundle_as_it_is(space: Staged) -> None:
    for name in INTRODUCTIONS:
        folder = space.folder / "models" / name
        assert sha256_of(folder / "bundle.json") == sha256_of(SHIPPED / name / "bundle.json")
        assert {path.name for path in folder.iterdir()} == {"bundle.json", "step.onnx.gz"}
    assert not list(space.folder.rglob("*.safetensors"))
    assert not list(space.folder.rglob("*.py"))
    listed = re.search(r"\{.*\}", (space.folder / "files.js").read_text(encoding="utf-8"))
    assert listed
    for name in json.loads(listed[0])["files"]:
        assert (space.folder / name).exists(), name
    limits = json.loads((space.folder / "limits.json").read_text(encoding="utf-8"))
    assert set(limits["operators"]) == STEP_OPERATORS


def test_it_is_small(space: Staged) -> None:
    sizes = space.sizes()
    first = next(size for part, size in sizes.items() if part.startswith("before"))
    assert first <= DOWNLOAD_BYTES
    scripts = own_scripts(space.folder)
    own = {str(path.relative_to(space.folder)): path.stat().st_size for path in scripts}
    assert sum(own.values()) <= OWN_BYTES, own


def test_its_readme_is_a_space_s(space: Staged) -> None:
    from huggingface_hub import SpaceCard

    text = (space.folder / "README.md").read_text(encoding="utf-8")
    card = SpaceCard(text).data.to_dict()
    assert card["sdk"] == "static"
    assert {"title", "emoji", "colorFrom", "colorTo", "license"} <= card.keys()
    assert {"charmodels", "onnx"} <= set(card["tags"])
    assert "](page.png)" in text
    picture = (space.folder / "page.png").read_bytes()
    assert picture == (ROOT / ".github/static-space.png").read_bytes()
    assert len(picture) < 100_000
    assert "page.png" not in (space.folder / "files.js").read_text(encoding="utf-8")
    assert len(card["short_description"]) <= 60
    assert "GeoNames" in text
    licences = (space.folder / "lib" / "LICENSES.txt").read_text(encoding="utf-8")
    for library in ("onnxruntime-web 1.30.0", "pbf ", "@noble/hashes "):
        assert library in licences


def test_no_page_of_it_names_another_host(space: Staged) -> None:
    for path in [
        *own_scripts(space.folder),
        *space.folder.glob("*.html"),
        *space.folder.glob("*.css"),
    ]:
        assert not re.search(r"(https?:)?//\w+\.\w", path.read_text(encoding="utf-8")), path


def test_a_bundle_of_ones_own_alone(names_bundle: Path, space: Staged, tmp_path: Path) -> None:
    made = stage(tmp_path / "own", [names_bundle], only=True, title="Mío", models=["me/mine"])
    assert made.models == ("names",)
    text = (made.folder / "README.md").read_text(encoding="utf-8")
    assert 'title: "Mío"' in text
    assert 'models: ["me/mine"]' in text
    with pytest.raises(SettingError, match="in the way"):
        stage(made.folder, [names_bundle], only=True)
    (tmp_path / "empty").mkdir()
    stage(tmp_path / "empty", [names_bundle], only=True)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter.txt").write_text("dear")
    (tmp_path / "other" / "files.js").write_text("export const files = [];")
    with pytest.raises(SettingError, match="was not staged by this"):
        stage(tmp_path / "other", [names_bundle], only=True, force=True)
    assert (tmp_path / "other" / "letter.txt").is_file()


def test_the_other_target_is_the_served_page(
    names_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "served"
    wish = [str(names_bundle), "--only", "--target", "gradio", "--out", str(out)]
    assert main(wish) == 0
    assert capsys.readouterr().out == f"{out}\n"
    assert "sdk: " in (out / "README.md").read_text(encoding="utf-8")
    assert (out / "app.py").is_file()


def test_the_models_of_the_card_are_repositories(
    names_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    wish = ["--out", str(out), "--target", "gradio", "--only", "--models"]
    assert main([*wish, "no repository", str(names_bundle)]) == 1
    assert "'no repository' is no repository; expected USER/NAME" in capsys.readouterr().err
    assert not out.exists()
    assert main([*wish, "me/one", str(names_bundle), "--models", "me/two"]) == 0
    assert 'models: ["me/one", "me/two"]' in (out / "README.md").read_text(encoding="utf-8")


def test_a_wrong_wish_is_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    assert main(["--out", str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert said.err.startswith("error: ")


def test_a_library_that_is_not_the_locked_one_is_refused(
    space: Staged, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = tmp_path / "web"
    changed.mkdir()
    shutil.copyfile(WEB / "package.json", changed / "package.json")
    lock = json.loads((WEB / "package-lock.json").read_text(encoding="utf-8"))
    lock["packages"]["node_modules/pbf"]["integrity"] = "sha512-" + "A" * 86 + "=="
    (changed / "package-lock.json").write_text(json.dumps(lock), encoding="utf-8")
    monkeypatch.setattr(static_space, "WEB", changed)
    with pytest.raises(SettingError, match=r"npm cannot bring.*EINTEGRITY"):
        take_libraries(tmp_path / "modules")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SettingError, match="npm is missing"):
        take_libraries(tmp_path / "modules")


def test_its_types_are_right(tmp_path: Path) -> None:
    """tsc reads the JSDoc of every script, strictly."""
    try:
        modules = take_libraries(tmp_path, dev=True)
    except SettingError as error:
        missing(str(error))
    shutil.copytree(WEB, tmp_path, dirs_exist_ok=True)
    command = ["node", str(modules / "typescript" / "bin" / "tsc"), "-p", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout[:3000]
    (tmp_path / "wrong.js").write_text("/** @type {number} */\nexport const n = 'one';\n")
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert "wrong.js" in done.stdout
