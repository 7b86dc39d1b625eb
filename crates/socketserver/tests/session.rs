//! Sessions: everything that one peer of a datagram server sends, in one handler.

#![allow(clippy::unwrap_used, reason = "what fails in a test shall fail the test")]

/// Makes each test one of a server with threads, and one of a server with coroutines.
macro_rules! on_each {
    ($($(#[doc = $doc:literal])* fn $name:ident() $body:block)+) => {
        mod threading {
            use socketserver::ThreadingUdpSessionServer as UdpSessionServer;
            #[allow(unused_imports, reason = "few tests are about it")]
            use socketserver::ThreadingUnixDatagramSessionServer as UnixDatagramSessionServer;

            use super::*;

            $($(#[doc = $doc])* #[test] fn $name() $body)+
        }

        mod coroutine {
            use socketserver::CoroutineUdpSessionServer as UdpSessionServer;
            #[allow(unused_imports, reason = "few tests are about it")]
            use socketserver::CoroutineUnixDatagramSessionServer as UnixDatagramSessionServer;

            use super::*;

            $($(#[doc = $doc])* #[test] fn $name() $body)+
        }
    };
}

pub(crate) use on_each;

#[path = "session/ending.rs"]
mod ending;
#[path = "session/limits.rs"]
mod limits;
mod noting;
#[path = "session/serving.rs"]
mod serving;

/// A name says what a server is made of.
#[test]
fn the_names_of_servers_of_sessions_are_put_together_as_the_others() {
    use socketserver::mixin::{Coroutine, Threading};
    use socketserver::transport::{Sessions, Transport, Udp, UnixDatagram};

    trait Parts {
        type Of;
    }
    impl<T: Transport, M, H, S> Parts for socketserver::Server<T, M, H, S> {
        type Of = (T, M);
    }
    fn is<A: Parts<Of = (T, M)>, T, M>() {}

    is::<socketserver::ThreadingUdpSessionServer<()>, Sessions<Udp>, Threading>();
    is::<socketserver::CoroutineUdpSessionServer<()>, Sessions<Udp>, Coroutine>();
    is::<socketserver::ThreadingUnixDatagramSessionServer<()>, Sessions<UnixDatagram>, Threading>();
    is::<socketserver::CoroutineUnixDatagramSessionServer<()>, Sessions<UnixDatagram>, Coroutine>();
}
