"""What Gradio keeps of each visitor, kept short.

Left alone it remembers 10,000 sessions, at 70 kB each for a page of two tabs, and every call of a
program is a session. Here a session lives as long as its page is open, and a program's ends with
the answer; of those that never said goodbye only the last ones are kept.
"""

from collections import Counter
from typing import Any
from urllib.parse import parse_qs

import gradio as gr
from gradio.utils import LRUCache
from starlette.types import ASGIApp, Receive, Scope, Send

MAX_SESSIONS = 1000
"""Sessions kept at once. A page whose session is forgotten works on; it reads its chat again."""


class Recent(LRUCache[str, Any]):
    """The sessions used last; Gradio's own cache drops those that came first, in mid-answer too."""

    def __getitem__(self, key: str) -> Any:
        self.move_to_end(key)
        return super().__getitem__(key)


class Sessions:
    """Forgets a session when nobody is there any more; around an ASGI application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._open: Counter[str] = Counter()  # pages, by their heartbeat

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on; see what ends."""
        page, listener = _page_of(scope), _listener_of(scope)
        self._open.update([page] if page else [])
        try:
            await self._app(scope, receive, send)
        finally:
            if page and self._open[page] > 1:
                self._open[page] -= 1
            elif page:
                del self._open[page]
            if listener and listener not in self._open:
                _forget(scope["app"], listener)


def keep_short(app: gr.Blocks) -> None:
    """Bound what the page's queue keeps of sessions; after `app.queue()`."""
    app._queue.pending_messages_per_session = Recent(MAX_SESSIONS)
    app._queue.pending_event_ids_session = Recent(MAX_SESSIONS)


def _page_of(scope: Scope) -> str:
    """The session of an open page, which this request keeps alive; "" for other requests."""
    path: str = scope.get("path", "")
    return path.partition("/gradio_api/heartbeat/")[2]


def _listener_of(scope: Scope) -> str:
    """The session whose answers this request streams."""
    if scope["type"] != "http" or scope["method"] != "GET":
        return ""
    path: str = scope["path"]
    if path.endswith("/gradio_api/queue/data"):
        query: str = scope["query_string"].decode("latin-1")
        return parse_qs(query).get("session_hash", [""])[0]
    return path.rpartition("/")[2] if "/gradio_api/call/" in path else ""


def _forget(app: Any, session: str) -> None:
    """Drop a session that waits for no answer."""
    queue = app.get_blocks()._queue
    if queue.pending_event_ids_session.get(session):
        return
    queue.pending_event_ids_session.pop(session, None)
    queue.pending_messages_per_session.pop(session, None)
    app.state_holder.session_data.pop(session, None)
    app.state_holder.time_last_used.pop(session, None)
