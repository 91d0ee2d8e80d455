"""The workshop of Train on my list, without a browser: what it reads, queues, bounds, removes."""

import base64
import json
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from charmodels.runtime import SettingError, load_bundle
from demo import trainable
from demo.chat import Refusal
from demo.shelf import Shelf, Speaker, open_shelf
from demo.trainable import is_loopback, open_workshop, why_not
from demo.training import Order
from demo.workshop import (
    MAX_BYTES,
    MAX_KEPT,
    MAX_WAITING,
    Limits,
    Workshop,
    safe_name,
    sweep,
)
from tests.runs import ROOT, write_names
from tests.tiny import write_tiny

NAMES = "".join(f"Villa {letter}{other}\n" for letter in "ABCDE" for other in "aeiou")


def asked(text: str | bytes, **others: object) -> dict[str, Any]:
    data = text.encode() if isinstance(text, str) else text
    return {"data": base64.b64encode(data).decode(), "minutes": 1, **others}


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where folders of trainings are made in this test."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def build(temporary: Path) -> Iterator[Callable[..., Workshop]]:
    """Makes workshops whose trainings run a little program instead; closed in the end."""
    built: list[Workshop] = []

    def new(program: str = "", **limits: float) -> Workshop:
        workshop = Workshop(Shelf([]), limits=Limits(**limits))  # type: ignore[arg-type]
        code = "import json, os, sys, time\norder = json.loads(sys.stdin.readline())\n"
        workshop.command = (sys.executable, "-c", code + textwrap.dedent(program))
        built.append(workshop)
        return workshop

    yield new
    for workshop in built:
        workshop.close()
    assert not list(temporary.glob("charmodels-train-*"))


def wait(fact: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


# ---- what was read ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "others", "expected"),
    [
        (NAMES, {}, {"kind": "names", "records": 25, "held": 4, "split": True}),
        (NAMES + "\n Villa Aa \n", {}, {"records": 25, "merged": 1, "blank": 1}),
        ("Ana\nANA\nana\nEva\n", {"lowercase": True}, {"records": 2, "merged": 2, "split": False}),
        ("Ana\t3\nEva\t0\nZoe\t1\n", {}, {"records": 2, "uncounted": 1, "table": True}),
        (
            "nombre,cantidad,anio,zona\nAna,3,2001,x\nAna,4,2002,y\nEva,1,2001,z\n",
            {},
            {"records": 2, "merged": 1, "column": "nombre", "dropped": ["anio", "zona"]},
        ),
        ("nombre\nAna\nEva\n", {"file": "a.csv"}, {"records": 2, "column": "nombre"}),
        ("a\u0301rbol\nolmo\n", {}, {"composed": 1, "examples": ("árbol", "olmo")}),
        ("Muñoz\nPeña\nIbáñez\n".encode("cp1252"), {}, {"encoding": "cp1252", "records": 3}),
        ("Muñoz\nPeña\n".encode("utf-16"), {}, {"encoding": "utf-16", "records": 2}),
        ("En un lugar de la Mancha, de cuyo nombre no quiero acordarme.", {}, {"kind": "text"}),
        (NAMES, {"kind": "text"}, {"kind": "text", "records": 1, "held": 27}),
        ("<b>x</b>\n{y}\n${z}\n", {}, {"examples": ("<b>x</b>", "{y}", "${z}")}),
    ],
)
def test_what_was_read_is_told(
    text: str | bytes, others: dict[str, Any], expected: dict[str, Any], build: Any
) -> None:
    read = build().read(asked(text, **others))
    assert {name: read[name] for name in expected} == expected
    json.dumps(read)


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        (None, "empty"),
        ([], "empty"),
        ({"data": 3}, "empty"),
        ({"data": "?"}, "empty"),
        (asked(" \n\n"), "empty"),
        (asked(b"a\n" * (MAX_BYTES // 2) + b"a"), "large"),
        ({"data": "A" * 3 * MAX_BYTES}, "large"),
        (asked(NAMES, minutes=60), "minutes"),
        (asked(NAMES, minutes=True), "minutes"),
        (asked(NAMES, minutes=[1]), "minutes"),
        (asked(b"\x89PNG\r\n\x1a\n" + bytes(range(256))), "binary"),
        (asked(b"PK\x03\x04" + bytes(200)), "binary"),
        (asked("Ana\nE\0va\n"), "binary"),
        (asked("Ana\n"), "one"),
        (asked("Ana\nAna\n"), "one"),
        (asked("a" * 1001 + "\nb\nc\n", kind="names"), "long"),
        (asked("x,y\n1,2\n", file="a.csv"), "read"),
        (asked("nombre,cantidad\nAna,tres\n"), "read"),
    ],
)
def test_a_hostile_list_gives_one_line(wrong: object, key: str, build: Any) -> None:
    with pytest.raises(Refusal) as caught:
        build().read(wrong)
    assert caught.value._key == f"train.refusal.{key}"
    for language in ("es", "en"):
        assert "\n" not in caught.value.said(language)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wished", "name"),
    [
        ("../../etc/passwd", "etc passwd"),
        ("<img src=x>", "img src x"),
        ("Año_1-b", "Año_1-b"),
        ("a\n\0b\u202ec", "a b c"),
        ("  ", "mi lista"),
        ("...", "mi lista"),
        (None, "mi lista"),
        ("é" * 99, "é" * 40),
    ],
)
def test_a_name_is_safe(wished: object, name: str) -> None:
    assert safe_name(wished) == name


