use std::io;

use socketserver::transport::Connection;

/// RFC 862: sends back what comes, until the client ends.
pub(super) fn serve(connection: &dyn Connection) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        match connection.recv(&mut buffer)? {
            0 => return Ok(()),
            len => connection.send_all(&buffer[..len])?,
        }
    }
}
