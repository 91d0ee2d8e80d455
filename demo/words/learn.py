"""The words of Learn: the bench and the lessons beside it."""

from demo.words.language import Words

LEARN: Words = {
    # Learning: the bench, where a text is typed and everything beside it follows.
    "learn.bench": {"es": "¿Qué letra viene después?", "en": "Which letter comes next?"},
    "learn.text": {"es": "Tu texto", "en": "Your text"},
    "learn.next": {"es": "Las cinco más probables", "en": "The five likeliest"},
    "learn.pick": {
        "es": "Elige una y se añade a tu texto.",
        "en": "Choose one and it joins your text.",
    },
    "learn.add": {"es": "añadir", "en": "add"},
    "learn.undo": {"es": "Quitar la última", "en": "Take the last away"},
    "learn.dive": {"es": "Mirar dentro de este texto", "en": "Look inside this text"},
    "learn.change": {"es": "Cambiar el texto", "en": "Change the text"},
    "learn.end": {"es": "fin", "en": "end"},
    "learn.end.spoken": {"es": "fin del nombre", "en": "end of the name"},
    "learn.space": {"es": "espacio", "en": "space"},
    "learn.newline": {"es": "salto de línea", "en": "line break"},
    "learn.spoken": {"es": "Lo más probable: {options}.", "en": "Likeliest: {options}."},
    "learn.nothing": {"es": "Tu texto está vacío.", "en": "Your text is empty."},
    "learn.echo": {"es": "Con tu texto: «{text}»", "en": "With your text: “{text}”"},
    # The lessons.
    "learn.recurrent": {"es": "Una letra cada vez", "en": "One letter at a time"},
    "learn.recurrent.text": {
        "es": "Una red recurrente lee un carácter y da una puntuación a cada carácter que podría "
        "venir después. De una lectura a la siguiente solo lleva su memoria: una lista de números "
        "que entra y sale cambiada. Con la misma memoria y la misma letra, responde lo mismo.",
        "en": "A recurrent network reads one character and gives a score to every character that "
        "could come next. From one reading to the next it carries only its memory: a list of "
        "numbers that goes in and comes out changed. The same memory and letter give the same "
        "answer.",
    },
    "learn.recurrent.figure": {
        "es": "Tres lecturas seguidas: en cada una entran una letra y la memoria, y salen las "
        "puntuaciones y la memoria nueva.",
        "en": "Three readings in a row: a letter and the memory go into each, scores and the new "
        "memory come out.",
    },
    "learn.memory": {
        "es": "Esto es todo lo que recuerda ahora: {numbers} números, de los que ves {shown}. "
        "Oro es positivo, azul negativo, pálido cerca de cero.",
        "en": "This is all it remembers now: {numbers} numbers, {shown} of them shown. Gold is "
        "positive, blue negative, pale near zero.",
    },
    "learn.shapes": {"es": "Cuatro maneras de usarla", "en": "Four ways to use it"},
    "learn.one": {"es": "Uno a uno", "en": "One to one"},
    "learn.one.text": {
        "es": "Entra una letra y sale una respuesta, sin nada antes. Así solo puede saber qué "
        "letra suele seguir a cuál; compara con la respuesta siguiente, la de tu texto entero.",
        "en": "One letter goes in, one answer comes out, with nothing before it. All it can know "
        "is which letter tends to follow which; compare it with the next answer, to your whole "
        "text.",
    },
    "learn.one.alone": {"es": "Solo lee «{text}»", "en": "Reads only “{text}”"},
    "learn.to.one": {"es": "Muchos a uno", "en": "Many to one"},
    "learn.to.one.text": {
        "es": "Entran muchas letras y solo se mira la última respuesta: la lista de «¿Qué letra "
        "viene después?». Elige letra a letra, y el texto lo hacen a medias el modelo y tú.",
        "en": "Many letters go in and only the last answer counts: the list under “Which letter "
        "comes next?”. Choose letter by letter, and the two of you make the text together.",
    },
    "learn.to.many": {"es": "Uno a muchos", "en": "One to many"},
    "learn.to.many.text": {
        "es": "Entra un comienzo y sale un texto: cada letra que se sortea vuelve a entrar como "
        "la siguiente. Así escribe la pestaña Escribir.",
        "en": "A beginning goes in and a text comes out: each letter drawn goes back in as the "
        "next one. The tab Write does it.",
    },
    "learn.write.names": {"es": "Escribir tres nombres", "en": "Write three names"},
    "learn.write.text": {"es": "Escribir una frase más", "en": "Write a little more"},
    "learn.many": {"es": "Muchos a muchos", "en": "Many to many"},
    "learn.many.text": {
        "es": "Cada letra de tu texto tiene su respuesta, que se compara con la letra que de "
        "verdad venía. Debajo está su sorpresa en bits: 0 si la daba por segura, y uno más cada "
        "vez que la creía la mitad de probable.",
        "en": "Each letter of your text gets an answer, compared with the letter that really "
        "came. Below it is the surprise in bits: 0 if it was sure of it, and one more each time it "
        "thought it half as likely.",
    },
    "learn.many.sum": {
        "es": "En total {total} bits, {mean} por carácter.",
        "en": "{total} bits in all, {mean} a character.",
    },
    "learn.many.bits": {"es": "bits", "en": "bits"},
    "learn.warm": {"es": "La temperatura", "en": "Temperature"},
    "learn.warm.text": {
        "es": "Antes de sortear una letra, las puntuaciones se dividen por la temperatura T. Por "
        "debajo de 1 se separan, y casi siempre gana la favorita; por encima se acercan, y las "
        "raras tienen su ocasión. Con 1 queda lo que el modelo aprendió.",
        "en": "Before a letter is drawn, the scores are divided by the temperature T. Below 1 they "
        "move apart and the favourite nearly always wins; above it they move together and rare "
        "letters get their chance. 1 leaves what the model learned.",
    },
    "learn.gates": {"es": "Tres memorias: RNN, LSTM y GRU", "en": "Three memories: RNN, LSTM, GRU"},
    "learn.gates.yours": {
        "es": "El modelo que has elegido es una {network}.",
        "en": "The model you chose is of this kind: {network}.",
    },
    "learn.rnn.text": {
        "es": "La red simple rehace su memoria entera a cada letra: mezcla lo que había con lo que "
        "llega y lo pasa por tanh. Lo que dice es lo que recuerda.",
        "en": "The plain network makes its whole memory anew at each letter: it mixes what was "
        "there with what comes and passes it through tanh. What it says is what it remembers.",
    },
    "learn.rnn.figure": {
        "es": "Celda RNN: la letra x y la memoria h se juntan, pasan por tanh y dan la h nueva.",
        "en": "RNN cell: the letter x and the memory h join, pass through tanh and give the new h.",
    },
    "learn.lstm.text": {
        "es": "La LSTM añade una línea, c, que solo se atenúa y se le suma. Tres puertas, números "
        "de 0 a 1, deciden qué se escribe en ella (i), qué se conserva (f) y qué se dice (o); g es "
        "lo que se propone escribir.",
        "en": "The LSTM adds a line, c, that is only faded and added to. Three gates, numbers from "
        "0 to 1, decide what is written on it (i), what is kept (f) and what is said (o); g is "
        "what it proposes to write.",
    },
    "learn.lstm.figure": {
        "es": "Celda LSTM: la línea c cruza de lado a lado; f la multiplica, i por g se le suma, y "
        "o decide cuánto de tanh de c sale como h.",
        "en": "LSTM cell: the line c runs from side to side; f multiplies it, i times g is added, "
        "and o decides how much of tanh of c leaves as h.",
    },
    "learn.gru.text": {
        "es": "La GRU se queda con una sola memoria, h, y dos puertas. La z decide cuánto de lo "
        "viejo se queda y cuánto se cambia por la propuesta n; la r, cuánto de lo viejo cuenta al "
        "hacer n.",
        "en": "The GRU keeps a single memory, h, and two gates. z decides how much of the old "
        "stays and how much is replaced by the proposal n; r, how much of the old counts in making "
        "n.",
    },
    "learn.gru.figure": {
        "es": "Celda GRU: la memoria h cruza de lado a lado; z la multiplica y 1 menos z por n se "
        "le suma; r decide cuánto de h entra en n.",
        "en": "GRU cell: the memory h runs from side to side; z multiplies it and 1 minus z times "
        "n is added; r decides how much of h goes into n.",
    },
    "learn.reach": {"es": "Lo lejano se desvanece", "en": "What is far away fades"},
    "learn.reach.text": {
        "es": "Aprender es corregir: el error de una letra vuelve hacia atrás y en cada paso se "
        "multiplica. En la red simple esos productos suelen encogerse hasta casi nada, y entonces "
        "de lo lejano no se aprende. La línea c de la LSTM y la mezcla de la GRU dejan pasar el "
        "gradiente mientras sus puertas dicen «conserva».",
        "en": "To learn is to correct: the error at one letter travels back and is multiplied at "
        "each step. In the plain network those products tend to shrink to almost nothing, and then "
        "nothing is learned from far away. The LSTM's line c and the GRU's mixture let the "
        "gradient through as long as their gates say “keep”.",
    },
    "learn.reach.figure": {
        "es": "Medido en redes entrenadas: qué parte del gradiente queda (hacia arriba) a cada "
        "distancia en caracteres (hacia la derecha).",
        "en": "Measured on trained networks: what share of the gradient is left (upwards) at each "
        "distance in characters (rightwards).",
    },
    "learn.apart": {"es": "Por qué se apartan nombres", "en": "Why names are held out"},
    "learn.apart.text": {
        "es": "Un modelo que copia su lista comete muy pocos errores al entrenar, y no ha "
        "aprendido a inventar nada. Por eso una parte se aparta antes de empezar: el modelo "
        "nunca la ve. Su calidad es lo que le cuesta esa parte, no lo bien que recuerda la otra.",
        "en": "A model that copies its list makes very few errors in training, and has learned to "
        "invent nothing. So a part is held out before it begins: the model never sees it. Its "
        "quality is what that part costs it, not how well it remembers the rest.",
    },
    "learn.apart.bits": {
        "es": "{title}: {bits} bits por carácter en la parte que nunca vio.",
        "en": "{title}: {bits} bits per character on the part it never saw.",
    },
}
