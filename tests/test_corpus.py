"""Files become corpora: kinds told apart, tables understood, characters kept, bad input named."""

import hashlib
import io
import os
import subprocess
import sys
import tracemalloc
import unicodedata
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charmodels.corpus.kind import detect_kind
from charmodels.corpus.reading import Corpus, read_corpus, symbols
from charmodels.runtime.errors import CorpusError
from tests.datasets import SHIPPED, bench_file


@pytest.fixture
def write(tmp_path):
    def write(content: str | bytes, name: str = "list.txt") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def refusal(path: Path, kind=None) -> str:
    """The message with which a file is refused; always one line that names the file."""
    with pytest.raises(CorpusError) as caught:
        read_corpus(path, kind)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


# Kinds


@pytest.mark.parametrize(
    ("file", "kind", "records", "distinct"),
    [
        ("mx_municipios.txt", "names", 2_328, 67),
        ("es_municipios.txt", "names", 8_238, 77),
        ("es_nombres_frecuencia.tsv", "names", 54_923, 30),
        ("us_baby_names_10k.txt", "names", 10_000, 52),
        ("world_cities_15k.txt", "names", 22_731, 192),
        ("biblia_rv1909_evangelios.txt", "text", 1, 75),
        ("shakespeare_tragedies.txt", "text", 1, 65),
        ("recall.txt", "names", 8_000, 26),
    ],
)
def test_shipped_files_are_read_as_what_they_are(file, kind, records, distinct):
    check_kind(read_corpus(SHIPPED / file), kind, records, distinct)


@pytest.mark.parametrize(
    ("file", "kind", "records", "distinct"),
    [
        ("dinos.txt", "names", 1_524, 52),
        ("municipios.txt", "names", 2_318, 67),
        ("makemore_names.txt", "names", 29_494, 26),
        ("ar_nombres_193k.txt", "names", 193_074, 35),
        ("ar_historico_nombres_76803.csv", "names", 6_878, 39),
        ("tinyshakespeare.txt", "text", 1, 65),
        ("quijote.txt", "text", 1, 91),
    ],
)
def test_benchmark_files_are_read_as_what_they_are(file, kind, records, distinct):
    check_kind(read_corpus(bench_file(file)), kind, records, distinct)


def check_kind(corpus: Corpus, kind: str, records: int, distinct: int) -> None:
    found = (corpus.kind, len(corpus.records), len(symbols(corpus)))
    assert found == (kind, records, distinct), corpus.notes
    assert corpus.notes[0].startswith(f"read as {kind}: ")
    assert "--kind" in corpus.notes[0]


NAME_LISTS = {
    "five names": "Ana\nLuis\nEva\nJosé\nMar\n",
    "two names": "Ana\nLuis",
    "three words": "José Luis Pérez\nAna María López\nJuan de Dios\nMaría del Carmen\n",
    "lower and upper": "maría del mar\nJuan\nde la O\nAna\niPhone\n",
    "long band names": (
        "…And You Will Know Us by the Trail of Dead\nGodspeed You! Black Emperor\n"
        "I Love You But I've Chosen Darkness\nPanic! at the Disco\nThe Brian Jonestown Massacre\n"
        "Clap Your Hands Say Yeah\nNeutral Milk Hotel\nTHEESatisfaction\nWolf Parade\n"
    ),
    "companies": "Apple Inc.\nProcter & Gamble Co.\nGrupo Bimbo S.A.B. de C.V.\nThe Gap, Inc.\n",
    "film titles": (
        "The Good, the Bad and the Ugly\nDr. Strangelove or How I Learned to Stop Worrying\n"
        "One Flew Over the Cuckoo's Nest\nWho's Afraid of Virginia Woolf?\nAlien\nHeat\n"
    ),
    "inverted": "Bonillo, El\nCoruña, A\nPalmas de Gran Canaria, Las\n",
    "grouped by blank lines": "Ana\nEva\n\nLuis\nJuan\n\nMar\n",
    "Chinese": "王小明\n李雷\n韩梅梅\n",
    "Arabic": "محمد علي\nفاطمة\nعبد الله\n",  # noqa: RUF001
    "one long line among names": "Ana\nLuis\nEva\n" + "a" * 900 + "\n",
}

