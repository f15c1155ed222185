"""Webhooks: deliveries over HTTP, verified by the code in docs/webhooks.md."""

import json
import queue
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import grpc
import pytest
import task_scheduler_pb2 as pb
from refusals import refused
from running import TIMEOUT, eventually

PAGE = Path(__file__).resolve().parents[2] / "docs" / "webhooks.md"


def code_of_the_page():
    """The code for a receiver in Python that the page shows."""
    [code] = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    names = {}
    exec(code, names)
    return names["is_genuine"]


is_genuine = code_of_the_page()


class Receiver:
    """Keeps every delivery; answers with these statuses, then with 200."""

    def __init__(self, *statuses):
        self.requests = queue.Queue()
        statuses = iter(statuses)

        class Handler(BaseHTTPRequestHandler):
            def do_POST(handler):
                body = handler.rfile.read(int(handler.headers["content-length"]))
                self.requests.put((handler.headers, body))
                handler.send_response(next(statuses, 200))
                handler.send_header("retry-after", "0")
                handler.send_header("content-length", "0")
                handler.end_headers()

            def log_message(handler, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self.url = f"http://127.0.0.1:{self._server.server_port}/events"

    def next(self):
        """Headers and body of the next request."""
        return self.requests.get(timeout=TIMEOUT)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def put(client, new_id):
    """Puts webhooks, and deletes them at the end."""
    names = []

    def put(**fields):
        webhook = pb.Webhook(name=new_id(), **fields)
        answer = client.PutWebhook(pb.PutWebhookRequest(webhook=webhook), timeout=TIMEOUT)
        names.append(webhook.name)
        return answer

    yield put
    for name in names:
        client.DeleteWebhook(pb.DeleteWebhookRequest(name=name), timeout=TIMEOUT)


def test_deliveries_are_signed(client, new_id, put):
    with Receiver() as receiver:
        task_id = new_id()
        answer = put(url=receiver.url, filter={"names": ["task.completed"], "task_id": task_id})
        assert answer.secret.startswith("whsec_")
        client.submit("ping", task_id=task_id)
        headers, body = receiver.next()
        assert is_genuine(answer.secret, headers, body)
        assert not is_genuine(answer.secret, headers, body + b" ")
        assert not is_genuine("another secret of mine", headers, body)
        assert not is_genuine(answer.secret, {}, body)
        event = json.loads(body)
        assert list(event) == ["id", "event", "category", "at", "payload"]
        assert (event["id"], event["event"]) == (headers["webhook-id"], "task.completed")
        assert event["payload"]["task_id"] == task_id


def test_a_refused_delivery_is_retried(client, new_id, put):
    with Receiver(503, 429) as receiver:
        task_id = new_id()
        secret = "a secret of my own"
        filter = {"names": ["task.comp*"], "categories": ["task"], "task_id": task_id}
        answer = put(url=receiver.url, secret=secret, filter=filter)
        assert answer.secret == ""
        name = answer.webhook.webhook.name
        client.submit("ping", task_id=task_id)
        tries = [receiver.next() for _ in range(3)]
        assert all(is_genuine(secret, headers, body) for headers, body in tries)
        assert len({(headers["webhook-id"], body) for headers, body in tries}) == 1
        get = pb.GetWebhookRequest(name=name)
        status = eventually(
            lambda: client.GetWebhook(get, timeout=TIMEOUT).webhook, lambda it: it.delivered == 1
        )
        assert (status.abandoned, status.unfinished, status.queue) == (0, 0, f"webhook.{name}")
        assert "503" in status.last_error or "429" in status.last_error


def test_only_the_first_answer_has_the_secret(client, put):
    answer = put(url="http://127.0.0.1:9/", filter={"names": ["custom.*"]})
    name = answer.webhook.webhook.name
    assert answer.webhook.webhook.secret == ""
    got = client.GetWebhook(pb.GetWebhookRequest(name=name), timeout=TIMEOUT)
    listed = client.ListWebhooks(pb.ListWebhooksRequest(), timeout=TIMEOUT)
    again = client.PutWebhook(pb.PutWebhookRequest(webhook=got.webhook.webhook), timeout=TIMEOUT)
    assert got.webhook in listed.webhooks
    assert answer.secret not in f"{got} {listed} {again}"
    assert again.secret == ""


def test_a_refusal_names_the_invalid_field_of_a_webhook(put):
    with refused(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT") as refusal:
        put(url="ftp://127.0.0.1/")
    assert refusal.fields == ["webhook.url"]
