//! A chat: state that all handlers share, reached as `request.server`.
//!
//! Whoever comes says a name first, and then hears what the others say. `/who` lists the names,
//! `/quit` leaves. A visit is two coroutines, one for what its member says and one for what it
//! hears, with a channel before the latter. The second argument is the word that makes them
//! threads, `threading`; with a third, the same room is behind a Unix socket too.
//!
//! The lock around the members is one of `std`'s. That is right, because nobody waits for
//! anything while holding it: what is said goes into channels that never make the speaker wait.
//!
//! ```text
//! cargo run --example chat [127.0.0.1:6667 [coroutine [/tmp/chat.sock]]]
//! nc 127.0.0.1 6667
//! ```

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::Shutdown;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{env, error};

use socketserver::handler::Rfile;
use socketserver::mixin::AnyMixIn;
use socketserver::sync::{Receiver, Sender, channel};
use socketserver::transport::{Connection, Transport};
use socketserver::{
    BaseServer, LineEnd, Result, StreamRequest, StreamRequestHandler, TcpServer, UnixStreamServer,
    spawn, yield_now,
};

/// The longest line and the longest name, in bytes.
const LINE_LIMIT: usize = 1000;
const NAME_LIMIT: usize = 20;

/// How many lines wait for a member who does not read, before that member is thrown out.
const OUTBOX: usize = 100;

/// The room: who is in it.
#[derive(Default)]
struct Room {
    members: Mutex<BTreeMap<String, Member>>,
}

/// How to reach a member.
struct Member {
    outbox: Sender<Arc<str>>,
    connection: Arc<dyn Connection>,
}

impl<T: Transport> BaseServer<T> for Room {
    /// Sends everybody home, so that closing need not wait for them.
    fn server_close(&self) {
        self.say(None, "the room closes");
        for member in self.members().values() {
            // The member's handler sees the end of input. An error says that it has already.
            let _ = member.connection.shutdown(Shutdown::Read);
        }
    }
}

impl Room {
    /// Lets somebody in, until the returned value is dropped; not, if the name is no good.
    fn enter(&self, name: &str, member: Member) -> Option<Presence<'_>> {
        let is_name = (1..=NAME_LIMIT).contains(&name.len())
            && name.chars().all(|letter| letter.is_alphanumeric());
        let mut members = self.members();
        if !is_name || members.contains_key(name) {
            return None;
        }
        members.insert(name.to_owned(), member);
        drop(members);
        self.say(None, &format!("{name} is here"));
        Some(Presence { room: self, name: name.to_owned() })
    }

    /// Tells all members but the one that says it.
    fn say(&self, from: Option<&str>, text: &str) {
        let line: Arc<str> = match from {
            Some(from) => format!("{from}: {text}\n").into(),
            None => format!("* {text}\n").into(),
        };
        for (name, member) in self.members().iter() {
            // Never waits: one who does not read must not hold up the room, and has to go.
            if from != Some(name) && member.outbox.try_send(Arc::clone(&line)).is_err() {
                let _ = member.connection.shutdown(Shutdown::Both);
            }
        }
    }

    fn names(&self) -> String {
        let names: Vec<_> = self.members().keys().cloned().collect();
        names.join(", ")
    }

    fn members(&self) -> MutexGuard<'_, BTreeMap<String, Member>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody's being in the room.
struct Presence<'a> {
    room: &'a Room,
    name: String,
}

impl Drop for Presence<'_> {
    fn drop(&mut self) {
        self.room.members().remove(&self.name);
        self.room.say(None, &format!("{} has left", self.name));
    }
}

/// One visit: made anew for each connection.
struct Visit;

impl StreamRequestHandler<Room> for Visit {
    fn handle(&mut self, request: &mut StreamRequest<'_, Room>) -> Result {
        let connection = Arc::clone(request.connection());
        let StreamRequest { rfile, wfile, server: room, .. } = request;
        writeln!(wfile, "* who are you?")?;
        let Some(name) = read_line(rfile)? else { return Ok(()) };
        let (outbox, letters) = channel(OUTBOX);
        let member = Member { outbox: outbox.clone(), connection: Arc::clone(&connection) };
        let Some(presence) = room.enter(&name, member) else {
            writeln!(wfile, "* that cannot be your name, or it is taken")?;
            return Ok(());
        };
        let delivery = spawn(move || deliver(letters, &*connection));
        let result = talk(rfile, &presence, &outbox);
        // With the last of the outboxes gone, the delivery ends too.
        drop((presence, outbox));
        delivery.join().unwrap_or_else(|payload| resume_unwind(payload));
        result
    }
}

/// What a member says, until the end.
fn talk(rfile: &mut Rfile, presence: &Presence<'_>, outbox: &Sender<Arc<str>>) -> Result {
    let Presence { room, name } = presence;
    while let Some(line) = read_line(rfile)? {
        match line.as_str() {
            "/quit" => break,
            "/who" => {
                let answer = format!("* here: {}\n", room.names());
                if outbox.send(answer.into()).is_err() {
                    break; // thrown out
                }
            }
            "" => {}
            text => {
                room.say(Some(name), text);
                // Or one who says a lot would fill the outboxes before anybody could empty them.
                yield_now();
            }
        }
    }
    Ok(())
}

/// What a member hears, beside its handler.
fn deliver(letters: Receiver<Arc<str>>, connection: &dyn Connection) {
    for letter in letters {
        if connection.send_all(letter.as_bytes()).is_err() {
            break; // the client is gone, and the handler will see it
        }
    }
}

/// One line, with nothing in it that could disturb another's terminal.
fn read_line(rfile: &mut Rfile) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    match rfile.read_line_within(LINE_LIMIT, &mut line)? {
        LineEnd::Eof if line.is_empty() => return Ok(None),
        LineEnd::TooLong => {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a line is too long"));
        }
        _ => {}
    }
    let text = String::from_utf8_lossy(&line);
    Ok(Some(text.trim().chars().filter(|letter| !letter.is_control()).collect()))
}

fn main() -> std::result::Result<(), Box<dyn error::Error>> {
    let mut arguments = env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:6667".into());
    // The word.
    let mixin = arguments.next().unwrap_or_else(|| "coroutine".into());
    let path = arguments.next();

    let room = Arc::new(Room::default());
    let server = TcpServer::builder(|| Visit)
        .mixin(mixin.parse::<AnyMixIn>()?)
        .shared_server(Arc::clone(&room))
        .bind(address)?;
    let _signals = server.shutdown_handle().on_signals()?;
    println!("listening on {}", server.server_address());
    let mut unix_server = None;
    if let Some(path) = path {
        let server = UnixStreamServer::builder(|| Visit)
            .mixin(mixin.parse::<AnyMixIn>()?)
            .shared_server(room)
            .bind(path)?;
        println!("listening on {}", server.server_address());
        unix_server = Some(server.spawn()?); // serves on a thread of its own
    }
    server.serve_forever()?;

    server.server_close(Some(Duration::from_secs(1)));
    if let Some(unix_server) = unix_server {
        unix_server.stop(Some(Duration::from_secs(1)))?;
    }
    Ok(())
}
