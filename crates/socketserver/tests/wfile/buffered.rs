//! `WriteMode::Buffered`: Python's `wbufsize > 0`.

use std::io::Write;

use socketserver::WriteMode::{self, Buffered, Unbuffered};
use testkit::alone;

use crate::noting::connect;
use crate::writes::{serve, server, server_with_finish};

/// A86.
#[test]
fn it_goes_out_on_flush_and_at_the_end() {
    let _alone = alone();
    let server = server(Buffered(1000), |request| {
        let wfile = &mut request.wfile;
        write!(wfile, "one ")?;
        write!(wfile, "two ")?;
        assert!(request.server.sent().is_empty());
        wfile.flush()?;
        assert_eq!(request.server.sent(), ["one two "]);
        wfile.flush()?;
        Ok(write!(wfile, "three")?)
    });
    assert_eq!(serve(&server, "").1, ["one two ", "three"]);
}

/// A86: the order is kept, nothing is sent twice, and no more is held back than was allowed.
#[test]
fn it_goes_out_when_there_are_as_many_bytes_as_the_buffer_holds() {
    let _alone = alone();
    let server = server(Buffered(8), |request| {
        let wfile = &mut request.wfile;
        for (write, sent) in [
            ("12345", &[][..]),
            // One more than there is room for.
            ("6789", &["12345"]),
            // As many as there is room for.
            ("abcd", &["12345", "6789abcd"]),
            // As many as the buffer holds.
            ("ABCDEFGH", &["12345", "6789abcd", "ABCDEFGH"]),
            ("x", &["12345", "6789abcd", "ABCDEFGH"]),
            // More than it holds, after what it has.
            ("0123456789", &["12345", "6789abcd", "ABCDEFGH", "x", "0123456789"]),
        ] {
            assert_eq!(wfile.write(write.as_bytes())?, write.len());
            assert_eq!(request.server.sent(), sent, "after {write}");
        }
        Ok(())
    });
    assert_eq!(serve(&server, "").0, "123456789abcdABCDEFGHx0123456789");
    assert!(server.server().trace.texts().is_empty());
}

/// A86: what was written before `handle` failed goes out, whether it failed with an error or a
/// panic, and whether `finish` is the default or not.
#[test]
fn what_was_written_before_a_failure_goes_out() {
    let _alone = alone();
    for flushes in [true, false] {
        for mode in [Unbuffered, Buffered(1000), WriteMode::UntilWait(1000)] {
            let fails = server_with_finish(flushes, mode, |request| {
                write!(request.wfile, "partial")?;
                Err("failed".into())
            });
            assert_eq!(serve(&fails, "").0, "partial");
            assert_eq!(fails.server().trace.texts(), ["error: failed"]);

            let panics = server_with_finish(flushes, mode, |request| {
                write!(request.wfile, "partial")?;
                panic!("too bad");
            });
            assert_eq!(serve(&panics, "").0, "partial");
            let told = "error: request handler panicked: too bad";
            assert_eq!(panics.server().trace.texts(), [told]);
        }
    }
}

/// A86: a `finish` of the handler's own need not think of it.
#[test]
fn it_goes_out_even_if_finish_does_not_flush() {
    let _alone = alone();
    let server =
        server_with_finish(false, Buffered(1000), |request| Ok(write!(request.wfile, "reply")?));
    assert_eq!(serve(&server, "").1, ["reply"]);
}

/// A87, B25: Python's `finish` fails here although it means not to. The client has gone, the
/// handler had nothing more to say to it, and everything is closed.
#[test]
fn a_client_that_is_gone_when_it_is_flushed_at_the_end_is_no_error() {
    let _alone = alone();
    for flushes in [true, false] {
        for mode in [Buffered(1000), WriteMode::UntilWait(1000)] {
            let server = server_with_finish(flushes, mode, |request| {
                write!(request.wfile, "too late")?;
                // Until the client's reset is here.
                assert!(request.rfile.read_exactly(1).is_err());
                Ok(())
            });
            let client = connect(server.server_address());
            client.reset().unwrap();
            server.handle_request().unwrap();
            assert!(server.server().trace.texts().is_empty());
        }
    }
}

/// A10: Python's numbers.
#[test]
fn a_mode_can_be_made_of_pythons_wbufsize() {
    let _alone = alone();
    assert_eq!(WriteMode::from(0), Unbuffered);
    assert_eq!(WriteMode::from(4096), Buffered(4096));
    assert_eq!(WriteMode::default(), WriteMode::Auto, "0, except on a coroutine");
}
