"""Named datasets: found by sha256, opened by name, fetched whole or not at all; over real HTTP."""

import hashlib
import json
import re
import threading
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from huggingface_hub import DatasetCard

from charmodels.corpus import registry
from charmodels.corpus.catalogue import (
    DATASETS,
    Dataset,
    remove_byte_order_mark,
    remove_final_newlines,
    use_unix_line_ends,
)
from charmodels.corpus.data_command import card_command, fetch_command, list_command
from charmodels.corpus.fetching import open_https, sha256_of
from charmodels.corpus.registry import (
    cache_folder,
    dataset_named,
    fetch_dataset,
    find_dataset,
    open_corpus,
)
from charmodels.runtime.errors import CorpusError
from tests.datasets import SHIPPED, bench_file

SHIPPING = [dataset for dataset in DATASETS.values() if dataset.ships]
FETCHED = [dataset for dataset in DATASETS.values() if not dataset.ships]


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch):
    """No test reads or writes the cache of whoever runs it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("CHARMODELS_DATA", raising=False)


def message_of(call, *arguments, **named) -> str:
    with pytest.raises(CorpusError) as caught:
        call(*arguments, **named)
    message = str(caught.value)
    assert "\n" not in message
    return message


# The catalogue, the page and the files


@pytest.mark.parametrize("dataset", DATASETS.values(), ids=lambda dataset: dataset.name)
def test_page_and_catalogue_agree(dataset):
    page = (SHIPPED / "README.md").read_text("utf-8")
    section = page.partition(f"### {dataset.file}\n")[2].partition("\n#")[0]
    for fact in (dataset.sha256, dataset.licence, dataset.credit, dataset.home, dataset.made):
        assert fact in section
    assert f"{dataset.bytes:,} bytes" in section
    assert dataset.name == dataset.file.partition(".")[0]


@pytest.mark.parametrize("dataset", SHIPPING, ids=lambda dataset: dataset.name)
def test_shipped_files_are_the_ones_named(dataset):
    content = (SHIPPED / dataset.file).read_bytes()
    assert hashlib.sha256(content).hexdigest() == dataset.sha256
    assert len(content) == dataset.bytes
    assert dataset.verified


@pytest.mark.parametrize("dataset", FETCHED, ids=lambda dataset: dataset.name)
def test_benchmark_files_are_the_ones_named(dataset):
    content = bench_file(dataset.file).read_bytes()
    assert hashlib.sha256(content).hexdigest() == dataset.sha256
    assert len(content) == dataset.bytes


def test_the_folder_holds_the_shipped_files_and_nothing_else():
    files = {path.name for path in SHIPPED.iterdir() if path.is_file()}
    assert files == {dataset.file for dataset in SHIPPING} | {"README.md", ".gitattributes"}
    page = (SHIPPED / "README.md").read_text("utf-8")
    assert set(re.findall("^### (.*)$", page, re.MULTILINE)) == {
        dataset.file for dataset in DATASETS.values()
    }


def test_every_address_is_https():
    for dataset in FETCHED:
        assert dataset.url is None or dataset.url.startswith("https://")


def test_steps_make_the_copy():
    assert remove_byte_order_mark(b"\xef\xbb\xbfA\xef\xbb\xbf") == b"A\xef\xbb\xbf"
    assert use_unix_line_ends(b"A\r\nB\n") == b"A\nB\n"
    assert remove_final_newlines(b"A\n\nB\n\n") == b"A\n\nB"


# Finding and opening


@pytest.mark.parametrize("name", ["mx_municipios", "mx-municipios", " MX_Municipios"])
def test_a_shipped_dataset_is_opened_by_name(name):
    corpus = open_corpus(name)
    assert (corpus.name, corpus.source, corpus.kind) == ("mx_municipios", "mx_municipios", "names")
    assert corpus.sha256 == DATASETS["mx_municipios"].sha256
    assert open_corpus(name, "text").kind == "text"


def test_a_file_comes_before_a_dataset_and_a_dataset_before_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mx_municipios").mkdir()
    assert open_corpus("mx_municipios").source == "mx_municipios"
    (tmp_path / "mx_municipios").rmdir()
    (tmp_path / "mx_municipios").write_text("Ana\nEva\n")
    assert open_corpus("mx_municipios").records == ("Ana", "Eva")


def test_unknown_names_bring_near_ones(tmp_path):
    assert "did you mean mx_municipios" in message_of(open_corpus, "mx_municipio")
    assert "did you mean tinyshakespeare" in message_of(dataset_named, "tiny-shakespear")
    (tmp_path / "my_names.txt").write_text("Ana\n")
    assert "did you mean my_names.txt" in message_of(open_corpus, str(tmp_path / "my_name.txt"))
    assert "data list" in message_of(open_corpus, "zzzzzz")
    assert "is a folder" in message_of(open_corpus, str(tmp_path))


def test_an_absent_dataset_names_the_next_command():
    assert message_of(find_dataset, "dinos").endswith("run: python -m charmodels data fetch dinos")
    made = message_of(find_dataset, "ar_historico_nombres_76803")
    assert "nombresARG.rda" in made
    assert "CHARMODELS_DATA" in made


TINY = b"Ana\nEva\nLuis\n"


def tiny(url: str | None = None, raw: bytes = TINY, **changes) -> dict[str, Dataset]:
    """A dataset of three names for a home that holds `raw`, in a catalogue of its own."""
    copy = raw
    for step in changes.get("steps", ()):
        copy = step(copy)
    dataset = replace(
        DATASETS["municipios"],
        name="tiny",
        file="tiny.txt",
        url=url,
        sha256=hashlib.sha256(copy).hexdigest(),
        bytes=len(copy),
    )
    return {"tiny": replace(dataset, **changes)}


def test_named_folders_are_searched_and_the_sha256_decides(tmp_path, monkeypatch):
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    right.mkdir()
    wrong.mkdir()
    (wrong / "tiny.txt").write_bytes(b"Something else\n")
    monkeypatch.setenv("CHARMODELS_DATA", str(wrong))
    assert f"{wrong / 'tiny.txt'} has another sha256" in message_of(
        find_dataset, "tiny", tiny("https://example.org/tiny.txt")
    )
    (right / "tiny.txt").write_bytes(TINY)
    monkeypatch.setenv("CHARMODELS_DATA", f"{wrong}{registry.os.pathsep}{right}")
    assert find_dataset("tiny", tiny()) == right / "tiny.txt"


def test_the_cache_follows_the_system(tmp_path, monkeypatch):
    assert cache_folder() == tmp_path / "cache" / "charmodels" / "data"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("sys.platform", "linux")
    assert cache_folder() == tmp_path / ".cache" / "charmodels" / "data"
    monkeypatch.setattr("sys.platform", "darwin")
    assert cache_folder() == tmp_path / "Library" / "Caches" / "charmodels" / "data"
    monkeypatch.setattr("sys.platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "Local"))
    assert cache_folder() == tmp_path / "Local" / "charmodels" / "data"


# Fetching, from a server on this machine


class Home(ThreadingHTTPServer):
    """Serves `content` at every path but /missing; notes the Range of each request."""

    daemon_threads = True
    content = TINY
    cuts: tuple[int, ...] = ()  # bytes sent by each of the first connections before they are cut
    knows_range = True
    ranges: list[str | None]

    def handle_error(self, request, client_address):  # a client that hangs up is no fault here
        pass


class Answer(BaseHTTPRequestHandler):
    server: Home

    def do_GET(self):
        home, wanted = self.server, self.headers["Range"]
        home.ranges.append(wanted)
        if self.path == "/missing":
            self.send_error(404)
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        if wanted and home.knows_range:
            if start >= len(home.content):
                self.send_error(416)
                return
            self.send_response(206)
            last = len(home.content) - 1
            self.send_header("Content-Range", f"bytes {start}-{last}/{last + 1}")
        else:
            start = 0
            self.send_response(200)
        body = home.content[start:]
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        connection = len(home.ranges) - 1
        self.wfile.write(body[: home.cuts[connection]] if connection < len(home.cuts) else body)

    def log_message(self, *arguments):
        pass


@contextmanager
def serving(**facts):
    with Home(("127.0.0.1", 0), Answer) as home:
        home.ranges = []
        for name, value in facts.items():
            setattr(home, name, value)
        thread = threading.Thread(target=home.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield home, f"http://127.0.0.1:{home.server_address[1]}/tiny.txt"
        finally:
            home.shutdown()
            thread.join()


def open_http(request: urllib.request.Request):
    """Plain http without a proxy, which only tests may use."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    return opener.open(request, timeout=5)