TEXTS = {
    "wrapped prose": (
        "Call me Ishmael. Some years ago, never mind how long precisely, having\n"
        "little or no money in my purse, and nothing particular\n"
        "to interest me on shore, I thought I would sail about a little"
    ),
    "one paragraph": "En un lugar de la Mancha, de cuyo nombre no quiero acordarme.",
    "one line without a stop": "word after word " * 40,
    "one very long line": "la casa de la pradera " * 9_000,
    "paragraphs": "\n\n".join(["It was a dark night. " * 9] * 4),
    "poem": (
        "Verde que te quiero verde.\nVerde viento. Verdes ramas.\nEl barco sobre la mar\n"
        "y el caballo en la montaña.\n"
    ),
    "sonnet": (
        "Un soneto me manda hacer Violante,\nQue en mi vida me he visto en tal aprieto;\n"
        "Catorce versos dicen que es soneto\nBurla burlando van los tres delante\n"
        "Yo pensé que no hallara consonante\nY estoy a la mitad de otro cuarteto.\n"
    ),
    "poem without marks": "\n\n".join(
        ["I carry your heart with me\nI carry it in my own heart"] * 5
    ),
    "haiku": "An old silent pond,\na frog jumps into the pond;\nsplash! Silence again.\n",
    "play": (
        "ROMEO:\nO, she doth teach the torches to burn bright!\n\n"
        "JULIET:\nGood pilgrim, you do wrong your hand too much,\nWhich mannerly devotion shows.\n"
    ),
    "Chinese poem": "床前明月光,\n疑是地上霜。\n举头望明月,\n低头思故乡。\n",
    "program": "def f(x):\n    y = x + 1\n    return y\n\n\ndef g(x):\n    return f(x) * 2\n",
}


@pytest.mark.parametrize("name", NAME_LISTS)
def test_lists_are_told_from_texts(name):
    kind, why = detect_kind(NAME_LISTS[name].split("\n"))
    assert kind == "names", why


@pytest.mark.parametrize("name", TEXTS)
def test_texts_are_told_from_lists(name):
    kind, why = detect_kind(TEXTS[name].split("\n"))
    assert kind == "text", why


def test_asked_kind_overrides_the_detected_one(write):
    names = write("Ana\nLuis\n")
    assert read_corpus(names).kind == "names"
    assert read_corpus(names, "text").records == ("Ana\nLuis\n",)
    table = write("name\tcount\nAna\t3\nEva\t4\n", "table.tsv")
    assert read_corpus(table, "text").records == ("name\tcount\nAna\t3\nEva\t4\n",)


# Names


def test_names_are_stripped_unique_and_weighted(write):
    content = "  Eva \n\nAna\nEva\n \t\nLuis\nEva\n"
    corpus = read_corpus(write(content))
    assert corpus.records == ("Eva", "Ana", "Luis")
    assert corpus.weights.tolist() == [3, 1, 1]
    assert corpus.weights.dtype == np.float64
    assert corpus.sha256 == hashlib.sha256(content.encode()).hexdigest()
    assert corpus.name == "list"
    notes = "; ".join(corpus.notes)
    assert "3 distinct names" in notes
    assert "2 repeated lines merged" in notes
    assert "2 blank lines" in notes


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_line_ends_and_byte_order_mark_do_not_matter(write, end, mark):
    names = read_corpus(write(mark + f"Ana{end}Eva{end}".encode()))
    assert names.records == ("Ana", "Eva")
    text = read_corpus(write(mark + f"Ana{end}{end}Eva".encode()), "text")
    assert text.records == ("Ana\n\nEva",)


