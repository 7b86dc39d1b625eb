"""One traced server of Python's own `socketserver`, told over standard input what to do.

    serve.py <transport> <mixin> <behaviour>

`nursery.py` forks processes that do the same. The behaviour is a list of `key=value` words in one argument. Commands are lines: `handle_request`
and `serve` are queued for the loop's thread, `shutdown` and `close` run at once, each on a thread
of its own, and `exit` ends.
"""

import os
import queue
import socketserver
import sys
import threading

from handlers import handler_class
from hooks import TRANSPORTS, server_address, server_class
from tracing import kind, start, this_thread_is, trace

POLL_INTERVAL = 0.02


class Selector(socketserver._ServerSelector):
    """Tells that the loop is about to wait, and will not look for a shutdown before it has."""

    def select(self, timeout=None):
        trace(None, "~select")
        return super().select(timeout)


def main(transport, mixin, words):
    start()
    this_thread_is("main")
    behaviour = dict(word.split("=", 1) for word in words.split())
    make = server_class(transport, mixin)
    where, squatter = server_address(transport, behaviour)
    handler = handler_class(transport, behaviour)
    try:
        server = make(where, handler, behaviour)
    except Exception as error:
        trace(None, "constructor.raised:" + kind(error))
        server = None
    if server is not None:
        trace(None, f"~address {address(server)}")
    serve(server, behaviour, lambda: TRANSPORTS[transport](server.server_address, handler))


def serve(server, behaviour, rebind):
    jobs = queue.Queue()
    poll = behaviour.get("poll", POLL_INTERVAL)
    if behaviour.get("trace") == "select":
        socketserver._ServerSelector = Selector
    threading.Thread(
        target=loop, args=(server, None if poll == "none" else float(poll), jobs), daemon=True
    ).start()
    for command in sys.stdin:
        command = command.strip()
        if command in ("handle_request", "serve"):
            server.passes = 0
            jobs.put(command)
        elif command == "exit":
            trace(None, "~exit")
            os._exit(0)
        else:
            server.passes = 0
            call = {
                "shutdown": server.shutdown,
                "close": server.server_close,
                "rebind": rebind,
            }[command]
            threading.Thread(target=control, args=(command, call), daemon=True).start()
    os._exit(1)


def control(command, call):
    this_thread_is(command)
    trace(None, command)
    outcome = attempt(call)
    trace(None, command + outcome)


def loop(server, poll_interval, jobs):
    this_thread_is("loop")
    while True:
        if jobs.get() == "serve":
            trace(None, "serve_forever")
            outcome = attempt(server.serve_forever, poll_interval)
            trace(None, "serve_forever" + outcome)
        else:
            trace(None, "handle_request")
            outcome = attempt(server.handle_request)
            trace(None, "handle_request" + outcome)


def attempt(call, *arguments):
    try:
        call(*arguments)
    except BaseException as error:
        return ".raised:" + kind(error)
    return ".returned"


def address(server):
    if isinstance(server.server_address, tuple):
        return f"{server.server_address[0]}:{server.server_address[1]}"
    return server.server_address


if __name__ == "__main__":
    main(*sys.argv[1:])