def fetch(datasets, folder=None):
    return fetch_dataset("tiny", folder, datasets=datasets, open_url=open_http)


def test_a_dataset_is_fetched_into_the_cache_and_found_there():
    with serving() as (home, url):
        path = fetch(tiny(url))
        assert path == cache_folder() / "tiny.txt"
        assert path.read_bytes() == TINY
        assert find_dataset("tiny", tiny(url)) == path
        assert fetch(tiny(url)) == path
    assert home.ranges == [None]  # the second time nothing was asked
    assert [file.name for file in cache_folder().iterdir()] == ["tiny.txt"]


def test_what_is_here_is_copied_to_another_folder(tmp_path):
    copy = fetch_dataset("mx-municipios", tmp_path / "mine")
    assert copy == tmp_path / "mine" / "mx_municipios.txt"
    assert copy.read_bytes() == (SHIPPED / "mx_municipios.txt").read_bytes()
    assert fetch_dataset("mx-municipios") == SHIPPED / "mx_municipios.txt"


BIG = bytes(range(1, 128)) * 3_000


@pytest.mark.parametrize("knows_range", [True, False])
def test_a_cut_download_goes_on_where_it_was(tmp_path, knows_range):
    with serving(content=BIG, cuts=(100_000, 50_000), knows_range=knows_range) as (home, url):
        assert fetch(tiny(url, BIG), tmp_path).read_bytes() == BIG
    assert home.ranges[:2] == [None, "bytes=100000-"]
    # A server that ignores Range starts again: what it sends is not put behind the part.
    assert home.ranges[2] == ("bytes=150000-" if knows_range else "bytes=50000-")


