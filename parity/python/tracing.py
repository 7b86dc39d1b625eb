"""Trace lines on standard output, one write each, so that threads and children never mix them.

A line is `<where> <request> <event>`: where the call ran (`loop`, for the thread that runs the
loop; `main`; the name of a command, for the thread that carries it out; `worker`, for any other
thread; `child`, for another process), the number of the request that it was for (`-` for none),
and what was called. Events that start with `~` are for the driver to wait for; they are no part of
the comparison.
"""

import errno
import os
import socket
import threading

_main_process = None
_places = threading.local()


def start():
    """Says that this process is the server, and no forked child."""
    global _main_process
    _main_process = os.getpid()


def this_thread_is(place):
    """Names the calling thread; one without a name is a `worker`."""
    _places.name = place


def trace(request, event):
    os.write(1, f"{_where()} {request or '-'} {event}\n".encode())


def _where():
    if os.getpid() != _main_process:
        return "child"
    return getattr(_places, "name", "worker")


def kind(error):
    """What sort of error this is, in words that both sides of the comparison have."""
    if isinstance(error, (TimeoutError, socket.timeout)):
        return "timed_out"
    if isinstance(error, (ConnectionResetError, ConnectionAbortedError, BrokenPipeError)):
        return "disconnected"
    if isinstance(error, OSError):
        return errno.errorcode.get(error.errno, "os")
    return "fault"
