"""The web page on which people say which policies do the task better."""

from __future__ import annotations

import hashlib
import sqlite3
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, Response

from reward_synth.errors import RewardSynthError
from reward_synth.feedback.annotations import Annotation
from reward_synth.label.desk import Desk, named
from reward_synth.label.guard import Doors, Guard
from reward_synth.label.panel import Panel
from reward_synth.label.wire import asked_json, turn_json

_HERE = Path(__file__).resolve().parent
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_FOREVER = {"Cache-Control": "private, max-age=31536000, immutable"}
_NEVER = {"Cache-Control": "no-store"}


def create_app(folder: Path, doors: Doors) -> Guard:
    """Return the ASGI application for one run.

    Of files it serves its own scripts and styles, by name, and the videos of the run's
    candidates, by the candidates' ids: no address names a path.

    Args:
      folder: of the run.
      doors: who may come in.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    desk, statics = Desk(folder), _statics()
    panel = Panel(desk)

    @app.exception_handler(RewardSynthError)
    def refused(_: Request, error: RewardSynthError) -> Response:
        return JSONResponse({"error": str(error)}, 422, _NEVER)

    @app.exception_handler(RequestValidationError)
    def unfit(_: Request, error: RequestValidationError) -> Response:
        faults = (f"{'.'.join(map(str, e['loc'][1:]))}: {e['msg']}" for e in error.errors())
        return JSONResponse({"error": f"this is no answer: {'; '.join(faults)}."}, 422, _NEVER)

    @app.exception_handler(sqlite3.OperationalError)
    def busy(_: Request, error: sqlite3.OperationalError) -> Response:
        return JSONResponse({"error": f"run.db cannot be used just now: {error}."}, 503, _NEVER)

    @app.get("/")
    def page() -> Response:
        return HTMLResponse(panel.page(), headers=_NEVER)

    @app.get("/static/{name}")
    def static(name: str) -> Response:
        if name not in statics:
            return _absent(f"there is no {name}.")
        kind = _TYPES[Path(name).suffix]
        return Response(statics[name], media_type=kind, headers={"Cache-Control": "no-cache"})

    @app.get("/clip/{candidate}")
    def clip(candidate: str, v: str = "") -> Response:
        exhibit = desk.exhibit(candidate)
        if exhibit is None or exhibit.fault:
            return _absent(exhibit.fault if exhibit else f"there is no {candidate}.")
        fresh = v == exhibit.clip.digest
        headers = _FOREVER if fresh else _NEVER
        return FileResponse(exhibit.path, media_type="video/mp4", headers=headers)

    @app.get("/turn")
    def turn(who: str) -> Response:
        return _json({"turn": turn_json(desk, named(who))})

    @app.get("/ahead")
    def ahead(who: str) -> Response:
        name = named(who)
        asked, futures = desk.ahead(name)
        then = {answer: asked_json(desk, name, future) for answer, future in futures.items()}
        return _json({"asked": asked_json(desk, name, asked), "then": then})

    @app.post("/say")
    def say(said: Annotation) -> Response:
        return _json({"new": desk.take(said), "turn": turn_json(desk, said.who)})

    @app.get("/run")
    def run(request: Request) -> Response:
        return _html(request, panel.run())

    @app.get("/people")
    def people(request: Request, who: str) -> Response:
        return _html(request, panel.people(named(who)))

    @app.get("/candidate/{id}")
    def candidate(request: Request, id: str) -> Response:
        text = panel.candidate(id)
        return _absent(f"there is no {id}.") if text is None else _html(request, text)

    return Guard(app, doors)


def _statics() -> dict[str, bytes]:
    files = [*(_HERE / "static").iterdir(), _HERE.parent / "report" / "report.css"]
    return {path.name: path.read_bytes() for path in files if path.suffix in _TYPES}


def _html(request: Request, text: str) -> Response:
    """Return a part of the page, or that it is as it was."""
    tag = f'"{hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(text.encode("utf-8", "replace"), media_type="text/html", headers=headers)


def _json(value: Any) -> Response:  # noqa: ANN401 (any JSON value)
    return JSONResponse(value, headers=_NEVER)


def _absent(reason: str) -> Response:
    return JSONResponse({"error": reason}, 404, _NEVER)
