"""The words of Train on my list: all of them are the browser's, but for the refusals."""

from demo.words.language import Words

TRAIN: Words = {
    "train.title": {"es": "Entrenar con mi lista", "en": "Train on my list"},
    "train.invite": {
        "es": "Pega una lista y mira cómo un modelo la aprende.",
        "en": "Paste a list and watch a model learn it.",
    },
    "train.private": {
        "es": "Nada sale de este servidor ni se cuenta a nadie. La lista no se escribe en ningún "
        "disco; lo que el entrenamiento escribe se borra al acabar, al cancelar o al cerrar la "
        "pestaña. El modelo queda en la memoria del servidor, a la vista de quien abra esta "
        "página, hasta que se apague.",
        "en": "Nothing leaves this server, and nobody counts anything. The list is not written to "
        "any disk; what the training writes is deleted when it ends, is cancelled or the tab "
        "closes. The model stays in the server's memory, in sight of whoever opens this page, "
        "until it is stopped.",
    },
    # The list.
    "train.list": {"es": "Tu lista", "en": "Your list"},
    "train.list.empty": {
        "es": "Un nombre por línea, o un texto seguido",
        "en": "A name a line, or one long text",
    },
    "train.file": {"es": "Elegir un archivo", "en": "Choose a file"},
    "train.file.help": {
        "es": "Texto, CSV o TSV, hasta 1 MB. También puedes soltarlo en el cuadro.",
        "en": "Text, CSV or TSV, up to 1 MB. You can also drop it on the box.",
    },
    "train.file.chosen": {
        "es": "{file}, {kilobytes} kB; se muestra el comienzo.",
        "en": "{file}, {kilobytes} kB; its beginning is shown.",
    },
    "train.file.clear": {"es": "Vaciar", "en": "Empty"},
    "train.name": {"es": "Cómo se llamará el modelo", "en": "What the model will be called"},
    "train.name.default": {"es": "mi lista", "en": "my list"},
    "train.lowercase": {"es": "Todo en minúsculas", "en": "All in lower case"},
    "train.without": {"es": "Lista privada: sin n-grama", "en": "Private list: no n-gram"},
    "train.without.help": {
        "es": "El n-grama mejora el modelo, pero sus tablas deletrean buena parte de la lista. Sin "
        "él, ni el filtro que reconoce sus nombres, quien tenga el modelo sabrá menos de ella.",
        "en": "The n-gram makes the model better, but its tables spell out much of the list. "
        "Without it, and without the filter that knows its names, whoever has the model can tell "
        "less of what is in it.",
    },
    # What was read.
    "train.reading": {"es": "Leyendo…", "en": "Reading…"},
    "train.read": {"es": "Lo que se ha leído", "en": "What was read"},
    "train.kind": {"es": "Se lee como", "en": "Read as"},
    "train.kind.names": {"es": "nombres", "en": "names"},
    "train.kind.text": {"es": "texto", "en": "text"},
    "train.records": {"es": "Nombres distintos", "en": "Distinct names"},
    "train.characters": {"es": "Caracteres", "en": "Characters"},
    "train.held": {"es": "Apartados para medir", "en": "Held out to measure"},
    "train.letters": {"es": "Alfabeto", "en": "Alphabet"},
    "train.alphabet": {"es": "Sus {count} caracteres", "en": "Its {count} characters"},
    "train.examples.names": {"es": "Los primeros", "en": "The first ones"},
    "train.examples.text": {"es": "El comienzo", "en": "The beginning"},
    "train.dropped": {"es": "Qué se ha cambiado o dejado fuera", "en": "Changed or left out"},
    "train.merged": {
        "es": "{count} repeticiones se juntan con su primera aparición; cada nombre se aprende una "
        "vez.",
        "en": "{count} repeats are merged with their first; each name is learned once.",
    },
    "train.blank": {
        "es": "{count} líneas en blanco o sin nombre, fuera.",
        "en": "{count} blank lines or rows without a name, left out.",
    },
    "train.uncounted": {
        "es": "{count} nombres con cuenta 0, fuera.",
        "en": "{count} names with count 0, left out.",
    },
    "train.composed": {
        "es": "{count} nombres con acentos sueltos, unidos a su letra.",
        "en": "{count} names with loose accents, joined to their letter.",
    },
    "train.encoding": {
        "es": "No estaba en UTF-8: se ha leído como {encoding}. Mira si los acentos están bien.",
        "en": "It was not in UTF-8: read as {encoding}. See whether the accents are right.",
    },
    "train.table": {
        "es": "Es una tabla: los nombres, de la columna «{column}».",
        "en": "It is a table: names from the column “{column}”.",
    },
    "train.table.plain": {
        "es": "Es una tabla de nombre y cuenta.",
        "en": "It is a table of name and count.",
    },
    "train.columns": {
        "es": "Columnas que no se usan: {columns}.",
        "en": "Columns left out: {columns}.",
    },
    "train.none": {"es": "Nada.", "en": "Nothing."},
    "train.small": {
        "es": "Es demasiado corta para apartar nada: se entrena con todo y no se dará ninguna "
        "cifra de calidad.",
        "en": "It is too short to hold anything out: all of it trains, and no figure of quality "
        "will be claimed.",
    },
    "train.few": {
        "es": "Con menos de 200 nombres el modelo repetirá mucho de la lista.",
        "en": "With fewer than 200 names the model will repeat much of the list.",
    },
    # The training.
    "train.minutes": {"es": "Cuánto entrenar", "en": "How long to train"},
    "train.minutes.some": {"es": "{minutes} min", "en": "{minutes} min"},
    "train.minutes.help": {
        "es": "Minutos de procesador. Acaba antes si ya no mejora.",
        "en": "Minutes of the processor. It ends sooner if it no longer improves.",
    },
    "train.start": {"es": "Entrenar", "en": "Train"},
    "train.cancel": {"es": "Cancelar", "en": "Cancel"},
    "train.again": {"es": "Entrenar otra lista", "en": "Train on another list"},
    "train.phase.wait": {
        "es": "En la cola: {place} antes que tú.",
        "en": "In the queue: {place} before you.",
    },
    "train.phase.start": {"es": "Preparando…", "en": "Getting ready…"},
    "train.phase.plan": {
        "es": "Midiendo cuánto cabe en ese tiempo…",
        "en": "Measuring what fits into that time…",
    },
    "train.phase.train": {"es": "Aprendiendo", "en": "Learning"},
    "train.phase.count": {
        "es": "Contando el n-grama y pesándolo con la red…",
        "en": "Counting the n-gram and weighing it with the network…",
    },
    "train.phase.measure": {
        "es": "Midiendo con lo que nunca vio…",
        "en": "Measuring on what it never saw…",
    },
    "train.phase.export": {
        "es": "Exportando a ONNX y probando que es igual…",
        "en": "Exporting to ONNX and proving it equal…",
    },
    "train.phase.done": {"es": "Listo: «{name}» ya escribe.", "en": "Done: “{name}” can write."},
    "train.phase.cancelled": {
        "es": "Cancelado: no queda nada de él.",
        "en": "Cancelled: nothing of it is left.",
    },
    "train.phase.failed": {"es": "No ha salido.", "en": "That failed."},
    "train.left": {"es": "quedan unos {seconds} s", "en": "about {seconds} s left"},
    "train.curve": {"es": "Bits por carácter", "en": "Bits per character"},
    "train.curve.help": {
        "es": "Lo que le cuesta cada letra; menos es mejor. Si la de lo apartado sube mientras la "
        "otra baja, se la está aprendiendo de memoria.",
        "en": "What each letter costs it; less is better. If the held-out one rises while the "
        "other falls, it is learning by heart.",
    },
    "train.curve.spoken": {
        "es": "Curva de aprendizaje: {train} bits en lo que aprende, {held} en lo apartado.",
        "en": "Learning curve: {train} bits on what it learns, {held} on what is held out.",
    },
    "train.curve.train": {"es": "lo que aprende", "en": "what it learns"},
    "train.curve.held": {"es": "lo apartado", "en": "held out"},
    "train.curve.ngram": {"es": "n-grama solo", "en": "n-gram alone"},
    "train.samples": {"es": "Lo que escribe por ahora", "en": "What it writes by now"},
    "train.samples.done": {"es": "Lo que escribe", "en": "What it writes"},
    "train.samples.none": {
        "es": "Las primeras letras llegan en unos segundos.",
        "en": "The first letters come in a few seconds.",
    },
    # The result.
    "train.bits": {"es": "Bits por carácter", "en": "Bits per character"},
    "train.bits.help": {
        "es": "En lo apartado, que nunca vio.",
        "en": "On the held-out part, which it never saw.",
    },
    "train.novel": {"es": "Nombres nuevos", "en": "New names"},
    "train.novel.help": {
        "es": "De 1000 que escribió, los que no están en tu lista.",
        "en": "Of 1,000 it wrote, those that are not in your list.",
    },
    "train.spelled": {"es": "Legible en el n-grama", "en": "Readable in the n-gram"},
    "train.spelled.help": {
        "es": "De la lista, lo que deletrean sus tablas.",
        "en": "Of the list, what its tables spell out.",
    },
    "train.parameters": {"es": "Parámetros", "en": "Parameters"},
    "train.unclaimed": {
        "es": "Sin cifras de calidad: no había con qué medir.",
        "en": "No figures of quality: there was nothing to measure on.",
    },
    "train.proof": {
        "es": "Probado: torch y ONNX dicen lo mismo; la mayor diferencia es {worst}, se admite "
        "{tolerance}.",
        "en": "Proven: torch and ONNX say the same; the greatest difference is {worst}, "
        "{tolerance} is allowed.",
    },
    "train.proof.lines": {"es": "La prueba, línea a línea", "en": "The proof, line by line"},
    "train.write": {"es": "Escribir con él", "en": "Write with it"},
    "train.download": {"es": "Descargar ({size})", "en": "Download ({size})"},
    "train.failed": {
        "es": "Se ha cortado la conexión o hay demasiada gente. Prueba otra vez.",
        "en": "The connection broke, or there are too many visitors. Try again.",
    },
    # Refusals.
    "train.refusal.empty": {
        "es": "No hay nada que leer: pega una lista o elige un archivo.",
        "en": "There is nothing to read: paste a list or choose a file.",
    },
    "train.refusal.large": {
        "es": "Es más de 1 MB. Da una parte, o entrena con: python -m charmodels train",
        "en": "It is more than 1 MB. Give a part, or train with: python -m charmodels train",
    },
    "train.refusal.minutes": {
        "es": "Los minutos deben ser {minutes}.",
        "en": "The minutes must be {minutes}.",
    },
    "train.refusal.binary": {
        "es": "No es texto. Guárdalo como texto sin formato o CSV en UTF-8 y elige ese archivo.",
        "en": "It is no text. Save it as plain text or as CSV in UTF-8, and choose that file.",
    },
    "train.refusal.one": {
        "es": "Solo hay una línea. Hacen falta al menos 2 nombres, uno por línea.",
        "en": "There is only one line. At least 2 names are needed, one a line.",
    },
    "train.refusal.long": {
        "es": "Un nombre tiene {length} caracteres; caben {limit}. Si es un texto, elige «texto».",
        "en": "A name has {length} characters; {limit} fit. If it is a text, choose “text”.",
    },
    "train.refusal.read": {
        "es": "No se puede leer. Dice el lector, en inglés: {reason}",
        "en": "It cannot be read: {reason}",
    },
    "train.refusal.busy": {
        "es": "Ya esperan {count} entrenamientos. Prueba más tarde.",
        "en": "{count} trainings are waiting already. Try later.",
    },
    "train.refusal.memory": {
        "es": "Ha necesitado más memoria de la que se le da. Prueba con una lista más corta.",
        "en": "It needed more memory than it is given. Try a shorter list.",
    },
    "train.refusal.time": {
        "es": "Ha tardado más de lo que se le da. Prueba con una lista más corta.",
        "en": "It took longer than it is given. Try a shorter list.",
    },
    "train.refusal.failed": {
        "es": "El entrenamiento se ha roto. Prueba otra vez, o con otra lista.",
        "en": "The training broke. Try again, or with another list.",
    },
    "train.refusal.gone": {
        "es": "Ese modelo ya no se guarda aquí. Entrénalo otra vez.",
        "en": "That model is no longer kept here. Train it again.",
    },
}
