"""The words of Names."""

from demo.words.language import Words

NAMES: Words = {
    # The wish.
    "names.title": {"es": "Nombres a tu gusto", "en": "Names to your taste"},
    "names.filters": {"es": "Filtros", "en": "Filters"},
    "names.starts": {"es": "Empieza por", "en": "Starts with"},
    "names.ends": {"es": "Termina en", "en": "Ends with"},
    "names.contains": {"es": "Contiene", "en": "Contains"},
    "names.length": {"es": "Longitud", "en": "Length"},
    "names.shortest": {"es": "de", "en": "from"},
    "names.longest": {"es": "a", "en": "to"},
    "names.pattern": {"es": "Patrón", "en": "Pattern"},
    "names.pattern.help": {
        "es": "Una expresión regular del nombre entero: . es cualquier carácter, * lo repite, "
        "(a|b) elige.",
        "en": "A regular expression for the whole name: . is any character, * repeats it, (a|b) "
        "chooses.",
    },
    "names.examples": {"es": "Patrones para probar", "en": "Patterns to try"},
    "names.novel": {"es": "Solo nuevos", "en": "Only new ones"},
    "names.unjudged": {
        "es": "Este modelo no trae con qué saber qué nombres había en su lista.",
        "en": "This model brings no way to tell which names were in its list.",
    },
    "names.ten": {"es": "Diez nombres", "en": "Ten names"},
    # What came of it.
    "names.empty": {
        "es": "Pide diez nombres y toca los que te gusten.",
        "en": "Ask for ten names, and tap those you like.",
    },
    "names.legend": {"es": "Qué dicen las marcas", "en": "What the marks say"},
    "names.new": {"es": "nuevo", "en": "new"},
    "names.near": {"es": "a una letra", "en": "one letter off"},
    "names.known": {"es": "en la lista", "en": "in its list"},
    "names.nats": {"es": "{nats} nats", "en": "{nats} nats"},
    "names.new.means": {
        "es": "a dos caracteres o más de cualquiera de la lista de la que aprendió",
        "en": "two characters or more from any in the list it learned from",
    },
    "names.near.means": {
        "es": "a un carácter de alguno de la lista: puesto, quitado o cambiado",
        "en": "one character from one in the list: put in, taken out or changed",
    },
    "names.known.means": {
        "es": "está tal cual en la lista de la que aprendió",
        "en": "stands as it is in the list it learned from",
    },
    "names.nats.unit": {"es": "nats", "en": "nats"},
    "names.nats.means": {
        "es": "cuánto le sorprende el nombre al modelo; pocos: le parece típico",
        "en": "how much the name surprises the model; few: it finds it typical",
    },
    "names.rate": {
        "es": "El modelo no lleva su lista sino huellas de ella, y alguna vez se confunde: da por "
        "«en la lista» uno de cada {known} nombres que no están, y por «a una letra» uno de cada "
        "{near} que son nuevos.",
        "en": "The model carries no list but fingerprints of it, which can mislead: it takes one "
        "in {known} names that are not there for “in its list”, and one in {near} new ones for "
        "“one letter off”.",
    },
    "names.said": {
        "es": "{count} nombres: nuevos, {new}; a una letra, {near}; en la lista, {known}.",
        "en": "{count} names: new, {new}; one letter off, {near}; in its list, {known}.",
    },
    "names.said.unjudged": {"es": "{count} nombres.", "en": "{count} names."},
    "names.few": {
        "es": "No ha dado tiempo a más, o ya no le salen. Afloja un filtro o prueba otra semilla.",
        "en": "It had no time for more, or finds no more. Loosen a filter or try another seed.",
    },
    "names.none": {
        "es": "No le ha salido ninguno así. Afloja un filtro o prueba otra semilla.",
        "en": "It found none like that. Loosen a filter or try another seed.",
    },
    "names.more": {"es": "Diez más", "en": "Ten more"},
    "names.copy": {"es": "Copiar", "en": "Copy"},
    "names.csv": {"es": "Descargar CSV", "en": "Download CSV"},
    "names.share": {"es": "Copiar enlace", "en": "Copy link"},
    "names.shared": {"es": "Enlace copiado", "en": "Link copied"},
    "names.stranger": {
        "es": "El enlace nombra un modelo que no está en esta página. Elige otro.",
        "en": "The link names a model that is not on this page. Choose another.",
    },
    # Favourites.
    "names.kept": {"es": "Tus favoritos", "en": "Your favourites"},
    "names.kept.none": {
        "es": "{title}: todavía ninguno. Toca un nombre y se queda aquí, en este navegador.",
        "en": "{title}: none yet. Tap a name and it stays here, in this browser.",
    },
    "names.kept.of": {
        "es": "{title}: solo están en este navegador.",
        "en": "{title}: they are in this browser only.",
    },
    "names.kept.fleeting": {
        "es": "Este navegador no deja guardar nada: durarán lo que esta visita.",
        "en": "This browser lets nothing be kept: they last as long as this visit.",
    },
    "names.copy.all": {"es": "Copiar todos", "en": "Copy all"},
    "names.remove": {"es": "Quitar {name}", "en": "Remove {name}"},
    # Refusals.
    "refusal.long": {
        "es": "{setting} tiene {length} caracteres; caben {limit}. Acórtalo.",
        "en": "{setting} has {length} characters; {limit} fit. Shorten it.",
    },
    "refusal.pattern": {
        "es": "No entiendo el patrón a partir de «{rest}» (carácter {place}). Un signo que valga "
        "por sí mismo lleva \\ delante.",
        "en": "I cannot read the pattern from “{rest}” on (character {place}). A sign that stands "
        "for itself has a \\ before it.",
    },
    "refusal.pattern.end": {
        "es": "Al patrón le falta algo al final.",
        "en": "The pattern lacks something at its end.",
    },
    "refusal.costly": {
        "es": "Son demasiadas posibilidades para probarlas. Acorta el patrón o repite menos.",
        "en": "Those are too many possibilities to try. Shorten the pattern, or repeat less.",
    },
    "refusal.impossible": {
        "es": "Ningún nombre de este modelo puede ser así. Afloja un filtro.",
        "en": "No name of this model can be like that. Loosen a filter.",
    },
    "refusal.impossible.hint": {
        "es": "Ningún nombre de este modelo puede ser así. Podría con «{hint}».",
        "en": "No name of this model can be like that. It could with “{hint}”.",
    },
    "refusal.order": {
        "es": "La longitud va de {shortest} a {longest}: el primer número es el mayor.",
        "en": "The length goes from {shortest} to {longest}: the first number is the larger.",
    },
    "refusal.unjudged": {
        "es": "Este modelo no trae con qué saber qué es nuevo. Quita «solo nuevos».",
        "en": "This model brings no way to tell what is new. Leave “only new” out.",
    },
}
