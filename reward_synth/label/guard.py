"""What stands between a run and the rest of the web.

A page of another site can make a browser send requests to this machine. It is kept from reading
anything by its own origin, unless its name is made to resolve to this machine (DNS rebinding):
then it asks under its own host name, and is refused. It is kept from writing by its origin, which
browsers state with every POST. On other addresses than this machine's own there is no telling
which host names are right; there a token, which only the printed address holds, is asked of
every request.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from fastapi import Request
from fastapi.responses import JSONResponse, Response

_MOST_BYTES = 64 * 1024  # of what is posted
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; media-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class Doors:
    """Who may come in.

    Attributes:
      hosts: that requests may be addressed to, with the port; empty for any.
      token: that requests carry, in the address or, after the first, in a cookie; "" for none.
    """

    hosts: frozenset[str]
    token: str = ""

    def __post_init__(self) -> None:
        if not self.hosts and not self.token:
            raise ValueError("without host names only a token keeps others out.")

    @classmethod
    def to(cls, host: str, port: int) -> Doors:
        """Return those for an address that is listened on."""
        if host in ("127.0.0.1", "::1", "localhost"):
            names = ("127.0.0.1", "localhost", "[::1]")
            return cls(frozenset(f"{name}:{port}" for name in names))
        return cls(frozenset(), secrets.token_urlsafe(24))


class Guard:
    """ASGI middleware that lets in what ``Doors`` allow, and adds headers to every answer."""

    def __init__(self, app: Any, doors: Doors) -> None:  # noqa: ANN401 (an ASGI application)
        self._app = app
        self._doors = doors

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401
        """Answer a request or pass it on."""
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        if scope["type"] != "http":
            raise RuntimeError("only HTTP is spoken here.")
        request = Request(scope)
        refusal = self._refusal(request)
        cookie = self._cookie(request) if refusal is None else ""

        async def send_with_headers(message: Any) -> None:  # noqa: ANN401
            if message["type"] == "http.response.start":
                extra = [*_HEADERS.items(), *([("Set-Cookie", cookie)] if cookie else [])]
                headers = [(name.lower().encode(), value.encode()) for name, value in extra]
                message = {**message, "headers": [*message["headers"], *headers]}
            await send(message)

        return await (refusal or self._app)(scope, receive, send_with_headers)

    def _refusal(self, request: Request) -> Response | None:
        host = request.headers.get("host", "")
        if self._doors.hosts and host not in self._doors.hosts:
            return _refuse(421, f"this page is not at {host}: use the address that was printed.")
        if self._doors.token and not self._has_token(request):
            return _refuse(403, "the address lacks the token: use the one that was printed.")
        if request.method not in ("GET", "HEAD"):
            return _unfit(request, host)
        site, mode = (request.headers.get(f"sec-fetch-{what}", "") for what in ("site", "mode"))
        if site in ("cross-site", "same-site") and mode != "navigate":
            return _refuse(403, "other pages may link to this one, not take parts of it.")
        return None

    def _has_token(self, request: Request) -> bool:
        given = (request.query_params.get("token"), request.cookies.get(_cookie_name(request)))
        return any(
            secrets.compare_digest(one.encode(), self._doors.token.encode())
            for one in given
            if one is not None
        )

    def _cookie(self, request: Request) -> str:
        """Return a cookie for whoever came with the token in the address, else ""."""
        if not self._doors.token or request.query_params.get("token") is None:
            return ""
        name = _cookie_name(request)
        return f"{name}={self._doors.token}; Path=/; HttpOnly; SameSite=Strict"


def _unfit(request: Request, host: str) -> Response | None:
    """Refuse what another page, or no page at all, has sent."""
    origin = urlsplit(request.headers.get("origin", ""))
    if origin.scheme not in ("http", "https") or origin.netloc != host:
        return _refuse(403, "answers are taken from this page alone.")
    if request.headers.get("content-type", "").split(";")[0].strip() != "application/json":
        return _refuse(415, "answers are JSON.")
    length = request.headers.get("content-length", "")
    if not length.isdecimal():
        return _refuse(411, "an answer says how long it is.")
    if int(length) > _MOST_BYTES:
        return _refuse(413, f"an answer has {_MOST_BYTES // 1024} KiB at most.")
    return None


def _cookie_name(request: Request) -> str:
    # Cookies do not know of ports, and several runs may be labelled on one machine.
    return f"reward_synth_label_{request.url.port or 80}"


def _refuse(status: int, reason: str) -> Response:
    return JSONResponse({"error": reason}, status)