@pytest.mark.parametrize("knows_range", [True, False])
def test_a_download_that_stopped_goes_on_in_the_next_command(tmp_path, knows_range):
    with serving(content=BIG, cuts=(90_000, 0, 0, 0)) as (_, url):
        message = message_of(fetch, tiny(url, BIG), tmp_path)
    assert "90,000 of about 381,000 bytes" in message
    assert "go on with: python -m charmodels data fetch tiny" in message
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == ["tiny.txt.part"]
    with serving(content=BIG, knows_range=knows_range) as (home, url):
        assert fetch(tiny(url, BIG), tmp_path).read_bytes() == BIG
    assert home.ranges == ["bytes=90000-"]


@pytest.mark.parametrize("leftover", [b"Something else", TINY, TINY * 9])
def test_a_partial_file_of_something_else_is_thrown_away(tmp_path, leftover):
    (tmp_path / "tiny.txt.part").write_bytes(leftover[:5] if leftover != TINY else TINY)
    with serving() as (_, url):
        assert fetch(tiny(url), tmp_path).read_bytes() == TINY


def test_the_steps_make_the_copy_that_is_kept(tmp_path):
    raw = b"\xef\xbb\xbfAna\r\nEva\r\n\r\n"
    steps = (remove_byte_order_mark, use_unix_line_ends, remove_final_newlines)
    with serving(content=raw) as (_, url):
        assert fetch(tiny(url, raw, steps=steps), tmp_path).read_bytes() == b"Ana\nEva"


