"""What can go wrong, as one small tree.

    CharModelError
    ├── CorpusError (ValueError)       a file that cannot be read as names or text
    ├── VocabularyError (ValueError)   a character the model has never seen
    ├── SettingError (ValueError)      a temperature, limit or name outside its range
    ├── ConstraintError (ValueError)   a pattern that cannot be read, met or afforded
    ├── RunError (ValueError)          a run folder that is missing, unfinished or in the way
    └── BundleError (ValueError)       a bundle that is missing, broken, too new or unsafe

Every message says what was wrong, the value, what was expected and what to do next, in one line:
command lines print it as it is and exit with 1.
"""

from collections.abc import Mapping
from typing import Literal


class CharModelError(Exception):
    """Anything a user can mend: its message is one line and says how."""


class CorpusError(CharModelError, ValueError):
    """A file that cannot be read as names or text."""


class VocabularyError(CharModelError, ValueError):
    """A character the model has never seen."""


class SettingError(CharModelError, ValueError):
    """A temperature, limit or name outside its range."""


Why = Literal["unreadable", "impossible", "costly", "known"]
"""A pattern cannot be read, no name is like that, it takes too much, or all found were learned."""


class ConstraintError(CharModelError, ValueError):
    """A pattern or another wish about names that cannot be read, met or afforded.

    For those who say it in words of their own: `why`; `place`, the character of the pattern, from
    0, that cannot be read; and `fitting`, texts that can be met in the place of those asked.
    """

    def __init__(
        self,
        message: str,
        why: Why = "impossible",
        *,
        place: int = 0,
        fitting: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.why, self.place, self.fitting = why, place, fitting or {}


class RunError(CharModelError, ValueError):
    """A run folder that is missing, unfinished or in the way."""


class BundleError(CharModelError, ValueError):
    """A bundle that is missing, broken, too new or unsafe."""
