"""`python -m charmodels predict`: many characters in, the likeliest next ones out."""

import json
from pathlib import Path

from charmodels.commands.sample import open_model

_WIDTH = 40
"""Columns of a bar that stands for certainty."""


def predict_command(source: Path, text: str, count: int, *, as_json: bool) -> int:
    """Print a character, its probability and a bar a line."""
    predictions = open_model(source).predict(text, count)
    if as_json:
        said = [{"character": c, "probability": round(p, 6)} for c, p in predictions]
        print(json.dumps({"text": text, "predictions": said}, ensure_ascii=False))
        return 0
    for character, probability in predictions:
        shown = character if character.isprintable() and character.strip() else repr(character)
        bar = "█" * round(_WIDTH * probability)
        print(f"{shown if character else '(end)':<6} {probability:>6.1%}  {bar}".rstrip())
    return 0
