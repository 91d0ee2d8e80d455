"""The words of Write, those that the browser says included."""

from demo.words.language import Words

WRITE: Words = {
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
    "balance": {"es": "Red ↔ n-grama", "en": "Network ↔ n-gram"},
    "balance.help": {
        "es": "-1: solo la red, que inventa. 1: solo el n-grama, que cuenta y copia más.",
        "en": "-1: the network alone, which invents. 1: the n-gram alone, which counts and copies "
        "more.",
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
    "chat.newline": {"es": "en una línea nueva", "en": "on a new line"},
    "chat.goon": {"es": "sigue", "en": "go on"},
    "chat.seed": {"es": "semilla {seed}", "en": "seed {seed}"},
    "chat.temperature": {"es": "temperatura {value}", "en": "temperature {value}"},
    "chat.copy": {"es": "Copiar", "en": "Copy"},
    "chat.copied": {"es": "Copiado", "en": "Copied"},
    "chat.link": {"es": "Enlace", "en": "Link"},
    "chat.linked": {"es": "Enlace copiado", "en": "Link copied"},
    "chat.linked.bare": {
        "es": "Enlace copiado, sin lo dicho antes",
        "en": "Link copied, without what was said before",
    },
    "chat.again": {"es": "Otra vez", "en": "Again"},
    "chat.stopped": {"es": "parado", "en": "stopped"},
    "chat.memory": {
        "es": "Recuerda {count} caracteres de esta charla.",
        "en": "Remembers {count} characters of this chat.",
    },
    "chat.memory.none": {"es": "Su memoria está vacía.", "en": "Its memory is empty."},
    # How sure the model was.
    "chat.confidence": {"es": "Ver confianza", "en": "Show confidence"},
    "chat.surely": {"es": "seguro", "en": "sure"},
    "chat.unsurely": {"es": "dudoso", "en": "unsure"},
    "chat.sure": {
        "es": "{share} seguro · toca una letra",
        "en": "{share} sure · tap a letter",
    },
    "chat.sure.label": {
        "es": "Confianza letra a letra: flechas para moverte, Intro para ver qué esperaba",
        "en": "Confidence letter by letter: arrows to move, Enter to see what it expected",
    },
    "chat.sure.spoken": {
        "es": "De media dio {share} a cada carácter que escribió",
        "en": "On average it gave {share} to each character it wrote",
    },
    "chat.place": {
        "es": "Lo que el modelo esperaba aquí",
        "en": "What the model expected here",
    },
    "chat.place.close": {"es": "Cerrar", "en": "Close"},
    "chat.place.drawn": {"es": "se escribió con {value}", "en": "written at {value}"},
    "chat.voice.model": {"es": "El modelo", "en": "The model"},
    "chat.voice.network": {"es": "Solo la red", "en": "Network only"},
    "chat.voice.ngram": {"es": "Solo n-grama", "en": "n-gram only"},
    "chat.failed": {
        "es": "No ha salido: hay demasiada gente o se ha cortado. Prueba otra vez.",
        "en": "That failed: too many visitors, or the connection broke. Try again.",
    },
}
