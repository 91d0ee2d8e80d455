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
    "web.close": {"es": "Cerrar", "en": "Close"},
    # What is wrong with a bundle of the visitor's own.
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
