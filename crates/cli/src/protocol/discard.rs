use std::io;

use socketserver::transport::Connection;

use super::receive::receive;

/// RFC 863: reads until the client ends.
pub(super) fn serve(connection: &dyn Connection) -> io::Result<()> {
    while receive(connection, |_| Ok(()))? {}
    Ok(())
}
