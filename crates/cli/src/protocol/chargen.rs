use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::LazyLock;

use socketserver::transport::Connection;
use socketserver_sys::socket::recv_now;

/// The most characters that RFC 864 lets a datagram have.
///
/// A datagram of one byte may so be answered by one of 512, to whomever it says that it came from:
/// that is what the protocol is, and why it is served to nobody who did not ask for it by name.
const LONGEST: u64 = 512;

/// The printable ASCII characters, from the space to the tilde.
const CHARACTERS: usize = 95;

/// Lines of 72 characters, each beginning one further than the last, until they begin anew.
static PAGE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let character = |at: usize| b' ' + (at % CHARACTERS) as u8;
    (0..CHARACTERS).flat_map(|line| (line..line + 72).map(character).chain(*b"\r\n")).collect()
});

/// RFC 864 over a connection: sends lines until the client closes, and drops what it sends.
///
/// A client that has ended only its own half still gets its lines.
pub(super) fn serve(connection: &dyn Connection) -> io::Result<()> {
    let mut sink = vec![0; 16 * 1024];
    let mut has_ended = false;
    loop {
        connection.send_all(&PAGE)?;
        // So that a client that sends all the while does not come to wait for us.
        while !has_ended {
            match recv_now(connection.as_fd(), &mut sink) {
                Ok(0) => has_ended = true,
                Ok(_) => {}
                // Nothing is there; or the client has gone, which the next line will tell.
                Err(_) => break,
            }
        }
    }
}

/// RFC 864 over datagrams: a random number of characters.
pub(super) fn answer() -> Vec<u8> {
    // Each of these has keys of its own, drawn at random.
    let len = RandomState::new().hash_one(()) % (LONGEST + 1);
    PAGE.iter().copied().take(len as usize).collect()
}

#[cfg(test)]
mod tests {
    use super::{PAGE, answer};

    #[test]
    fn lines_are_those_of_the_rfc() {
        let text = str::from_utf8(&PAGE).unwrap();
        let lines: Vec<_> = text.split_terminator("\r\n").collect();
        assert_eq!(lines.len(), 95);
        assert!(lines.iter().all(|line| line.len() == 72));
        assert!(lines[0].starts_with(" !\"#$%&'()*+,-./0123456789:;<=>?@ABC"));
        assert!(lines[1].starts_with("!\"#"));
        assert!(lines[94].starts_with("~ !"));
    }

    #[test]
    fn answers_have_up_to_512_characters() {
        let lengths: std::collections::BTreeSet<_> = (0..100).map(|_| answer().len()).collect();
        assert!(lengths.iter().all(|&len| len <= 512));
        assert!(lengths.len() > 1, "random");
    }
}
