//! What there is to say besides the options: for `--help` and for the manual page.

/// One section.
pub(super) struct Section {
    pub(super) title: &'static str,
    pub(super) parts: &'static [Part],
}

pub(super) enum Part {
    Text(&'static str),
    /// Something, and what it means.
    Term(&'static str, &'static str),
    /// A command line.
    Example(&'static str),
}

use Part::{Example, Term, Text};

pub(super) const SECTIONS: &[Section] = &[
    Section {
        title: "ENDPOINTS",
        parts: &[
            Term(
                "tcp://HOST:PORT",
                "Connections over IPv4 or IPv6. HOST is an address or a name; an IPv6 address \
                 stands in brackets. [::] is all addresses of this host, of IPv6 and of IPv4. Port \
                 0 is one of the system's choice, which the line on standard error tells.",
            ),
            Term(
                "tcp4://HOST:PORT, tcp6://HOST:PORT",
                "The same over IPv4 alone, over IPv6 alone.",
            ),
            Term(
                "udp://HOST:PORT, udp4://HOST:PORT, udp6://HOST:PORT",
                "Datagrams, each of which is a request of its own.",
            ),
            Term(
                "unix:PATH, unixgram:PATH",
                "Connections or datagrams over a Unix socket at PATH. A socket that is there \
                 already is replaced if nobody answers it, and the path is removed at the end. \
                 Write %3F for a ?, %25 for a %, and so on.",
            ),
            Term("unix:@NAME, unixgram:@NAME", "The same under an abstract name of Linux."),
            Term(
                "fd:NUMBER",
                "A socket that this command was started with under that descriptor, bound and, \
                 for connections, listening or not. What kind it is is found out.",
            ),
            Text("After a ? follow options, with an & between them:"),
            Term("backlog=NUMBER", "As --backlog, for this endpoint. For connections."),
            Term(
                "reuseport",
                "Let other servers bind to the same address (SO_REUSEPORT). For tcp and udp.",
            ),
            Term(
                "mode=OCTAL, owner=UID, owner=UID:GID, owner=:GID",
                "The permissions and the owner of the path. For unix and unixgram.",
            ),
        ],
    },
    Section {
        title: "PROTOCOLS",
        parts: &[
            Term("echo", "RFC 862. What comes is sent back. Also to datagrams."),
            Term("discard", "RFC 863. What comes is dropped. Also datagrams."),
            Term(
                "chargen",
                "RFC 864. Lines of characters, until the client closes. A datagram is answered by \
                 up to 512 characters, as many as the RFC allows and a random number; so a small \
                 one with a forged sender makes this host send a larger one to somebody else.",
            ),
            Term(
                "daytime",
                "RFC 867. The day and the time in UTC, as a line. Also to each datagram.",
            ),
            Term(
                "time",
                "RFC 868. The seconds since 1900, as four bytes. Also to each datagram. They begin \
                 anew in 2036, as those of the RFC do.",
            ),
            Text(
                "A datagram over UDP that says that it comes from port 0, 7, 13, 17, 19 or 37, or \
                 from the endpoint's own, is refused, and one that was sent to a multicast or \
                 broadcast address is not answered: so nobody can make two such services talk to \
                 each other without end.",
            ),
        ],
    },
    Section {
        title: "MIX-INS",
        parts: &[
            Term(
                "synchronous",
                "The thread that takes connections serves them, one after the other. A client that \
                 is silent stops its endpoint for all others.",
            ),
            Term("threading", "A thread for each connection, which is used again for others."),
            Term(
                "forking",
                "A process for each connection. What goes wrong in one is that one's alone.",
            ),
            Term(
                "coroutine",
                "A coroutine for each connection: a stack of its own, which takes turns with others \
                 on a few threads, --workers. For many connections at a time that are mostly idle, \
                 each of which takes some 5 KB of memory here. A program is a process all the \
                 same, which costs the most by far; what is saved is the thread that waits for \
                 its end. io_uring is refused in many containers; --backend auto takes epoll then, \
                 and --backend io_uring is an error.",
            ),
        ],
    },
    Section {
        title: "PROGRAMS",
        parts: &[
            Text(
                "A program is looked for in PATH when the command starts. It runs in a process \
                 group of its own, with the connection as its standard input and output, and with \
                 the standard error of this command. When it ends, the client sees the end of the \
                 connection, even if something that it has started still holds it open. A program \
                 that ends with another status than 0, or by a signal other than SIGPIPE, is \
                 logged as failed.",
            ),
            Text(
                "Of a datagram endpoint, the program runs for each datagram, which is its standard \
                 input. What it has written to its standard output when it ends, up to 64 KiB, is \
                 the reply; there is none if it wrote nothing or failed.",
            ),
            Text("It finds in its environment what ucspi programs expect:"),
            Term("PROTO", "TCP, TCP6, UDP, UDP6 or IPC: how the other variables begin."),
            Term(
                "TCPREMOTEIP, TCPREMOTEPORT, TCPLOCALIP, TCPLOCALPORT",
                "The addresses and ports of the client and of this end. Over IPv6 they are there \
                 also as TCP6REMOTEIP and so on, and PROTO is TCP6; a client that came over IPv4 \
                 to an IPv6 socket is shown as what it is. Of datagrams, UDP stands for TCP.",
            ),
            Term(
                "IPCREMOTEEUID, IPCREMOTEEGID, IPCREMOTEPID",
                "Who has connected to a Unix socket, in the kernel's word. Not of datagrams.",
            ),
            Term(
                "IPCREMOTEPATH, IPCLOCALPATH",
                "The paths of both ends of a Unix socket; that of the client is empty if it has \
                 none, as is usual. An abstract name begins with an @.",
            ),
        ],
    },
    Section {
        title: "LOG LINES",
        parts: &[
            Text(
                "When all endpoints are being served, there is one line for each on standard \
                 error: listening on tcp://127.0.0.1:40123. The others begin with the time in UTC: \
                 a client whose service failed, trouble with taking clients, and what happens at \
                 the end; with --verbose, also the beginning and the end of each connection. What \
                 is wrong with the command itself is told in one line that begins with its name.",
            ),
            Text(
                "With --log json each line is an object with the fields time (RFC 3339, in UTC), \
                 level (debug, info, warning or error) and event. Times in other fields are in \
                 milliseconds. These names do not change; others may be added. The events, and \
                 their fields:",
            ),
            Term("listening", "endpoint"),
            Term("started", "endpoint, client. Only with --verbose."),
            Term(
                "finished",
                "endpoint, client, elapsed_ms, outcome (complete, disconnected, timed_out or cut). \
                 Only with --verbose.",
            ),
            Term(
                "failed",
                "endpoint, client, error, and elapsed_ms if it had been started. With --verbose, \
                 a started goes before it.",
            ),
            Term("refused", "endpoint, client. Only with --verbose."),
            Term(
                "accept_error",
                "endpoint, error, action (continue, shed, pause or stop), pause_ms if it pauses, \
                 untold: how many such errors there were since the last line of it.",
            ),
            Term("hook_panicked", "endpoint, hook. A defect of this command."),
            Term("draining", "open: how many connections; deadline_ms"),
            Term("cut", "endpoint, client, elapsed_ms"),
            Term("drained", "finished, cut, unfinished: how many; elapsed_ms"),
            Term("fatal", "error, code: the exit status"),
        ],
    },
    Section {
        title: "SIGNALS",
        parts: &[Term(
            "SIGTERM, SIGINT",
            "The first closes the endpoints, and connections get as long as --drain says to \
                 end. The second, or the end of that time, cuts them: they are closed, and \
                 programs get SIGTERM, with all of their process group, and half a second later \
                 SIGKILL. The third kills this command alone.",
        )],
    },
    Section {
        title: "EXIT STATUS",
        parts: &[
            Term("0", "It was told to stop, and all connections had come to their ends."),
            Term("1", "It was told to stop, and connections were cut."),
            Term("2", "The command line is wrong."),
            Term(
                "100",
                "It cannot serve, and trying again would not help: there is no such program, the \
                 port is for root alone, a path cannot be bound to, a descriptor is no socket.",
            ),
            Term(
                "111",
                "It cannot serve, or not any longer, and trying again may help: a port is taken, a \
                 name cannot be resolved, the system is short of something.",
            ),
        ],
    },
    Section {
        title: "EXAMPLES",
        parts: &[
            Example("socketserver tcp://127.0.0.1:9999 --echo"),
            Example("socketserver 'tcp://[::]:7000' --mixin threading --max 200 -- /bin/cat"),
            Example("socketserver tcp://127.0.0.1:9999 --mixin coroutine --workers 2 --echo"),
            Example("socketserver udp://127.0.0.1:9999 --protocol daytime"),
            Example(
                "socketserver 'unix:/run/app.sock?mode=660' --mixin forking -- ./handler --flag",
            ),
        ],
    },
];
