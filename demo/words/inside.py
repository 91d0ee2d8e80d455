"""The words of Look inside: surprise, units, and the next letter."""

from demo.words.language import Words

INSIDE: Words = {
    "tab.inside": {"es": "Mirar dentro", "en": "Look inside"},
    "refusal.names": {
        "es": "Son {count} nombres; caben {limit}. Quita algunos.",
        "en": "These are {count} names; {limit} fit. Take some away.",
    },
    "inside.bench": {"es": "Tu texto, por dentro", "en": "Your text, from inside"},
    "inside.text": {"es": "Tu texto", "en": "Your text"},
    "inside.count": {
        "es": "{count} de {limit} caracteres.",
        "en": "{count} of {limit} characters.",
    },
    "inside.lines": {"es": "Un nombre por línea.", "en": "One name a line."},
    "inside.example": {"es": "Que escriba otro ejemplo", "en": "Have it write another"},
    "inside.link": {"es": "Copiar enlace", "en": "Copy link"},
    # The coloured text.
    "inside.lit": {"es": "Letra a letra", "en": "Letter by letter"},
    "inside.show": {"es": "Colorear por", "en": "Colour by"},
    "inside.surprise": {"es": "Sorpresa", "en": "Surprise"},
    "inside.unit": {"es": "Una neurona", "en": "A hidden unit"},
    "inside.surprise.text": {
        "es": "Cuanto más oro, y más alta la barra bajo la letra, más le costó al modelo: 0 bits "
        "si la daba por segura, y uno más cada vez que la creía la mitad de probable. Toca una "
        "letra, o muévete con las flechas.",
        "en": "The more gold, and the taller the bar under a letter, the more it cost the model: 0 "
        "bits if it was sure of it, and one more each time it thought it half as likely. Tap a "
        "letter, or move with the arrow keys.",
    },
    "inside.unit.text": {
        "es": "Una neurona es uno de los números de la memoria. El color de cada letra es su valor "
        "tras leerla: oro y barra abajo si es positivo, azul y barra arriba si es negativo.",
        "en": "A hidden unit is one of the numbers of the memory. The colour of each letter is its "
        "value after reading it: gold with a bar below if positive, blue with a bar above if "
        "negative.",
    },
    "inside.legend": {"es": "bits", "en": "bits"},
    "inside.legend.range": {
        "es": "de {low} a {high} en este texto",
        "en": "from {low} to {high} in this text",
    },
    "inside.sum": {
        "es": "En total {total} bits, {mean} por carácter.",
        "en": "{total} bits in all, {mean} a character.",
    },
    "inside.peaks": {"es": "Donde más se sorprendió:", "en": "Most surprised at:"},
    "inside.nothing": {"es": "Tu texto está vacío.", "en": "Your text is empty."},
    "inside.cost": {"es": "{bits} bits", "en": "{bits} bits"},
    "inside.expected": {"es": "Lo que esperaba ahí", "en": "What it expected there"},
    "inside.expected.spoken": {"es": "Esperaba: {options}.", "en": "It expected: {options}."},
    "inside.value": {"es": "valor {value}", "en": "value {value}"},
    # Units.
    "inside.found": {
        "es": "Neuronas a las que se encontró un oficio",
        "en": "Units found to have a job",
    },
    "inside.searching": {"es": "Buscando neuronas…", "en": "Looking for units…"},
    "inside.none": {
        "es": "En este modelo ninguna neurona llega a {bar} de cada 100 en nada de lo probado. "
        "Puedes mirarlas una a una.",
        "en": "In this model no unit reaches {bar} in 100 at anything tried. You can still look at "
        "them one by one.",
    },
    "inside.of": {"es": "{score} de 100", "en": "{score} in 100"},
    "inside.any": {"es": "Cualquier neurona", "en": "Any unit"},
    "inside.state": {"es": "Estado", "en": "State"},
    "inside.index": {"es": "Número", "en": "Number"},
    "inside.high": {
        "es": "Sube en esto: {property}.",
        "en": "Goes up at this: {property}.",
    },
    "inside.low": {
        "es": "Baja en esto: {property}.",
        "en": "Goes down at this: {property}.",
    },
    "inside.agrees": {
        "es": "En tu texto acierta {score} de cada 100 parejas.",
        "en": "In your text it is right about {score} pairs in 100.",
    },
    "inside.how": {"es": "Cómo se sabe", "en": "How this is known"},
    "inside.how.pairs": {
        "es": "«{score} de 100»: de cada 100 parejas de caracteres, uno que es así y otro que no, "
        "la neurona acierta cuál es en {score}. Al azar acertaría 50.",
        "en": "“{score} in 100”: of 100 pairs of characters, one that is so and one that is not, "
        "the unit tells which is which in {score}. A guess would be right in 50.",
    },
    "inside.how.halves": {
        "es": "El modelo escribió {characters} caracteres. En la mitad de sus textos se eligió, "
        "para cada una de {tried} propiedades, una entre {units} neuronas; la cifra se midió en "
        "la otra mitad, que no eligió nada. Corriendo las propiedades de sitio, donde no "
        "significan nada, la mejor llega a {chance}. Por debajo de {bar} no se enseña ninguna.",
        "en": "The model wrote {characters} characters. On half of its texts one of {units} units "
        "was chosen for each of {tried} properties; the figure was measured on the other half, "
        "which chose nothing. With the properties moved along the text, where they mean nothing, "
        "the best reaches {chance}. Below {bar} none is shown.",
    },
    "inside.property.vowel": {"es": "vocales", "en": "vowels"},
    "inside.property.vowel.next": {"es": "ahora viene vocal", "en": "a vowel comes next"},
    "inside.property.space": {"es": "espacios", "en": "spaces"},
    "inside.property.space.next": {"es": "ahora viene espacio", "en": "a space comes next"},
    "inside.property.capital": {"es": "mayúsculas", "en": "capital letters"},
    "inside.property.mark": {"es": "puntuación", "en": "punctuation"},
    "inside.property.word.start": {
        "es": "primera letra de palabra",
        "en": "first letter of a word",
    },
    "inside.property.word.far": {
        "es": "de la quinta letra de una palabra en adelante",
        "en": "fifth letter of a word and on",
    },
    "inside.property.word.end": {"es": "última letra de palabra", "en": "a word's last letter"},
    "inside.property.line.start.text": {
        "es": "comienzo de línea (cinco caracteres)",
        "en": "start of a line (five characters)",
    },
    "inside.property.line.start.names": {
        "es": "comienzo de nombre (cinco caracteres)",
        "en": "start of a name (five characters)",
    },
    "inside.property.line.far.text": {
        "es": "más de 30 caracteres de línea",
        "en": "over 30 characters into a line",
    },
    "inside.property.line.end.text": {"es": "fin de línea", "en": "end of a line"},
    "inside.property.line.end.names": {
        "es": "última letra del nombre",
        "en": "last letter of a name",
    },
    "inside.property.break.text": {"es": "saltos de línea", "en": "line breaks"},
    "inside.property.quote.text": {"es": "entre comillas", "en": "between quotation marks"},
    "inside.property.speaker.text": {
        "es": "línea que dice quién habla",
        "en": "line that names who speaks",
    },
    # The next letter.
    "inside.next": {"es": "Sigue tú: ¿qué letra viene?", "en": "Go on: which letter comes next?"},
    "inside.next.text": {
        "es": "Elige una y se añade a tu texto; arriba y abajo todo cambia con ella.",
        "en": "Choose one and it joins your text; everything above and below follows.",
    },
    "inside.part.both": {"es": "Los dos juntos", "en": "Both together"},
    "inside.part.network": {"es": "La red sola", "en": "The network alone"},
    "inside.part.ngram": {"es": "El n-grama solo", "en": "The n-gram alone"},
    "inside.only": {"es": "Las más probables", "en": "The likeliest"},
    "inside.back": {"es": "Un paso atrás", "en": "One step back"},
    "inside.temperature": {"es": "¿Y a otra temperatura?", "en": "And at another temperature?"},
    "inside.entropy": {
        "es": "A temperatura {temperature} la entropía es de {bits} bits: como elegir al azar "
        "entre {count} letras.",
        "en": "At temperature {temperature} the entropy is {bits} bits: like choosing at random "
        "among {count} letters.",
    },
    "inside.memory": {"es": "Su memoria ahora", "en": "Its memory now"},
    "inside.memory.text": {
        "es": "{numbers} números, {shown} a la vista. Oro es positivo, azul negativo, pálido cerca "
        "de cero.",
        "en": "{numbers} numbers, {shown} in sight. Gold is positive, blue negative, pale near "
        "zero.",
    },
}
