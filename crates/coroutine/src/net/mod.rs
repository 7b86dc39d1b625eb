//! Connecting to other servers.
//!
//! [`TcpStream`] and [`UnixStream`] are used as those of [`std::net`] and [`std::os::unix::net`]
//! are, and differ in this: in a coroutine what would block parks it, the resolution of a name
//! too; a time-out is told as `TimedOut`; and a coroutine that is cut gets `ConnectionAborted`.
//!
//! A stream that is made in a coroutine is [adopted](crate::io::adopt) by the worker until it is
//! dropped. It may go to another thread or worker, where using it costs more system calls.
//!
//! Twenty lines of a proxy:
//!
//! ```
//! use std::io::{self, Read, Write};
//! use std::net::Shutdown;
//!
//! use socketserver_coroutine::net::TcpStream;
//! use socketserver_coroutine::spawn;
//!
//! fn forward(mut from: TcpStream, mut to: TcpStream) -> io::Result<()> {
//!     let mut buffer = [0; 4096];
//!     loop {
//!         match from.read(&mut buffer)? {
//!             0 => return to.shutdown(Shutdown::Write),
//!             len => to.write_all(&buffer[..len])?,
//!         }
//!     }
//! }
//!
//! fn proxy(client: TcpStream, upstream: &str) -> io::Result<()> {
//!     let server = TcpStream::connect(upstream)?;
//!     let (there, back) = ((client.try_clone()?, server.try_clone()?), (server, client));
//!     let child = spawn(move || forward(there.0, there.1));
//!     forward(back.0, back.1)?;
//!     child.join().unwrap_or_else(|payload| std::panic::resume_unwind(payload))
//! }
//! ```

mod address;
mod connect;
mod socket;
mod tcp;
mod unix;

pub use self::address::ToSocketAddrs;
pub use self::tcp::TcpStream;
pub use self::unix::UnixStream;
