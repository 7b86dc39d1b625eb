"""Forks a server for each line of standard input, with all modules loaded already.

A line is the folder to work in and the arguments of `serve.py`, parted by tabs. The server's
standard input and output are the Unix socket `wire` in that folder, its standard error the file
`stderr`.
"""

import os
import signal
import socket
import sys
import traceback

import serve


def main():
    # Children that have ended are nobody's business here.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    # Not the buffered reader: a child would have a copy of what is in it.
    with open(0, "rb", buffering=0) as requests:
        for line in requests:
            if os.fork() == 0:
                become_server(*line.decode().rstrip("\n").split("\t"))


def become_server(folder, *arguments):
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setpgid(0, 0)
        os.chdir(folder)
        with open("stderr", "wb", buffering=0) as errors:
            os.dup2(errors.fileno(), 2)
        with socket.socket(socket.AF_UNIX) as wire:
            wire.connect("wire")
            os.dup2(wire.fileno(), 0)
            os.dup2(wire.fileno(), 1)
        sys.stdin = open(0, closefd=False)
        serve.main(*arguments)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


main()
