use std::io;

use socketserver::transport::Connection;

/// RFC 863: reads until the client ends.
pub(super) fn serve(connection: &dyn Connection) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    while connection.recv(&mut buffer)? != 0 {}
    Ok(())
}
