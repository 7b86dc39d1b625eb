"""Handlers that carry out lists of small operations, such as `read_line,gate,write`."""

import os
import socket
import socketserver

from tracing import trace


class Scripted:
    """`setup`, `handle` and `finish` do what the behaviour says; `default` is the base class's."""

    data = b""

    def setup(self):
        self.run("setup", "default", super().setup)

    def handle(self):
        self.run("handle", "read_line,write", super().handle)

    def finish(self):
        self.run("finish", "default", super().finish)

    def run(self, hook, usual, default):
        number = self.server.number(self.request)
        trace(number, hook)
        for operation in self.server.behaviour.get(hook, usual).split(","):
            if operation == "default":
                default()
            elif operation.startswith("fill:"):
                self.wfile.write(b"x" * int(operation.partition(":")[2]))
            else:
                getattr(self, "do_" + operation)(number)

    def do_read_line(self, number):
        self.data = self.rfile.readline()
        trace(number, f"read:{len(self.data)}")

    def do_read_all(self, number):
        self.data = self.rfile.read()
        trace(number, f"read:{len(self.data)}")

    def do_recv(self, number):
        stream = isinstance(self.request, socket.socket)
        self.data = self.request.recv(65536) if stream else self.request[0]
        trace(number, f"read:{len(self.data)}")

    def do_send(self, number):
        if isinstance(self.request, socket.socket):
            self.request.sendall(self.data)
        else:
            self.request[1].sendto(self.data, self.client_address)

    def do_peer(self, number):
        address = self.client_address
        if isinstance(address, tuple):
            trace(number, f"peer:{address[0]}")
        else:
            trace(number, f"peer:{os.path.basename(address) if address else 'none'}")

    def do_write(self, number):
        self.wfile.write(self.data)

    def do_partial(self, number):
        self.wfile.write(b"partial")

    def do_gate(self, number):
        """Waits until the driver lets this handler go on."""
        with socket.socket(socket.AF_UNIX) as gate:
            gate.connect("gate")
            trace(number, "~gate")
            gate.recv(1)

    def do_fail(self, number):
        raise RuntimeError("told to")

    do_panic = do_fail

    def do_exit(self, number):
        raise SystemExit(7)

    def do_shutdown(self, number):
        trace(number, "shutdown")
        self.server.shutdown()
        trace(number, "shutdown.returned")


class Stream(Scripted, socketserver.StreamRequestHandler):
    pass


class Datagram(Scripted, socketserver.DatagramRequestHandler):
    pass


class Raw(Scripted, socketserver.BaseRequestHandler):
    pass


def handler_class(transport, behaviour):
    base = Stream if transport in ("tcp", "unix") else Datagram
    if behaviour.get("handler") == "raw":
        base = Raw
    members = {}
    if "wbufsize" in behaviour:
        members["wbufsize"] = int(behaviour["wbufsize"])
    if "handler_timeout" in behaviour:
        members["timeout"] = float(behaviour["handler_timeout"])
    return type("Handler", (base,), members)
