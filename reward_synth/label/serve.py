"""Starts the web page on an address of this machine."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from reward_synth.errors import ConfigError, FeedbackError

PORT = 8765


def serve(
    folder: Path, host: str, port: int | None, who: str | None, say: Callable[[str], None]
) -> None:
    """Serve the page of a run until Ctrl-C.

    Args:
      folder: of the run.
      host: the address to listen on.
      port: 0 for any that is free; None for the usual one, or any if that is in use.
      who: for the printed address; None to have the page ask.
      say: hears the address, once the page is there.

    Raises:
      ConfigError: the address cannot be listened on.
      FeedbackError: the extra is not installed.
    """
    try:
        import uvicorn

        from reward_synth.label.guard import Doors
        from reward_synth.label.server import create_app
    except ImportError as error:
        raise FeedbackError(
            "the web page needs the label extra: pip install 'reward-synth[label]'. Without it, "
            "label in the terminal: --terminal."
        ) from error
    with listening(host, port) as sock:
        bound = sock.getsockname()[1]
        doors = Doors.to(host, bound)
        say(address(host, bound, doors.token, who))
        app = create_app(folder, doors)
        config = uvicorn.Config(app, log_level="warning")
        uvicorn.Server(config).run(sockets=[sock])


def listening(host: str, port: int | None) -> socket.socket:
    """Return a socket that listens; see ``serve``.

    Raises:
      ConfigError: the port is in use, or the address is not this machine's.
    """
    try:
        return _bound(host, PORT if port is None else port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE and port is None:
            return _bound(host, 0)
        if error.errno == errno.EADDRINUSE:
            raise ConfigError(
                f"port {port} is in use: name another with --port, or 0 for any that is free."
            ) from error
        raise ConfigError(f"cannot listen on {host}, port {port}: {error.strerror}.") from error


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(128)
    except OSError:
        sock.close()
        raise
    return sock


def address(host: str, port: int, token: str, who: str | None) -> str:
    """Return what to open in a browser."""
    shown = {"0.0.0.0": socket.gethostname(), "::": socket.gethostname()}.get(host, host)
    shown = f"[{shown}]" if ":" in shown else shown
    values = {"token": token, "who": who or ""}
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in values.items() if value)
    return f"http://{shown}:{port}/{'?' if query else ''}{query}"
