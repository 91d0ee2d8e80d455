"""What every tab shares: the frame, the models and their cards, refusals."""

from demo.words.language import Words

PAGE: Words = {
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
    "card.ngram": {"es": "n-grama", "en": "n-gram"},
    "card.spelled": {
        "es": "Su n-grama deletrea el {share} % de la lista de la que aprendió: quien tenga el "
        "modelo puede saber qué nombres hay en ella.",
        "en": "Its n-gram spells out {share}% of the list it learned from: whoever has the model "
        "can tell which names are in it.",
    },
    "card.variant": {
        "es": "También como {name}: {size}; cada carácter le cuesta {nats} nats más.",
        "en": "Also as {name}: {size}; each character costs it {nats} nats more.",
    },
    "card.data": {"es": "Datos", "en": "Data"},
    "card.licence": {"es": "Licencia", "en": "Licence"},
    "card.more": {"es": "Más sobre este modelo", "en": "More about this model"},
    "spoken.es": {"es": "español", "en": "Spanish"},
    "spoken.en": {"es": "inglés", "en": "English"},
    "spoken.la": {"es": "latín", "en": "Latin"},
    "unit.kb": {"es": "{number} kB", "en": "{number} kB"},
    "unit.mb": {"es": "{number} MB", "en": "{number} MB"},
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
        "es": "El texto tiene {length} caracteres; caben {limit}. Acórtalo.",
        "en": "The text has {length} characters; {limit} fit. Shorten it.",
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
    "busy.much": {
        "es": "Son demasiadas peticiones seguidas desde tu conexión. Espera {seconds} s y vuelve a "
        "intentarlo.",
        "en": "Too many requests in a row from your connection. Wait {seconds} s and try again.",
    },
    "busy.full": {
        "es": "Ahora mismo hay demasiada gente escribiendo. Espera unos segundos y vuelve a "
        "intentarlo.",
        "en": "Too many people are writing just now. Wait a few seconds and try again.",
    },
    # The tabs.
    "tab.write": {"es": "Escribir", "en": "Write"},
    "tab.names": {"es": "Nombres", "en": "Names"},
    "tab.train": {"es": "Entrenar", "en": "Train"},
    "tab.learn": {"es": "Aprender", "en": "Learn"},
}