def test_only_line_ends_end_a_line(write):
    odd = ("a\u2028b", "c\x85d", "e\x0bf", "g\x1ch")
    assert read_corpus(write("\n".join(odd)), "names").records == odd


def test_letters_are_composed(write):
    corpus = read_corpus(write("Jose\u0301\nJos\u00e9\nAna\n"))
    assert corpus.records == ("Jos\u00e9", "Ana")
    assert corpus.weights.tolist() == [2, 1]
    assert any("NFC" in note for note in corpus.notes)
    assert read_corpus(write("Jose\u0301\n"), "text").records == ("Jos\u00e9\n",)


@pytest.mark.parametrize(
    "name",
    [
        "q\u0307\u0323x",  # two marks that compose with nothing
        "👩🏽‍🚀 Zoë",  # an emoji of four code points
        "שָׁלוֹם",
        "محمد",
        "𐌰𐌹𐌽𐍃",  # outside the basic plane
        "नमस्ते",
        "\u200fabc\u200e",
    ],
)
def test_every_script_survives(write, name):
    expected = unicodedata.normalize("NFC", name)
    assert read_corpus(write(f"{name}\nAna\n"), "names").records[0] == expected
    assert read_corpus(write(f"{name}\nAna\n"), "text").records[0] == f"{expected}\nAna\n"


CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0\n\r\ufeff")


@given(st.lists(st.text(CHARACTERS, min_size=1, max_size=12), min_size=2, max_size=30))
@settings(max_examples=150, deadline=None)
def test_any_names_come_back_as_they_went_in(tmp_path_factory, names):
    composed = [unicodedata.normalize("NFC", name).strip() for name in names]
    expected = list(dict.fromkeys(name for name in composed if name))
    if len(expected) < 2:
        return
    path = tmp_path_factory.getbasetemp() / "any.txt"
    path.write_bytes("\n".join(names).encode())
    # Lines that happen to be a table of name and count are read as one, rightly.
    if all("\t" in name or "," in name or ";" in name for name in expected):
        return
    assert list(read_corpus(path, "names").records) == expected


@given(st.text(CHARACTERS | st.just("\n"), min_size=1, max_size=300))
@settings(max_examples=100, deadline=None)
def test_any_text_comes_back_as_it_went_in(tmp_path_factory, text):
    if not text.strip():
        return
    path = tmp_path_factory.getbasetemp() / "any.txt"
    path.write_bytes(text.encode())
    assert read_corpus(path, "text").records == (unicodedata.normalize("NFC", text),)


def test_names_longer_than_one_piece_of_the_file_are_whole(write):
    """A file of several pieces: no name is cut where one piece ends, no letter either."""
    names = [f"ñandú {number}" for number in range(160_000)]
    corpus = read_corpus(write("\r\n".join(names)))
    assert list(corpus.records) == names


# Tables


def test_spanish_table_sums_the_years(write):
    corpus = read_corpus(
        write("nombre,cantidad,anio\nANA,10,1999\nEVA,5,1999\nANA,7,2000\n", "historico.csv")
    )
    assert corpus.records == ("ANA", "EVA")
    assert corpus.weights.tolist() == [17, 5]
    notes = "; ".join(corpus.notes)
    assert "'nombre'" in notes
    assert "'cantidad'" in notes
    assert "summed over 'anio'" in notes


@pytest.mark.parametrize(
    "content",
    [
        "name,count\nAna,3\nEva,4\n",
        "Name;Count\nAna;3\nEva;4\n",
        "name\tcount\nAna\t3\nEva\t4\n",
        "Año,Nombre,Cantidad\n1990,Ana,3\n1990,Eva,4\n",
        'Id,"Name",Year,Gender,"Count"\n1,Ana,1990,F,1\n2,"Ana",1991,F,2\n3,Eva,1990,F,4\n',
        "year,sex,name,n,prop\n1880,F,Ana,3,0.07\n1880,F,Eva,4,0.02\n",
        "Ana\t3\nEva\t4\n",
        "Ana,3\nEva,4\n",
        "\ufeffname,count\r\nAna,3\r\n\r\nEva,4\r\n",
    ],
)
@pytest.mark.parametrize("file", ["table.csv", "table.txt"])
def test_tables_are_understood(write, content, file):
    corpus = read_corpus(write(content, file))
    assert dict(zip(corpus.records, corpus.weights.tolist(), strict=True)) == {"Ana": 3, "Eva": 4}


