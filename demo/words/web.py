"""The words of the static page that the served one does not say."""

from demo.words.language import Words

WEB: Words = {
    "web.footer": {
        "es": "Los modelos se ejecutan en tu navegador: lo que escribes no sale de él, y la página "
        "no habla con nadie más. Imitan las letras de sus datos y no saben nada del mundo.",
        "en": "The models run in your browser: what you write never leaves it, and the page talks "
        "to nobody else. They imitate the letters of their data and know nothing of the world.",
    },
    "web.loading": {"es": "Abriendo {title}…", "en": "Opening {title}…"},
    "web.failed": {"es": "No ha salido: {reason}", "en": "That failed: {reason}"},
    "web.file": {
        "es": "No llega {file}: comprueba la conexión y recarga la página.",
        "en": "{file} does not arrive: check the connection and reload the page.",
    },
    "web.link": {"es": "Copiar enlace", "en": "Copy link"},
    "web.linked": {"es": "Enlace copiado", "en": "Link copied"},
    "web.letters": {
        "es": "Las flechas van de letra en letra y dicen qué más esperaba el modelo.",
        "en": "The arrows go from letter to letter and tell what else the model expected.",
    },
    "web.tabs": {"es": "Pantallas", "en": "Screens"},
    "web.close": {"es": "Cerrar", "en": "Close"},
    "web.own": {"es": "Abrir un modelo tuyo (.zip)", "en": "Open a model of yours (.zip)"},
    "web.own.help": {
        "es": "Suéltalo en cualquier parte de la página. Se comprueba y se queda en tu navegador.",
        "en": "Drop it anywhere on the page. It is checked, and stays in your browser.",
    },
    "bundle.apart": {
        "es": "Este marco no deja comprobar aparte un modelo ajeno. Abre la página en su pestaña.",
        "en": "This frame has no place apart for a model of yours. Open the page in its own tab.",
    },
    "bundle.slow": {
        "es": "Ese modelo no responde y se ha cerrado. Ábrelo otra vez o elige otro.",
        "en": "That model does not answer and was closed. Open it again or choose another.",
    },
    # What is wrong with a bundle of the visitor's own.
    "bundle.zip": {
        "es": "No es un zip con los archivos de un solo modelo ({what}).",
        "en": "Not a zip with the files of one model ({what}).",
    },
    "bundle.missing": {
        "es": "Falta {file}, que bundle.json nombra. Copia la carpeta entera.",
        "en": "{file} is missing, which bundle.json names. Copy the whole folder.",
    },
    "bundle.operator": {
        "es": "Su grafo usa la operación {name}, que ningún modelo de aquí necesita.",
        "en": "Its graph uses the operator {name}, which no model of ours needs.",
    },
    "bundle.graph": {
        "es": "Su grafo no es el de un paso de modelo ({what}).",
        "en": "Its graph is not that of a model's step ({what}).",
    },
    "bundle.golden": {
        "es": "No responde lo que su bundle.json dice que debe responder.",
        "en": "It does not answer what its bundle.json says it must.",
    },
    "bundle.json": {
        "es": "No es un modelo de charmodels: su bundle.json falta o no se entiende.",
        "en": "Not a charmodels model: its bundle.json is missing or makes no sense.",
    },
    "bundle.format": {
        "es": "Es del formato {found}; esta página lee el {format}. Expórtalo otra vez.",
        "en": "It has format {found}; this page reads format {format}. Export it again.",
    },
    "bundle.fact": {
        "es": "Su bundle.json dice algo que no puede ser: {what}",
        "en": "Its bundle.json says something that cannot be: {what}",
    },
    "bundle.large": {
        "es": "{file} es demasiado grande para ser de un modelo.",
        "en": "{file} is too large to be part of a model.",
    },
    "bundle.size": {
        "es": "{file} tiene {found} bytes y debería tener {bytes}. Cópialo otra vez.",
        "en": "{file} has {found} bytes and should have {bytes}. Copy it again.",
    },
    "bundle.changed": {
        "es": "{file} ha cambiado desde que se hizo: su sha256 no es el que dice bundle.json.",
        "en": "{file} has changed since it was made: its sha256 is not what bundle.json says.",
    },
}
