"""Every word the page says, in Spanish and in English.

A sentence is looked up by its key; numbers and names are put in by `{name}`. `tests/test_words.py`
holds that every key has both languages and the same blanks in each.
"""

from typing import Literal, get_args

Language = Literal["es", "en"]
LANGUAGES: tuple[Language, ...] = get_args(Language)

WORDS: dict[str, dict[Language, str]] = {
    "title": {
        "es": "charmodels: modelos que escriben letra a letra",
        "en": "charmodels: models that write letter by letter",
    },
    "tagline": {
        "es": "Redes muy pequeñas que escriben letra a letra",
        "en": "Very small networks that write letter by letter",
    },
    "language": {"es": "Idioma de la página", "en": "Language of the page"},
    "skip": {"es": "Ir a escribir", "en": "Skip to writing"},
    "footer": {
        "es": "Todo ocurre en este servidor: la página no habla con ningún otro y no guarda lo que "
        "escribes. Los modelos imitan las letras de sus datos y no saben nada del mundo.",
        "en": "Everything happens on this server: the page talks to no other and keeps nothing you "
        "write. The models imitate the letters of their data and know nothing of the world.",
    },
    # The model and its card.
    "model": {"es": "Modelo", "en": "Model"},
    "kind.names": {"es": "nombres", "en": "names"},
    "kind.text": {"es": "texto, con memoria", "en": "text, with memory"},
    "about.names": {
        "es": "Escribe nombres enteros, de la primera letra a la última.",
        "en": "Writes whole names, from the first letter to the last.",
    },
    "about.text": {
        "es": "Sigue el texto donde lo dejes y recuerda lo que se ha dicho.",
        "en": "Goes on where you leave off, and remembers what was said.",
    },
    "card.parameters": {"es": "Parámetros", "en": "Parameters"},
    "card.size": {"es": "Tamaño", "en": "Size"},
    "card.bits": {"es": "Bits por carácter", "en": "Bits per character"},
    "card.bits.help": {
        "es": "Bits por carácter: lo que le cuesta cada letra de un texto que nunca vio. Menos es "
        "mejor.",
        "en": "Bits per character: what each letter of a text it never saw costs it. Less is "
        "better.",
    },
    "card.language": {"es": "Idioma", "en": "Language"},
    "card.unknown": {"es": "sin dato", "en": "not stated"},
    "card.network": {"es": "Red", "en": "Network"},
    "card.kind": {"es": "Escribe", "en": "Writes"},
    "card.novel": {
        "es": "De cada 100 nombres que escribe, {share} no están en los datos de los que aprendió.",
        "en": "Of every 100 names it writes, {share} are not in the data it learned from.",
    },
    "card.data": {"es": "Datos", "en": "Data"},
    "card.licence": {"es": "Licencia", "en": "Licence"},
    "card.more": {"es": "Más sobre este modelo", "en": "More about this model"},
    "spoken.es": {"es": "español", "en": "Spanish"},
    "spoken.en": {"es": "inglés", "en": "English"},
    "spoken.la": {"es": "latín", "en": "Latin"},
    "unit.kb": {"es": "{number} kB", "en": "{number} kB"},
    "unit.mb": {"es": "{number} MB", "en": "{number} MB"},
    # Writing.
    "message": {"es": "Tu comienzo", "en": "Your beginning"},
    "message.names": {
        "es": "Un comienzo, o nada",
        "en": "A beginning, or nothing",
    },
    "message.text": {
        "es": "Unas palabras, o nada",
        "en": "A few words, or nothing",
    },
    "beginnings": {"es": "Comienzos de ejemplo", "en": "Beginnings to try"},
    "beginning.empty": {"es": "sin comienzo", "en": "no beginning"},
    "beginning.empty.text": {"es": "que escriba solo", "en": "let it write"},
    "send": {"es": "Escribir", "en": "Write"},
    "stop": {"es": "Parar", "en": "Stop"},
    "clear": {"es": "Borrar la charla", "en": "Clear the chat"},
    "forget": {"es": "Olvidar", "en": "Forget"},
    # Settings.
    "settings": {"es": "Ajustes", "en": "Settings"},
    "temperature": {"es": "Temperatura", "en": "Temperature"},
    "temperature.help": {
        "es": "Baja: va a lo seguro. Alta: se atreve y se equivoca más.",
        "en": "Low: it plays safe. High: it dares, and errs more.",
    },
    "length.names": {"es": "Longitud máxima de un nombre", "en": "Longest a name may be"},
    "length.text": {"es": "Longitud de la respuesta", "en": "Length of a reply"},
    "length.help": {"es": "En caracteres.", "en": "In characters."},
    "count": {"es": "Cuántos nombres", "en": "How many names"},
    "seed": {"es": "Semilla", "en": "Seed"},
    "seed.help": {
        "es": "Vacía: una al azar. La misma semilla repite el mismo resultado.",
        "en": "Empty: a random one. The same seed repeats the same result.",
    },
    "seed.empty": {"es": "al azar", "en": "random"},
    # Refusals: one sentence each, what was wrong and what to do.
    "refusal.unknown": {
        "es": "Este modelo no conoce {characters}. Conoce: {known}",
        "en": "This model does not know {characters}. It knows: {known}",
    },
    "refusal.unknown.hint": {
        "es": "Este modelo no conoce {characters}. Prueba con «{hint}».",
        "en": "This model does not know {characters}. Try “{hint}”.",
    },
    "refusal.message": {
        "es": "El comienzo tiene {length} caracteres; caben {limit}. Acórtalo.",
        "en": "The beginning has {length} characters; {limit} fit. Shorten it.",
    },
    "refusal.model": {
        "es": "No hay ningún modelo llamado «{name}». Hay: {names}",
        "en": "There is no model called “{name}”. There are: {names}",
    },
    "refusal.range": {
        "es": "{setting} es {value}; debe estar entre {low} y {high}.",
        "en": "{setting} is {value}; it must be from {low} to {high}.",
    },
    "refusal.number": {
        "es": "{setting} es {value}; debe ser un número.",
        "en": "{setting} is {value}; it must be a number.",
    },
    "refusal.whole": {
        "es": "{setting} es {value}; debe ser un número entero.",
        "en": "{setting} is {value}; it must be a whole number.",
    },
    "refusal.text": {
        "es": "{setting} no es texto.",
        "en": "{setting} is not text.",
    },
    # Said by the browser, beside each reply.
    "chat.label": {"es": "Charla con el modelo", "en": "Chat with the model"},
    "chat.empty.names": {
        "es": "Escribe las primeras letras y el modelo inventa el resto.",
        "en": "Type the first letters and the model invents the rest.",
    },
    "chat.empty.text": {
        "es": "Escribe unas palabras y el modelo sigue, letra a letra.",
        "en": "Type a few words and the model goes on, letter by letter.",
    },
    "chat.you": {"es": "Tú", "en": "You"},
    "chat.nothing": {"es": "sin comienzo", "en": "no beginning"},
    "chat.goon": {"es": "sigue", "en": "go on"},
    "chat.seed": {"es": "semilla {seed}", "en": "seed {seed}"},
    "chat.temperature": {"es": "temperatura {value}", "en": "temperature {value}"},
    "chat.copy": {"es": "Copiar", "en": "Copy"},
    "chat.copied": {"es": "Copiado", "en": "Copied"},
    "chat.again": {"es": "Otra vez", "en": "Again"},
    "chat.stopped": {"es": "parado", "en": "stopped"},
    "chat.memory": {
        "es": "Recuerda {count} caracteres de esta charla.",
        "en": "Remembers {count} characters of this chat.",
    },
    "chat.memory.none": {"es": "Su memoria está vacía.", "en": "Its memory is empty."},
    "chat.failed": {
        "es": "No ha salido: hay demasiada gente o se ha cortado. Prueba otra vez.",
        "en": "That failed: too many visitors, or the connection broke. Try again.",
    },
}


def say(language: Language, key: str, **values: object) -> str:
    """The sentence of `key` in `language`, its blanks filled."""
    return WORDS[key][language].format(**values)


def language_of(value: object) -> Language:
    """What a browser sent, if it is a language we speak; Spanish otherwise."""
    return "en" if value == "en" else "es"


def whole(language: Language, value: int) -> str:
    """A whole number with its thousands apart: 98 432 in Spanish, 98,432 in English."""
    return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}" if language == "es" else ",")
