use std::io;

use socketserver::transport::Connection;

use super::receive::receive;

/// RFC 862: sends back what comes, until the client ends.
pub(super) fn serve(connection: &dyn Connection) -> io::Result<()> {
    while receive(connection, |bytes| connection.send_all(bytes))? {}
    Ok(())
}
