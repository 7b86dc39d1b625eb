"""The peer on gevent: a greenlet for each connection. Prints its port, then serves."""

from gevent.server import StreamServer


def echo(connection, _address):
    with connection, connection.makefile(mode="rb") as rfile:
        for line in rfile:
            connection.sendall(line)


if __name__ == "__main__":
    server = StreamServer(("127.0.0.1", 0), echo)
    server.init_socket()
    print(server.server_port, flush=True)
    server.serve_forever()
