"""A chat server on this machine that misbehaves on demand."""

import asyncio
import json
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from reward_synth.propose.llm import retry
from reward_synth.propose.llm.openai import OpenAIModel
from reward_synth.propose.llm.records import Message, Request
from reward_synth.propose.llm.settings import ModelSettings

KEY = "sk-secret-of-the-tests"


@dataclass
class ChatServer:
    """Plays the replies in order, the last one for ever; a reply is a function of the handler."""

    url: str = ""
    replies: list[Callable] = field(default_factory=list)
    models: list[str] | None = field(default_factory=lambda: ["model-a", "model-b"])
    bodies: list[dict] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)
    in_flight: int = 0
    most_in_flight: int = 0

    def plays(self, *replies):
        self.replies = list(replies)

    def handle(self, handler):
        length = int(handler.headers.get("content-length", 0))
        body = json.loads(handler.rfile.read(length))
        with self.lock:
            reply = self.replies[min(len(self.bodies), len(self.replies) - 1)]
            self.bodies.append(body)
            self.keys.append(handler.headers.get("authorization", ""))
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            reply(handler, body)
        finally:
            with self.lock:
                self.in_flight -= 1

    # The replies.

    def answers(self, text=None, *, finish="stop", usage=(10, 5), model="model-a", pause=0.0):
        """An answer; without a text, the echo of the last message."""

        def reply(handler, body):
            self.released.wait(pause)
            content = body["messages"][-1]["content"] if text is None else text
            message = {"role": "assistant", "content": content}
            choice = {"index": 0, "message": message, "finish_reason": finish}
            data = {"id": "1", "object": "chat.completion", "created": 0, "model": model}
            data["choices"] = [choice]
            if usage is not None:
                tokens = {"prompt_tokens": usage[0], "completion_tokens": usage[1]}
                data["usage"] = {**tokens, "total_tokens": sum(usage)}
            send(handler, 200, json.dumps(data))

        return reply

    def fails(self, status, message="", headers=(), **error):
        """An error in OpenAI's form."""
        body = json.dumps({"error": {"message": message, **error}})
        return lambda handler, _: send(handler, status, body, headers)

    def says(self, body, kind="application/json", status=200):
        """Any body."""
        return lambda handler, _: send(handler, status, body, [("Content-Type", kind)])

    def hangs(self):
        """No answer at all until the test ends."""
        return lambda handler, _: self.released.wait(30)

    def trickles(self):
        """A byte now and then, so that no single read ever times out."""

        def reply(handler, _):
            handler.send_response(200)
            handler.send_header("Content-Type", "application/json")
            handler.send_header("Content-Length", "100000")
            handler.end_headers()
            while not self.released.wait(0.05):
                handler.wfile.write(b" ")
                handler.wfile.flush()

        return reply

    def drops(self):
        """Half an answer, then a closed connection."""

        def reply(handler, _):
            handler.send_response(200)
            handler.send_header("Content-Type", "application/json")
            handler.send_header("Content-Length", "1000")
            handler.end_headers()
            handler.wfile.write(b'{"choices": [')
            handler.close_connection = True

        return reply


def send(handler, status, body, headers=()):
    data = body.encode()
    handler.send_response(status)
    for name, value in headers:
        handler.send_header(name, value)
    if not any(name == "Content-Type" for name, _ in headers):
        handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data)


@pytest.fixture
def server():
    chat = ChatServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            try:
                chat.handle(self)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True  # the client has had enough

        def do_GET(self):
            if chat.models is None:
                send(self, 404, "no such page", [("Content-Type", "text/plain")])
            else:
                data = [{"id": name, "object": "model"} for name in chat.models]
                send(self, 200, json.dumps({"object": "list", "data": data}))

        def log_message(self, *_):
            pass

        def handle(self):
            with suppress(ConnectionResetError):  # a client that was killed between two requests
                super().handle()

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    httpd.block_on_close = False
    chat.url = f"http://127.0.0.1:{httpd.server_port}/v1"
    chat.plays(chat.answers())
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield chat
    chat.released.set()
    httpd.shutdown()
    thread.join()
    httpd.server_close()


@pytest.fixture(autouse=True)
def quick_and_direct(monkeypatch):
    """Retries without long pauses, and no proxy between the tests and their server."""
    monkeypatch.setattr(retry, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
def model(server):
    """Builds a model that asks the server; keyword arguments are settings."""

    def build(*, api_key=KEY, before_request=None, **settings):
        values = {"model": "model-a", "base_url": server.url, "timeout_s": 5.0, **settings}
        return OpenAIModel(ModelSettings(**values), api_key, before_request)

    return build


@pytest.fixture
def requests():
    """Builds n requests whose answers tell them apart."""

    def build(n):
        return [Request((Message("user", f"question {i}"),), sample=i) for i in range(n)]

    return build


@pytest.fixture
def ask(requests):
    """Asks n questions; returns the answers and those that were delivered on the way."""

    def run(model, n=1):
        delivered = {}
        answers = asyncio.run(model.complete(requests(n), delivered.__setitem__))
        assert delivered == dict(enumerate(answers))
        return answers

    return run