def test_quoted_names_keep_their_commas(write):
    corpus = read_corpus(write('name,count\n"Bonillo, El",3\n"La ""Perla""",4\n', "table.csv"))
    assert corpus.records == ("Bonillo, El", 'La "Perla"')


def test_a_quotation_mark_is_ordinary_in_name_tab_count(write):
    corpus = read_corpus(write('"Weird Al" Yankovic\t3\n"Eva\t4\n'))
    assert corpus.records == ('"Weird Al" Yankovic', '"Eva')


def test_columns_that_are_left_out_are_named(write):
    corpus = read_corpus(write("name,sex\nAna,F\nAna,F\nEva,F\n", "table.csv"))
    assert corpus.weights.tolist() == [2, 1]
    assert any("left out: sex" in note for note in corpus.notes)


def test_rows_without_a_name_or_a_count_are_left_out(write):
    corpus = read_corpus(write("name,count\nAna,3\n,9\nNadie,0\nEva,4\n", "table.csv"))
    assert corpus.records == ("Ana", "Eva")
    assert any("count 0" in note for note in corpus.notes)


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        ("name,count\nAna,3\nEva\n", 3, "expected at least 2"),
        ("name,count\nAna,3\nEva,1.234\n", 3, "'1.234' is not a count"),
        ("name,count\nAna,-3\nEva,4\n", 2, "'-3' is not a count"),
        ('name,count\nAna,3\n"Eva,4\n', 3, "quotation mark"),
        (f"name,count\nAna,3\nEva,{'9' * 400}\n", 3, "too large"),
        (f"name,count\nAna,3\nEva,{'9' * 5_000}\n", 3, "too large"),
        (f"Ana\t3\nEva\t{2**53 + 1}\n", 2, "too large"),
        ("foo,bar\nAna,x\nEva,y\n", 1, "no column of names among 'foo, bar'"),
    ],
)
def test_broken_tables_name_the_line(write, content, line, words):
    message = refusal(write(content, "table.csv"))
    assert f"line {line}" in message
    assert words in message


def test_the_largest_count_is_kept_to_the_last_digit(write):
    corpus = read_corpus(write(f"name,count\nAna,000000{2**53}\nEva,{2**53 - 1}\n", "table.csv"))
    assert corpus.weights.tolist() == [2**53, 2**53 - 1]


@pytest.mark.parametrize("name", ["text.txt", "text.csv"])
def test_a_long_text_in_one_line_is_no_table(write, name):
    """The csv module refuses fields of over 131,072 characters."""
    text = "palabra, otra cosa. " * 20_000
    corpus = read_corpus(write(text, name))
    assert (corpus.kind, corpus.records) == ("text", (text,))


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_file_name_that_is_not_utf8_can_be_written_down(tmp_path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/espa\xf1a.txt"))
    path.write_text("Ana\nEva\n")
    corpus = read_corpus(path)
    assert corpus.name == "espa?a"
    assert corpus.source.encode().endswith(b"/espa?a.txt")


# Bad input


def test_another_encoding_is_guessed_and_the_command_converts_it(write):
    path = write(("Peñón de los Ángeles\nCañón\nMéxico\nLeón\n" * 30).encode("cp1252"))
    message = refusal(path)
    assert "line 1: not UTF-8" in message
    command = message.partition('python -c "')[2].partition('"')[0]
    subprocess.run([sys.executable, "-c", command], cwd=path.parent, check=True)
    read_corpus(path.parent / message.rpartition("and give ")[2])


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Peña\nNuñez\nLuis\n", "cp1252"),
        ("José\nAna\n", "cp1252"),
        ("Müller\nGroß\n", "cp1252"),
        ("Иван\nМария\nОльга\n" * 3, "cp1251"),  # noqa: RUF001
        ("東京\n大阪\n名古屋\nさくら\n" * 4, "shift_jis"),
        ("北京\n上海\n广州\n" * 5, "gb18030"),
        ("Ana\nJosé\n", "utf-16"),
    ],
)
def test_short_lists_are_guessed_well(write, text, encoding):
    assert f"it looks like {encoding};" in refusal(write(text.encode(encoding)))


