"""The doors for programs: what gradio_client, curl and MCP clients can ask of the page.

A door is a method of `Doors`: its name, its typed parameters and its docstring are the documented
API, so a new one is a method here and a line in `add_doors`.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import gradio as gr
from gradio.events import api

from charmodels.runtime import CharModelError
from demo import chat, inside, names
from demo.inside import Scored
from demo.look import COUNT
from demo.pages.write import LOOKERS, WRITERS
from demo.shelf import Shelf, find_speaker


class Doors:
    """What programs can ask of these models."""

    def __init__(self, speakers: Shelf) -> None:
        self._shelf = speakers.by_name

    def models(self) -> list[str]:
        """The names of the models on this page, the chosen one first."""
        return list(self._shelf)

    def stream(
        self,
        model: str,
        prefix: str = "",
        temperature: float = 0.8,
        max_chars: int = 100,
        seed: int = chat.RANDOM_SEED,
    ) -> Iterator[str]:
        """Write on after a prefix: yields the text so far, prefix included.

        Args:
            model: a name from /models.
            prefix: how the text begins.
            temperature: 0 is the likeliest character each time; up to 2.
            max_chars: new characters; up to 100 for names, 2000 for text.
            seed: the same seed writes the same text; -1 is a random one.
        """
        with _plainly():
            writer = find_speaker(self._shelf, model).model
            beginning = chat.check_message(writer, prefix)
            settings = chat.check_settings(writer, temperature, max_chars, 1, seed)
            echoed = beginning if writer.endless else ""
            for reply in chat.write(writer, beginning, settings, weighed=False):
                if not reply.done:
                    yield echoed + reply.text

    def names(
        self,
        model: str,
        count: int = names.COUNT,
        starts: str = "",
        ends: str = "",
        contains: str = "",
        shortest: int = 1,
        longest: int = names.MAX_CHARS,
        pattern: str = "",
        novel: bool = False,
        temperature: float = 0.8,
        seed: int = chat.RANDOM_SEED,
    ) -> Iterator[list[dict[str, str | None]]]:
        """Names that a names model invents, exactly as asked for.

        Args:
            model: a name from /models that writes names.
            count: how many; up to 20.
            starts: how each name starts.
            ends: how each name ends.
            contains: what each name contains.
            shortest: characters of a name, at least.
            longest: characters of a name, at most; up to 100.
            pattern: a regular expression for the whole name, up to 100 characters; "" is any.
            novel: only names that were not in the training list.
            temperature: 0 is the likeliest character each time; up to 2.
            seed: the same seed gives the same names; -1 is a random one.

        Returns:
            {name, standing} each. The standing is "known" for a name of the training list, "near"
            for one edit from one, "new" for any other, and null where the model cannot tell.
            Fewer than `count` where no more were found in time.
        """
        with _plainly():
            writer = find_speaker(names.writers(self._shelf), model).model
            wish = names.check_wish(
                writer,
                count=count,
                starts=starts,
                ends=ends,
                contains=contains,
                shortest=shortest,
                longest=longest,
                pattern=pattern,
                novel=novel,
                temperature=temperature,
                seed=seed,
            )
            written: tuple[names.Named, ...] = ()
            for written in names.write_names(writer, wish):
                yield [_told(each) for each in written]
            if not written:
                yield []

    def predict(self, model: str, window: str = "", count: int = COUNT) -> list[tuple[str, float]]:
        """The likeliest next characters after a window of text, each with its probability.

        Args:
            model: a name from /models.
            window: the text so far; up to 500 characters.
            count: how many characters; up to 1000, or as many as the model knows.

        Returns:
            [character, probability] each, the likeliest first; "" is the end of a name.
        """
        with _plainly():
            return [*chat.predict(find_speaker(self._shelf, model).model, window, count)]

    def score(self, model: str, text: str) -> list[Scored]:
        """How surprised a model is by each character of a text.

        Args:
            model: a name from /models.
            text: up to 1000 characters; one whole name for a model of names.

        Returns:
            One for each character, in order, with the bits the model paid for it: 0 if it was
            sure of it, one more each time it thought it half as likely. A name's end comes last,
            its character "".
        """
        with _plainly():
            return inside.score(find_speaker(self._shelf, model).model, text)


def add_doors(speakers: Shelf) -> None:
    """Open the doors on the page that is being built."""
    doors = Doors(speakers)
    # Gradio's own script takes a door called predict for the page's first event: so it is.
    api(doors.predict, api_name="predict", concurrency_limit=LOOKERS, concurrency_id="look")
    api(doors.score, api_name="score", concurrency_limit=LOOKERS, concurrency_id="look")
    api(doors.models, api_name="models", queue=False)
    for written in (doors.stream, doors.names):
        api(
            written,
            api_name=written.__name__,
            concurrency_limit=WRITERS,
            concurrency_id="write",
        )


@contextmanager
def _plainly() -> Iterator[None]:
    """Our refusals reach a program as their one sentence."""
    try:
        yield
    except CharModelError as error:
        raise gr.Error(str(error), print_exception=False) from error


def _told(named: names.Named) -> dict[str, str | None]:
    return {"name": named.name, "standing": named.standing}