# ---- where it is open ---------------------------------------------------------------------------


def test_never_on_a_space_and_only_for_this_machine_unless_asked(
    monkeypatch: pytest.MonkeyPatch, temporary: Path
) -> None:
    assert why_not({}) == "", "torch is there, as in every test"
    for space in ({"SPACE_ID": "a/b"}, {"SYSTEM": "spaces"}):
        assert "Space" in why_not(space)
    shelf = Shelf([])
    for training, host, proxied, is_open in (
        ("auto", "127.0.0.1", False, True),
        ("auto", "localhost", False, True),
        ("auto", "::1", False, True),
        ("auto", "127.0.0.1", True, False),
        ("auto", "0.0.0.0", False, False),
        ("auto", "192.168.1.5", False, False),
        ("auto", "example.org", False, False),
        ("on", "0.0.0.0", False, True),
        ("off", "127.0.0.1", False, False),
    ):
        workshop = open_workshop(training, host, proxied, shelf)  # type: ignore[arg-type]
        assert (workshop is not None) == is_open, (training, host, proxied)
    assert not is_loopback("::")
    monkeypatch.setattr(trainable, "is_there", lambda name: name != "torch")
    assert open_workshop("auto", "127.0.0.1", False, shelf) is None
    with pytest.raises(SettingError, match=r'torch is missing; pip install "charmodels\[export\]"'):
        open_workshop("on", "127.0.0.1", False, shelf)


def test_asking_does_not_import_torch() -> None:
    code = (
        "import sys; from demo.trainable import why_not; print(why_not(), 'torch' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert answer.stdout.strip() == "False", answer.stderr


# ---- trainings ----------------------------------------------------------------------------------

SLEEPS = """
import subprocess
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open(os.path.join(order["folder"], "half"), "w").write("written")
print(json.dumps({"phase": "train", "child": child.pid, "steps": 9, "point": [3, 2.5]}), flush=True)
time.sleep(600)
"""


def children() -> set[psutil.Process]:
    """Every process that this one has started; other tests may have left some."""
    return set(psutil.Process().children(recursive=True))


def gone(these: set[psutil.Process]) -> bool:
    return not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in these)


@pytest.mark.parametrize("way", ["leave", "cancel", "close", "nobody asks"])
def test_a_training_ends_with_all_it_started_and_leaves_nothing(
    way: str, build: Any, temporary: Path
) -> None:
    workshop = build(SLEEPS, alone_s=1.0 if way == "nobody asks" else 60.0)
    before = children()
    job = workshop.enter(asked(NAMES))
    wait(lambda: workshop.tell(job)["points"])
    running = children() - before
    assert len(running) >= 2
    assert list(temporary.rglob("half"))
    assert not any(b"Villa Aa" in p.read_bytes() for p in temporary.rglob("*") if p.is_file())
    if way == "leave":
        workshop.leave(job)
    elif way == "cancel":
        workshop.cancel("another's")
        workshop.cancel(job.id)
    elif way == "close":
        workshop.close()
    wait(lambda: job.is_over and gone(running), 15)
    assert workshop.tell(job)["phase"] == "cancelled"
    wait(lambda: not list(temporary.rglob("half")), 5)


