"""Whether visitors may train here: asked without importing torch, or what needs it.

A Space's folder holds this module and the tab, but not the workshop: it is looked for.
"""

import importlib
import importlib.util
import ipaddress
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

from charmodels.runtime.errors import SettingError

if TYPE_CHECKING:
    from demo.shelf import Shelf

Training = Literal["auto", "on", "off"]

_WORKSHOP = "demo.workshop"
_NEEDED = (_WORKSHOP, "torch", "safetensors", "onnxscript")


class Workshop(Protocol):
    """`demo.workshop.Workshop`, as the tab sees it; what a browser asks may be anything."""

    minutes: Sequence[float]

    def read(self, asked: object) -> dict[str, Any]:
        """What a list holds, or a refusal."""
        ...

    def enter(self, asked: object) -> Any:
        """Queue a training; gives its job."""
        ...

    def tell(self, job: Any) -> dict[str, Any]:
        """How it goes, for the browser; whoever asks is still there."""
        ...

    def leave(self, job: Any) -> None:
        """End it, wherever it stands."""
        ...

    def cancel(self, number: object) -> None:
        """End the one with this id."""
        ...

    def made(self, number: object) -> Any:
        """The model's name and its zip, or a refusal."""
        ...


def open_workshop(
    training: Training, host: str, behind_proxy: bool, shelf: "Shelf"
) -> Workshop | None:
    """Where visitors' lists are trained on; None where nobody may.

    Left to itself (`auto`) it opens only for this machine: no other reaches the host, and no proxy
    stands before it.

    Raises:
        SettingError: it was asked for, and this machine cannot or must not.
    """
    reason = why_not()
    if training == "on" and reason:
        raise SettingError(f"--training on: {reason}")
    is_own = is_loopback(host) and not behind_proxy
    if reason or training == "off" or (training == "auto" and not is_own):
        return None
    workshop: Workshop = importlib.import_module(_WORKSHOP).Workshop(shelf)
    return workshop


def why_not(environment: Mapping[str, str] = os.environ) -> str:
    """Why this machine trains nothing for visitors, as the end of a sentence; empty if it does."""
    if environment.get("SPACE_ID") or environment.get("SYSTEM") == "spaces":
        return "this is a Space, which anybody may visit"
    if os.name != "posix":
        return "only Linux and macOS hold a training within its limits"
    missing = [name for name in _NEEDED if not is_there(name)]
    return f'{missing[0]} is missing; pip install "charmodels[export]"' if missing else ""


def is_there(module: str) -> bool:
    """Whether it can be imported, found without importing it: torch takes seconds."""
    try:
        return importlib.util.find_spec(module) is not None
    except ImportError:
        return False


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens on `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
