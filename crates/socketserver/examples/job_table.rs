//! A server whose requests are not sockets: rows of a table of jobs.
//!
//! `Jobs` is a transport like TCP is one: it takes the next waiting row where TCP accepts the next
//! connection, so threads, limits, hooks and shutting down are the library's as ever. The table's
//! descriptor, an `eventfd(2)` that counts the waiting rows, is readable while there are any.
//! A second server, over TCP, is where clients add numbers to be factored and look at the table.
//!
//! ```text
//! cargo run --example job_table [127.0.0.1:9999]
//! printf 'add 600851475143\nadd twelve\nlist\n' | nc -N 127.0.0.1 9999; sleep 1
//! echo list | nc -N 127.0.0.1 9999
//! ```

use std::fmt::{self, Display};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::event::{EventfdFlags, eventfd};
use socketserver::mixin::Threading;
use socketserver::transport::{Raw, ServerBind, Transport};
use socketserver::{
    Address, BaseRequest, BaseRequestHandler, BaseServer, RequestError, Result, Server,
    StreamRequest, StreamRequestHandler, ThreadingTcpServer,
};

/// As many rows as the table may have.
const ROWS: usize = 10_000;

/// The table, behind both servers.
struct Table {
    rows: Mutex<Vec<Row>>,
    /// Counts the rows that wait; readable while there are some.
    waiting: OwnedFd,
}

struct Row {
    text: String,
    state: State,
}

enum State {
    Waiting,
    Running,
    Done(String),
    Failed(String),
}

impl Table {
    fn new() -> io::Result<Self> {
        let flags = EventfdFlags::SEMAPHORE | EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC;
        Ok(Self { rows: Mutex::default(), waiting: eventfd(0, flags)? })
    }

    /// Adds a row; returns its number.
    fn add(&self, text: &str) -> io::Result<usize> {
        let mut rows = self.rows();
        if rows.len() == ROWS {
            return Err(io::Error::other("the table is full"));
        }
        rustix::io::write(&self.waiting, &1_u64.to_ne_bytes())?;
        rows.push(Row { text: text.to_owned(), state: State::Waiting });
        Ok(rows.len())
    }

    /// Takes the first row that waits.
    fn take(&self) -> io::Result<Job> {
        let mut rows = self.rows();
        // `WouldBlock`, if there is none.
        rustix::io::read(&self.waiting, &mut [0; 8])?;
        let found = rows.iter_mut().zip(1..).find(|(row, _)| matches!(row.state, State::Waiting));
        let (row, number) = found.ok_or(io::ErrorKind::WouldBlock)?;
        row.state = State::Running;
        Ok(Job { number, text: row.text.clone() })
    }

    fn set(&self, job: &Job, state: State) {
        if let Some(row) = self.rows().get_mut(job.number - 1) {
            row.state = state;
        }
    }

    fn rows(&self) -> MutexGuard<'_, Vec<Row>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsFd for Table {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.waiting.as_fd()
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (row, number) in self.rows().iter().zip(1..) {
            let text = &row.text;
            match &row.state {
                State::Waiting => writeln!(f, "{number}: {text} waits")?,
                State::Running => writeln!(f, "{number}: {text} is being factored")?,
                State::Done(factors) => writeln!(f, "{number}: {text} = {factors}")?,
                State::Failed(why) => writeln!(f, "{number}: {text} failed: {why}")?,
            }
        }
        Ok(())
    }
}

/// A row that a handler works on: what the transport calls a request.
struct Job {
    number: usize,
    text: String,
}

/// The transport: what `Tcp` is to a `TcpServer`.
#[derive(Default)]
struct Jobs;

impl Transport for Jobs {
    type Kind = Raw<Job>;
    type Socket = Arc<Table>;
    type Request = Job;

    fn server_address(&self, _: &Arc<Table>) -> io::Result<Address> {
        Ok(Address::Other("the table of jobs".into()))
    }

    fn get_request(&self, table: &Arc<Table>) -> io::Result<(Arc<Job>, Address)> {
        let job = table.take()?;
        let address = Address::Other(format!("job {}", job.number));
        Ok((Arc::new(job), address))
    }

    fn connection(&self, job: &Arc<Job>) -> Arc<Job> {
        Arc::clone(job)
    }
}

impl ServerBind<Arc<Table>> for Jobs {
    fn server_bind(&self, table: Arc<Table>) -> io::Result<Arc<Table>> {
        Ok(table)
    }
}

/// Both servers have the table for their state.
impl BaseServer<Jobs> for Table {
    fn handle_error(&self, error: &RequestError, _: &Address) {
        if let Some(job) = error.raw::<Job>() {
            self.set(job, State::Failed(error.to_string()));
        }
    }
}

impl BaseServer for Table {}

/// Does one job.
struct Worker;

impl BaseRequestHandler<Raw<Job>, Table> for Worker {
    fn handle(&mut self, request: &mut BaseRequest<'_, Raw<Job>, Table>) -> Result {
        let job = &request.request;
        let factors = factors(job.text.parse()?)?;
        request.server.set(job, State::Done(factors));
        Ok(())
    }
}

fn factors(mut number: u64) -> Result<String, &'static str> {
    if !(2..1_000_000_000_000_000).contains(&number) {
        return Err("only numbers from 2 up to 15 digits are factored");
    }
    let mut factors = Vec::new();
    let mut divisor = 2;
    while divisor * divisor <= number {
        while number.is_multiple_of(divisor) {
            factors.push(divisor.to_string());
            number /= divisor;
        }
        divisor += 1;
    }
    if number > 1 {
        factors.push(number.to_string());
    }
    Ok(factors.join(" x "))
}

/// Talks to one client.
struct Clerk;

impl StreamRequestHandler<Table> for Clerk {
    fn handle(&mut self, request: &mut StreamRequest<'_, Table>) -> Result {
        let StreamRequest { rfile, wfile, server: table, .. } = request;
        for line in rfile.lines() {
            let line = line?;
            match line.split_once(' ').unwrap_or((&line, "")) {
                ("add", text) => match table.add(text) {
                    Ok(number) => writeln!(wfile, "job {number}")?,
                    Err(error) => writeln!(wfile, "not added: {error}")?,
                },
                ("list", _) => write!(wfile, "{table}")?,
                _ => writeln!(wfile, "say `add NUMBER` or `list`")?,
            }
        }
        Ok(())
    }
}

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9999".into());
    let table = Arc::new(Table::new()?);

    let workers = Server::<Jobs, Threading, Worker>::builder(|| Worker)
        .shared_server(Arc::clone(&table))
        .max_threads(2)
        .bind(Arc::clone(&table))?
        .spawn()?;
    let clerks =
        ThreadingTcpServer::builder(|| Clerk).shared_server(Arc::clone(&table)).bind(address)?;
    let _signals = clerks.shutdown_handle().on_signals()?;
    println!("listening on {}", clerks.server_address());
    clerks.serve_forever()?;

    clerks.server_close(Some(Duration::from_secs(1)));
    workers.stop(Some(Duration::from_secs(5)))?;
    print!("{table}");
    Ok(())
}
