"""The peers from CPython: the standard library's own servers, and how long their shutdown takes.

    cpython.py serve tcp|threading|forking|udp  prints the port, then serves until it is killed
    cpython.py shutdown tcp|threading ROUNDS    prints how long each shutdown() took, in nanoseconds
"""

import os
import socket
import socketserver
import sys
import threading
import time


class Echo(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = "BENCH_NO_DELAY" in os.environ

    def handle(self):
        for line in self.rfile:
            self.wfile.write(line)


class DatagramEcho(socketserver.DatagramRequestHandler):
    def handle(self):
        self.wfile.write(self.rfile.read())


class TCPServer(socketserver.TCPServer):
    # The default of 5 makes bursts of clients wait for a SYN to be sent again. Every server here
    # has room for 128.
    request_queue_size = 128


class ThreadingTCPServer(socketserver.ThreadingMixIn, TCPServer):
    pass


class ForkingTCPServer(socketserver.ForkingMixIn, TCPServer):
    pass


SERVERS = {
    "tcp": TCPServer,
    "threading": ThreadingTCPServer,
    "forking": ForkingTCPServer,
    "udp": socketserver.UDPServer,
}


def serve(server_class):
    handler = DatagramEcho if server_class is socketserver.UDPServer else Echo
    with server_class(("127.0.0.1", 0), handler) as server:
        print(server.server_address[1], flush=True)
        server.serve_forever()


def shutdown(server_class, rounds):
    for number in range(rounds):
        with server_class(("127.0.0.1", 0), Echo) as server:
            loop = threading.Thread(target=server.serve_forever)
            loop.start()
            with socket.create_connection(server.server_address, timeout=10) as client:
                client.sendall(b"serving\n")
                if client.recv(64) != b"serving\n":
                    raise SystemExit("wrong reply")
            # The same pauses as on the other side: spread over half a second, because a loop that
            # looks for the end twice a second answers soon or late by chance.
            time.sleep((10 + number * 97 % 500) / 1000)
            begin = time.perf_counter_ns()
            server.shutdown()
            print(time.perf_counter_ns() - begin, flush=True)
            loop.join()


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(SERVERS[sys.argv[2]])
    else:
        shutdown(SERVERS[sys.argv[2]], int(sys.argv[3]))