def test_a_wrong_file_is_never_left_in_place(tmp_path):
    with serving(content=b"Somebody else's list\n") as (_, url):
        message = message_of(fetch, tiny(url), tmp_path)
    assert "sha256" in message
    assert "nothing was kept" in message
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == []


def test_a_file_far_too_large_is_stopped(tmp_path):
    with serving(content=b"x" * 1_200_000) as (_, url):
        assert "the download was stopped" in message_of(fetch, tiny(url), tmp_path)
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == []


def test_a_missing_page_and_a_closed_door_are_said_in_one_line(tmp_path):
    with serving() as (_, url):
        missing = url.replace("tiny.txt", "missing")
        assert f"{missing} answered 404" in message_of(fetch, tiny(missing), tmp_path)
    refused = message_of(fetch, tiny(url), tmp_path)  # the server is gone
    assert "could not be fetched" in refused
    assert "check the connection" in refused


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    assert "name another folder" in message_of(fetch, tiny("http://x"), tmp_path / "file" / "in")


def test_only_https_is_opened():
    with serving() as (home, url):
        with pytest.raises(urllib.error.URLError, match="unknown url type"):
            open_https(urllib.request.Request(url))
        assert "unknown url type" in message_of(fetch_dataset, "tiny", datasets=tiny(url))
    assert home.ranges == []


# The commands


def test_list_prints_every_dataset(capsys):
    assert list_command(as_json=False) == 0
    header, *lines = capsys.readouterr().out.splitlines()
    rows = [dict(zip(header.split("\t"), line.split("\t"), strict=True)) for line in lines]
    where = {row["name"]: row["where"] for row in rows}
    assert list(where) == list(DATASETS)
    assert where["mx_municipios"] == "ships"
    assert where["dinos"] == "to fetch"
    assert where["ar_historico_nombres_76803"] == "to make"


def test_list_prints_one_json_object(capsys):
    assert list_command(as_json=True) == 0
    rows = json.loads(capsys.readouterr().out)["datasets"]
    assert [row["name"] for row in rows] == list(DATASETS)
    assert rows[0]["path"] == str(SHIPPED / "mx_municipios.txt")


def test_list_fits_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    assert list_command(as_json=False) == 0
    printed = capsys.readouterr()
    assert "tinyshakespeare" in printed.out
    assert "next: python -m charmodels data fetch NAME" in printed.err


def test_fetch_prints_the_path_and_talks_aside(capsys):
    assert fetch_command("mx-municipios", None) == 0
    printed = capsys.readouterr()
    assert printed.out == f"{SHIPPED / 'mx_municipios.txt'}\n"
    assert "GeoNames" in printed.err
    assert "next: python -m charmodels train mx_municipios" in printed.err


@pytest.mark.parametrize("name", [dataset.name for dataset in SHIPPING])
def test_a_data_card_is_what_hugging_face_reads(name, tmp_path, capsys):
    out = tmp_path / "mine"
    assert card_command(name, out) == 0
    assert "next: hf upload USER/mine" in capsys.readouterr().err
    dataset = DATASETS[name]
    assert sha256_of(out / dataset.file) == dataset.sha256
    card = DatasetCard.load(out / "README.md")
    assert card.data.pretty_name == dataset.title
    assert card.data.language == dataset.language
    ids = {"MIT": "mit", "CC-BY-4.0": "cc-by-4.0", "public domain": "public-domain"}
    told = card.data.license_name if card.data.license == "other" else card.data.license
    assert told == ids.get(dataset.licence, "text-public-domain-package-mit")
    assert card.data.size_categories in ("n<1K", "1K<n<10K", "10K<n<100K")
    for fact in (dataset.credit, dataset.licence, dataset.made, dataset.home, dataset.sha256):
        assert fact in card.text
    with pytest.raises(CorpusError, match="exists"):
        card_command(name, out)


def test_no_card_is_written_for_data_that_is_not_ours(tmp_path):
    with pytest.raises(CorpusError, match="dinos does not ship, so it is not ours to publish"):
        card_command("dinos", tmp_path / "dinos")
    assert not (tmp_path / "dinos").exists()
