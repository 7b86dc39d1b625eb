"""The server classes under test, with every hook that a subclass may override traced."""

import socket
import socketserver
import sys
import weakref

from tracing import kind, trace

TRANSPORTS = {
    "tcp": socketserver.TCPServer,
    "udp": socketserver.UDPServer,
    "unix": socketserver.UnixStreamServer,
    "unixgram": socketserver.UnixDatagramServer,
}
MIXINS = {
    "synchronous": (),
    "threading": (socketserver.ThreadingMixIn,),
    "forking": (socketserver.ForkingMixIn,),
}
# How often `service_actions` is traced after each command: a loop that spins must not flood.
PASSES_TRACED = 8


class Packet(tuple):
    """A datagram request that, unlike a plain tuple, can be given a number."""


class Traced:
    """Traces each hook and then does what the behaviour says or what the base class does."""

    def __init__(self, address, handler, behaviour):
        self.behaviour = behaviour
        self.passes = 0
        self.numbers = weakref.WeakKeyDictionary()
        self.last = 0
        if "timeout" in behaviour:
            self.timeout = float(behaviour["timeout"])
        super().__init__(address, handler)

    def number(self, request):
        if isinstance(request, Packet):
            return request.number
        return self.numbers[request]

    def server_bind(self):
        trace(None, "server_bind")
        super().server_bind()

    def server_activate(self):
        trace(None, "server_activate")
        super().server_activate()

    def server_close(self):
        trace(None, "server_close")
        super().server_close()

    def get_request(self):
        request, client_address = super().get_request()
        self.last += 1
        if self.socket_type == socket.SOCK_DGRAM:
            request = Packet(request)
            request.number = self.last
        else:
            self.numbers[request] = self.last
        trace(self.last, "get_request")
        if self.behaviour.get("get_request") == "abort":
            if self.socket_type == socket.SOCK_STREAM:
                request.close()
            trace(self.last, "~closed")
            raise ConnectionAbortedError("told to")
        return request, client_address

    def verify_request(self, request, client_address):
        trace(self.number(request), "verify_request")
        what = self.behaviour.get("verify")
        if what == "panic":
            raise RuntimeError("told to")
        if what == "false":
            return False
        return super().verify_request(request, client_address)

    def process_request(self, request, client_address):
        trace(self.number(request), "process_request")
        super().process_request(request, client_address)

    def finish_request(self, request, client_address):
        trace(self.number(request), "finish_request")
        super().finish_request(request, client_address)

    def shutdown_request(self, request):
        trace(self.number(request), "shutdown_request")
        super().shutdown_request(request)

    def close_request(self, request):
        number = self.number(request)
        trace(number, "close_request")
        super().close_request(request)
        trace(number, "~closed")

    def handle_error(self, request, client_address):
        trace(self.number(request), "handle_error:" + kind(sys.exc_info()[1]))
        what = self.behaviour.get("handle_error")
        if what == "panic":
            raise RuntimeError("told to")
        if what == "reply":
            if self.socket_type == socket.SOCK_DGRAM:
                request[1].sendto(b"sorry\n", client_address)
            else:
                request.sendall(b"sorry\n")

    def handle_timeout(self):
        trace(None, "handle_timeout")
        super().handle_timeout()

    def service_actions(self):
        self.passes += 1
        if self.passes <= PASSES_TRACED:
            trace(None, "~pass")
        super().service_actions()
        if self.behaviour.get("service_actions") == "panic":
            raise RuntimeError("told to")


class Socket:
    """Tells when the socket is closed, which a mix-in's `server_close` does before it waits."""

    def server_close(self):
        super().server_close()
        trace(None, "~unbound")


def server_class(transport, mixin):
    return type("Server", (Traced, *MIXINS[mixin], Socket, TRANSPORTS[transport]), {})


def server_address(transport):
    """Where to bind: the working folder is the scenario's own, so a bare file name is enough."""
    return ("127.0.0.1", 0) if transport in ("tcp", "udp") else "server"