def test_after_an_error_nobody_foresaw_the_next_one_is_trained(
    build: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    workshop = build(SLEEPS)

    def full() -> Path:
        raise OSError("no space left on device")

    monkeypatch.setattr(workshop, "_own_home", full)
    failed = workshop.enter(asked(NAMES))
    wait(lambda: failed.is_over)
    assert workshop.tell(failed)["phase"] == "failed"
    monkeypatch.undo()
    after = workshop.enter(asked(NAMES))
    wait(lambda: workshop.tell(after)["phase"] == "train")
    workshop.leave(after)
    assert "no space left on device" in capfd.readouterr().err


def test_a_second_visitor_waits_and_sees_the_place(build: Any) -> None:
    workshop = build(SLEEPS)
    first, second, third = (workshop.enter(asked(NAMES)) for _ in range(3))
    wait(lambda: workshop.tell(first)["phase"] == "train")
    assert [workshop.tell(job)["place"] for job in (first, second, third)] == [0, 1, 2]
    assert workshop.tell(second)["phase"] == "wait"
    workshop.leave(second)
    assert second.is_over
    assert workshop.tell(third)["place"] == 1
    workshop.leave(first)
    wait(lambda: workshop.tell(third)["phase"] == "train")
    for _ in range(MAX_WAITING):
        workshop.enter(asked(NAMES))
    with pytest.raises(Refusal, match=f"{MAX_WAITING} trainings are waiting"):
        workshop.enter(asked(NAMES))


def test_who_left_the_queue_silently_is_passed_over(build: Any) -> None:
    workshop = build(SLEEPS, alone_s=2.0)
    first, left, stays = (workshop.enter(asked(NAMES)) for _ in range(3))
    until = time.monotonic() + 3
    while time.monotonic() < until:
        workshop.tell(first)
        workshop.tell(stays)
        time.sleep(0.1)
    workshop.leave(first)
    wait(lambda: workshop.tell(stays)["phase"] == "train")
    assert left.is_over


@pytest.mark.parametrize(
    ("program", "limits", "key"),
    [
        ("time.sleep(600)", {"slowness": 0.02, "spare_s": 1.0}, "time"),
        ("os.kill(os.getpid(), 24)", {}, "time"),  # SIGXCPU
        ("os.abort()", {}, "failed"),
        ("print('no JSON', flush=True)", {}, "failed"),
        ("print(json.dumps({'refused': 'memory'}), flush=True)", {}, "memory"),
        ("print(json.dumps({'refused': 'why'}), flush=True)", {}, "read"),
    ],
)
def test_a_training_that_breaks_says_why(
    program: str, limits: dict[str, float], key: str, build: Any
) -> None:
    workshop = build(program, **limits)
    job = workshop.enter(asked(NAMES))
    wait(lambda: workshop.tell(job)["phase"] == "failed")
    reason = "why" if key == "read" else ""
    assert workshop.tell(job)["refused"]["en"] == Refusal(
        f"train.refusal.{key}", reason=reason
    ).said("en")


def test_models_made_are_kept_on_the_shelf_a_few_at_a_time(build: Any, tmp_path: Path) -> None:
    bundle = write_tiny(tmp_path / "made" / "x")
    program = f"""
    import zipfile
    from pathlib import Path
    with zipfile.ZipFile(Path(order["folder"], "bundle.zip"), "w") as packed:
        for path in Path({str(bundle)!r}).iterdir():
            packed.write(path, f"x/{{path.name}}")
    print(json.dumps({{"done": 1}}), flush=True)
    """
    workshop = build(program)
    workshop.shelf.add("mia", load_bundle(bundle), 1)
    jobs = []
    for _ in range(MAX_KEPT + 1):
        jobs.append(workshop.enter(asked(NAMES, name="mia")))
        wait(lambda: workshop.tell(jobs[-1])["phase"] == "done")
    names = list(workshop.shelf.by_name)
    assert names[:2] == ["mia", "mia-3"], "the first one made has gone, those of others stay"
    assert len(names) == 1 + MAX_KEPT
    assert workshop.made(jobs[-1].id).name == names[-1]
    for number in (jobs[0].id, "x", None):
        with pytest.raises(Refusal):
            workshop.made(number)
    workshop.leave(jobs[-1])
    assert workshop.tell(jobs[-1])["phase"] == "done", "what is over stays what it is"


def test_folders_of_dead_servers_are_removed_and_those_of_living_ones_stay(
    build: Any, temporary: Path
) -> None:
    stale = temporary / "charmodels-train-dead"
    stale.mkdir()
    (stale / "lock").write_text("")
    (stale / "half").write_text("x")
    workshop = build(SLEEPS)
    assert not stale.exists(), "at start-up"
    job = workshop.enter(asked(NAMES))
    wait(lambda: workshop.tell(job)["points"])
    sweep(temporary)
    assert list(temporary.rglob("half")), "its server lives"


# ---- the process --------------------------------------------------------------------------------


def order(**changed: Any) -> Order:
    some = Order(
        folder=".",
        file="names.txt",
        size=len(NAMES),
        kind="names",
        lowercase=False,
        private=False,
        seconds=10,
        most_seconds=100,
        memory=2**31,
    )
    return replace(some, **changed)


@pytest.mark.parametrize(
    ("program", "changed", "signal"),
    [
        ("bytearray(10**9)", {"memory": 300_000_000}, "MemoryError"),
        ("while True: pass", {"most_seconds": 1}, -24),  # SIGXCPU
        ("open(sys.argv[1], 'wb').write(bytes(300 * 2**20))", {}, "File too large"),
        ("print(os.nice(0) >= 10)", {}, "True"),
    ],
)
def test_the_system_holds_the_limits(
    program: str, changed: dict[str, Any], signal: int | str, tmp_path: Path
) -> None:
    code = f"""
import os, sys
from demo.training import Order, bound
bound(Order(**{asdict(order(**changed))!r}))
{program}
"""
    command = [sys.executable, "-c", code, str(tmp_path / "file")]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if isinstance(signal, int):
        assert ended.returncode == signal
    else:
        assert signal in ended.stdout + ended.stderr


def test_the_process_ends_when_its_server_dies(tmp_path: Path) -> None:
    if not hasattr(os, "pidfd_open"):
        pytest.skip("needs Linux")
    process = subprocess.Popen(
        [sys.executable, "-m", "demo.training"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    some = order(folder=str(tmp_path), seconds=300, most_seconds=600)
    process.stdin.write(json.dumps(asdict(some)).encode() + b"\n" + NAMES.encode())
    process.stdin.flush()
    assert b"start" in process.stdout.readline()
    process.stdin.close()  # as the system does for a server that is killed
    assert process.wait(30) == 1
    process.stdout.close()


@pytest.mark.slow
@pytest.mark.parametrize("private", [False, True])
def test_a_list_becomes_a_model_that_writes(private: bool, temporary: Path) -> None:
    shelf = open_shelf()
    workshop = Workshop(shelf, minutes=(0.2,))
    data = write_names(temporary).read_bytes()
    job = workshop.enter(asked(data, minutes=0.2, name="Mi lista", private=private))
    seen: dict[str, dict[str, Any]] = {}
    while not job.is_over:
        told = workshop.tell(job)
        seen[told["phase"]] = told
        time.sleep(0.002)  # to measure a small model takes a twentieth of a second
    told = workshop.tell(job)
    assert told["phase"] == "done", told["refused"]
    assert {"start", "train", "measure", "export"} <= set(seen)
    assert len(told["points"]) >= 2
    assert len(told["held"]) >= 3
    assert len(told["samples"]) == 12
    assert told["left"] is None
    assert told["figures"]["bits_per_char"] > 0
    assert 0 <= told["figures"]["novel_share"] <= 1
    assert float(told["proof"]["worst"]) <= float(told["proof"]["tolerance"])
    speaker: Speaker = shelf[-1]
    assert (speaker.name, speaker.model.has_ngram) == ("Mi lista", not private)
    assert (told["ngram"] is None) == private
    assert (speaker.model.bundle.membership is None) == private
    archive = temporary / "given.zip"
    archive.write_bytes(workshop.made(job.id).archive)
    model = load_bundle(archive)
    assert model.generate(3) == speaker.model.generate(3)
    assert not list(temporary.rglob("run")), "what it wrote is gone"
    workshop.close()


@pytest.mark.slow
def test_too_little_memory_is_told(temporary: Path) -> None:
    workshop = Workshop(Shelf([]), limits=Limits(memory=120_000_000))
    job = workshop.enter(asked(NAMES))
    wait(lambda: workshop.tell(job)["phase"] == "failed", 120)
    workshop.close()
