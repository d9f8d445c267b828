"""The page of a run, served as it is to people."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from reward_synth.label.guard import Doors
from reward_synth.label.serve import listening
from reward_synth.label.server import create_app


@contextmanager
def served(folder: Path, port: int = 0, doors: Doors | None = None) -> Iterator[str]:
    """Serve a run; yields the address without a slash at its end."""
    with listening("127.0.0.1", port) as sock:
        port = sock.getsockname()[1]
        app = create_app(folder, doors or Doors.to("127.0.0.1", port))
        config = uvicorn.Config(app, log_level="error")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]})
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive()
                time.sleep(0.01)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            thread.join()