def test_the_line_of_the_bad_byte_is_named(write):
    assert "line 3: not UTF-8" in refusal(write(b"Ana\r\nEva\r\nPe\xf1a\r\nLuis\r\n"))
    far = b"Ana\n" * 400_000 + b"Pe\xf1a\n"
    assert "line 400001: not UTF-8" in refusal(write(far))


def zip_with(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0", "a PNG image"),
        (zip_with("[Content_Types].xml", "xl/workbook.xml"), "an Excel workbook"),
        (zip_with("word/document.xml"), "a Word document"),
        (zip_with("names.txt"), "a zip archive"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"\x1f\x8b\x08\0", "a gzip archive"),
        (b"\0\x01\x02\xff\xfe\xfd" * 50, "a binary file"),
    ],
)
def test_binary_files_are_named(write, content, what):
    message = refusal(write(content))
    assert f"is {what}" in message
    assert "not text; " in message


def test_other_bad_input_is_refused_in_one_line(write, tmp_path):
    assert "is empty" in refusal(write(""))
    assert "only blank lines" in refusal(write(" \n\n\t\n"))
    assert "only blank lines" in refusal(write(" \n" * 3), "text")
    assert "only blank lines" in refusal(write(b"\xef\xbb\xbf\n"))
    assert "one name only, 'Ana'" in refusal(write("Ana\nAna\n"))
    assert "--kind text" in refusal(write("Ana\n"))
    assert "line 2: a NUL character" in refusal(write("Ana\nE\0va\n"))
    assert "is a folder" in refusal(tmp_path)
    missing = refusal(tmp_path / "missing.txt")
    assert "no such file" in missing
    assert "python -m charmodels data list" in missing


@pytest.mark.parametrize("kind", [None, "names"])
def test_a_name_of_100_000_characters_is_refused(write, kind):
    message = refusal(write("Ana\nLuis\nEva\n" + "x" * 100_000 + "\nMar\n"), kind)
    assert "line 4: a name of 100,000 characters" in message
    assert "--kind text" in message


def test_more_symbols_than_fit_are_refused(write):
    many = [chr(code) for code in range(0x30000, 0x30000 + 65_536)]
    assert "65,536 distinct characters" in refusal(write("\n".join(many)), "names")
    assert len(symbols(read_corpus(write("\n".join(many[:-1])), "names"))) == 65_535


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_read_like_a_file(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["sh", "-c", f"printf 'Ana\\nEva\\n' > '{pipe}'"]):
        assert read_corpus(pipe).records == ("Ana", "Eva")


def test_a_text_takes_few_copies_in_memory(write):
    content = "El ingenioso hidalgo don Quijote.\n" * 300_000  # 10 MB
    path = write(content)
    tracemalloc.start()
    try:
        read_corpus(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3.5 * len(content)


def test_importing_the_package_imports_nothing_slow():
    code = (
        "import sys, charmodels.corpus.splitting, charmodels.corpus.registry,"
        " charmodels.corpus.data_command;"
        "slow = {'torch', 'gradio', 'polars', 'pandas', 'rich', 'charset_normalizer',"
        " 'urllib.request'};"
        "print(*(slow & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == []
