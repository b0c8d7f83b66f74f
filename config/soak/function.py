"""A Lambda function behind a queue: what AWS does around it, as far as the function can tell."""

import json
import runpy
import socket
import sys
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

HANDLER = "config.lambda_function.handler"
_ARN = "arn:aws:lambda:us-east-1:000000000000:function:catch-up"

_PAUSE_SECONDS = 0.1

type Answer = tuple[str, Any]
"""`response` with what the function returned, `error` with what it says of one, or `lost` when its process was."""


class Environment:
    """
    The Runtime API for one process of a function, which is run here as AWS runs it: one invocation at a time.

    A process that asks for work while an invocation is open has taken the place of one that died over it.
    """

    def __init__(self, *, timeout_seconds: float) -> None:
        self._timeout_seconds = timeout_seconds
        self._changed = threading.Condition()
        self._asking = 0
        self._offered: tuple[str, bytes] | None = None
        self._open: str | None = None
        self._answer: Answer | None = None

    def invoke(self, event: Any, *, patience_seconds: float) -> Answer | None:
        """This will run the function on an event; None when nothing came of it in time."""
        request_id = str(uuid.uuid4())
        with self._changed:
            self._offered, self._answer, self._open = (request_id, json.dumps(event).encode()), None, None
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._answer is not None, patience_seconds)
            self._offered = self._open = None
            return self._answer

    def serve(self, listening: socket.socket) -> ThreadingHTTPServer:
        """This will answer the function on a listening socket, in threads, until the server returned is shut down."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler(), bind_and_activate=False)
        server.socket.close()
        server.socket = listening
        server.server_address = listening.getsockname()
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    def _next(self) -> tuple[str, bytes] | None:
        """Waits for an invocation; None for a process whose place another has taken."""
        with self._changed:
            self._asking += 1
            turn = self._asking
            if self._open is not None:
                self._answer = ("lost", None)
            self._changed.notify_all()
            self._changed.wait_for(lambda: turn != self._asking or self._offered is not None)
            if turn != self._asking or self._offered is None:
                return None
            invocation, self._offered = self._offered, None
            self._open = invocation[0]
            return invocation

    def _take(self, request_id: str, answer: Answer) -> None:
        with self._changed:
            if request_id in (self._open, "init"):
                # Closed at once: the process may ask for more work before `invoke` has woken up.
                self._answer, self._open = answer, None
                self._changed.notify_all()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        environment = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = -1

            def do_GET(self) -> None:  # .../runtime/invocation/next waits until there is one
                invocation = environment._next()
                if invocation is None:
                    self.close_connection = True
                    return
                request_id, event = invocation
                deadline_ms = int((time.time() + environment._timeout_seconds) * 1000)
                self._send(
                    200,
                    event,
                    {
                        # The runtime's native client needs each of these; it crashes where one is missing.
                        "Content-Type": "application/json",
                        "Lambda-Runtime-Trace-Id": "Root=1-0-0",
                        "Lambda-Runtime-Aws-Request-Id": request_id,
                        "Lambda-Runtime-Deadline-Ms": str(deadline_ms),
                        "Lambda-Runtime-Invoked-Function-Arn": _ARN,
                    },
                )

            def do_POST(self) -> None:  # .../invocation/ID/response, .../invocation/ID/error, .../init/error
                body = self.rfile.read(int(self.headers["Content-Length"]))
                *_, request_id, what = self.path.split("/")
                environment._take(request_id, (what, json.loads(body)))
                self._send(202, b'{"status":"OK"}', {})

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the library's name
                """Says nothing."""

            def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

        return Handler


def environ_of(listening: socket.socket) -> dict[str, str]:
    """This will give the variables that AWS's runtime finds where it is to run our function."""
    host, port = listening.getsockname()
    return {
        "AWS_LAMBDA_RUNTIME_API": f"{host}:{port}",
        "AWS_LAMBDA_FUNCTION_NAME": "catch-up",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
        "AWS_LAMBDA_LOG_FORMAT": "JSON",
        "_HANDLER": HANDLER,
    }


def run_function() -> None:
    """This will be `python -m awslambdaric HANDLER` in this process."""
    sys.argv = ["awslambdaric", HANDLER]
    runpy.run_module("awslambdaric", run_name="__main__")


def map_queue(
    client: Any,
    *,
    queue_url: str,
    environments: list[tuple[Environment, socket.socket]],
    patience_seconds: float,
) -> None:
    """This will be an event source mapping with ReportBatchItemFailures, for ever: each process has one batch."""
    threads = []
    for environment, listening in environments:
        environment.serve(listening)

        def deliver(environment: Environment = environment) -> None:
            while True:
                try:
                    _deliver(client, queue_url, environment, patience_seconds)
                except (BotoCoreError, ClientError):
                    time.sleep(_PAUSE_SECONDS)

        threads.append(threading.Thread(target=deliver, daemon=True))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _deliver(client: Any, queue_url: str, environment: Environment, patience_seconds: float) -> None:
    received = client.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
    messages = {message["MessageId"]: message for message in received.get("Messages", ())}
    if not messages:
        return
    records = [
        {
            "messageId": name,
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "eventSource": "aws:sqs",
            "awsRegion": "us-east-1",
        }
        for name, message in messages.items()
    ]
    answer = environment.invoke({"Records": records}, patience_seconds=patience_seconds)
    if answer is None or answer[0] != "response":
        return
    for failure in answer[1]["batchItemFailures"]:
        messages.pop(failure["itemIdentifier"])
    if messages:
        entries = [{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(messages.values())]
        client.delete_message_batch(QueueUrl=queue_url, Entries=entries)
