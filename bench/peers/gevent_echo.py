"""The peer on gevent: a greenlet for each connection. Prints its port, then serves."""

import os
import socket

from gevent.server import StreamServer

NO_DELAY = "BENCH_NO_DELAY" in os.environ


def echo(connection, _address):
    if NO_DELAY:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with connection, connection.makefile(mode="rb") as rfile:
        for line in rfile:
            connection.sendall(line)


if __name__ == "__main__":
    server = StreamServer(("127.0.0.1", 0), echo)
    server.init_socket()
    print(server.server_port, flush=True)
    server.serve_forever()
