"""The languages the page speaks."""

from typing import Literal, get_args

Language = Literal["es", "en"]
LANGUAGES: tuple[Language, ...] = get_args(Language)

Words = dict[str, dict[Language, str]]
"""Sentences by key, each in every language."""
