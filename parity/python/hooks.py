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


class Told(RuntimeError):
    """What a hook raises that was told to fail."""


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
        if "max_children" in behaviour:
            self.max_children = int(behaviour["max_children"])
        super().__init__(address, handler)

    def number(self, request):
        if isinstance(request, Packet):
            return request.number
        return self.numbers[request]

    def may_fail(self, hook):
        if self.behaviour.get(hook) in ("fail", "panic"):
            raise Told(hook)

    def server_bind(self):
        trace(None, "server_bind")
        super().server_bind()

    def server_activate(self):
        trace(None, "server_activate")
        self.may_fail("server_activate")
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
        if "get_request" in self.behaviour:
            if self.socket_type == socket.SOCK_STREAM:
                request.close()
            trace(self.last, "~closed")
            self.may_fail("get_request")
            raise ConnectionAbortedError("told to")
        return request, client_address

    def verify_request(self, request, client_address):
        trace(self.number(request), "verify_request")
        self.may_fail("verify_request")
        if self.behaviour.get("verify_request") == "false":
            return False
        return super().verify_request(request, client_address)

    def process_request(self, request, client_address):
        trace(self.number(request), "process_request")
        self.may_fail("process_request")
        super().process_request(request, client_address)

    def finish_request(self, request, client_address):
        trace(self.number(request), "finish_request")
        self.may_fail("finish_request")
        super().finish_request(request, client_address)

    def shutdown_request(self, request):
        trace(self.number(request), "shutdown_request")
        super().shutdown_request(request)
        self.may_fail("shutdown_request")

    def close_request(self, request):
        number = self.number(request)
        trace(number, "close_request")
        super().close_request(request)
        trace(number, "~closed")
        self.may_fail("close_request")

    def handle_error(self, request, client_address):
        trace(self.number(request), "handle_error:" + kind(sys.exc_info()[1]))
        self.may_fail("handle_error")
        if self.behaviour.get("handle_error") == "reply":
            if self.socket_type == socket.SOCK_DGRAM:
                request[1].sendto(b"sorry\n", client_address)
            else:
                request.sendall(b"sorry\n")

    def handle_timeout(self):
        trace(None, "handle_timeout")
        self.may_fail("handle_timeout")
        super().handle_timeout()

    def service_actions(self):
        self.passes += 1
        if self.passes <= PASSES_TRACED:
            trace(None, "~pass")
        super().service_actions()
        self.may_fail("service_actions")


class Socket:
    """Tells when the socket is closed, which a mix-in's `server_close` does before it waits."""

    def server_close(self):
        super().server_close()
        trace(None, "~unbound")


def server_class(transport, mixin):
    return type("Server", (Traced, *MIXINS[mixin], Socket, TRANSPORTS[transport]), {})


def server_address(transport, behaviour):
    """Where to bind, and who is bound there already.

    The working folder is the scenario's own, so a bare file name is enough.
    """
    address = ("127.0.0.1", 0) if transport in ("tcp", "udp") else "server"
    what = behaviour.get("address")
    if what is None:
        return address, None
    base = TRANSPORTS[transport]
    squatter = socket.socket(base.address_family, base.socket_type)
    squatter.bind(address)
    address = squatter.getsockname()
    if what == "stale":
        squatter.close()
    elif base.socket_type == socket.SOCK_STREAM:
        squatter.listen()
    return address, squatter
