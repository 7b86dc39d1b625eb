//! A transport without a network: its requests are the rows of a table.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, PipeReader, PipeWriter, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use socketserver::mixin::{MixIn, Synchronous, Threading};
use socketserver::transport::{Raw, ServerBind, Transport};
use socketserver::{
    Address, BaseRequest, BaseRequestHandler, BaseServer, Outcome, Pending, RequestError, Result,
    Server,
};
use testkit::{DEADLINE, Trace};

use crate::common::{CoroutineEpoll, CoroutineIoUring};

/// One row: what is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Job {
    number: u32,
    text: String,
}

/// A table of jobs; a byte goes through its pipe for each.
#[derive(Clone)]
struct Table(Arc<(Mutex<VecDeque<Job>>, PipeWriter)>);

impl Table {
    fn add(&self, number: u32, text: &str) {
        let (rows, pipe) = &*self.0;
        rows.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push_back(Job { number, text: text.to_owned() });
        (&mut &*pipe).write_all(b"!").unwrap();
    }

    fn take(&self) -> Option<Job> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

fn table() -> (Table, PipeReader) {
    let (reader, writer) = io::pipe().unwrap();
    fcntl_setfl(&reader, fcntl_getfl(&reader).unwrap() | OFlags::NONBLOCK).unwrap();
    (Table(Arc::new((Mutex::default(), writer))), reader)
}

/// Takes its requests from a table.
#[derive(Default)]
struct Jobs {
    table: Option<Table>,
}

impl ServerBind<PipeReader> for Jobs {
    fn server_bind(&self, reader: PipeReader) -> io::Result<PipeReader> {
        Ok(reader)
    }
}

impl Transport for Jobs {
    type Kind = Raw<Job>;
    type Socket = PipeReader;
    type Request = Job;

    fn server_address(&self, _: &PipeReader) -> io::Result<Address> {
        Ok(Address::Other("table of jobs".into()))
    }

    fn get_request(&self, mut reader: &PipeReader) -> io::Result<(Arc<Job>, Address)> {
        reader.read_exact(&mut [0])?;
        let job = self.table.as_ref().and_then(Table::take).ok_or(ErrorKind::WouldBlock)?;
        let address = Address::Other(format!("row {}", job.number));
        Ok((Arc::new(job), address))
    }

    fn connection(&self, request: &Arc<Job>) -> Arc<Job> {
        Arc::clone(request)
    }
}

/// Notes what was done, and what failed.
struct Ledger(Trace);

impl BaseServer<Jobs> for Ledger {
    fn verify_request(&self, request: &Job, _: &Address) -> bool {
        request.text != "refuse"
    }

    fn handle_error(&self, error: &RequestError, client_address: &Address) {
        assert!(error.connection().is_none() && error.packet().is_none());
        self.0.note(format!("{client_address} failed: {error}"));
    }
}

struct Worker;

impl BaseRequestHandler<Raw<Job>, Ledger> for Worker {
    fn handle(&mut self, request: &mut BaseRequest<'_, Raw<Job>, Ledger>) -> Result {
        let Job { number, text } = &*request.request;
        if text == "fail" {
            return Err("failed as asked".into());
        }
        request.server.0.note(format!("{} did {text} of {number}", request.client_address));
        Ok(())
    }
}

fn server<M>(mixin: M) -> (Table, Server<Jobs, M, Worker, Ledger>)
where
    M: MixIn<Pending<Jobs, Ledger>> + Default,
{
    let (table, reader) = table();
    let rows = table.clone();
    let server = Server::<Jobs, M, Worker>::builder(|| Worker)
        .transport(|_| Jobs { table: Some(rows) })
        .mixin(mixin)
        .server(Ledger(Trace::new()))
        .timeout(DEADLINE)
        .bind(reader)
        .unwrap();
    (table, server)
}

/// A95, B35: served as any other, by whichever mix-in.
fn works_off_a_table<M>(mixin: M)
where
    M: MixIn<Pending<Jobs, Ledger>> + Default + Send + Sync + 'static,
{
    let _alone = testkit::alone();
    let (table, server) = server(mixin);
    assert_eq!(server.server_address().to_string(), "table of jobs");
    let server = server.spawn().unwrap();
    for number in 0..5 {
        table.add(number, "sums");
    }
    table.add(5, "refuse");
    table.add(6, "fail");
    let trace = &server.server().0;
    trace.wait_for("row 6 failed: failed as asked");
    trace.wait_for_several(5, "row");
    trace.wait_for("row 4 did sums of 4");
    assert_eq!(trace.count("row 5"), 0);
    assert!(server.stop(Some(DEADLINE)).unwrap().is_complete());
}

/// A95.
#[test]
fn jobs_are_done_one_after_another() {
    works_off_a_table(Synchronous::default());
}

/// A95.
#[test]
fn jobs_are_done_on_threads() {
    works_off_a_table(Threading::default());
}

/// A95.
#[test]
fn jobs_are_done_on_coroutines() {
    works_off_a_table(CoroutineEpoll::default());
    works_off_a_table(CoroutineIoUring::default());
}

/// A95.
#[test]
fn jobs_are_done_in_processes() {
    works_off_a_table(crate::common::forking());
}

/// A35, A95, B35: `handle_request` needs no socket either.
#[test]
fn handle_request_does_one_job() {
    let _alone = testkit::alone();
    let (table, server) = server(Synchronous::default());
    table.add(1, "sums");
    table.add(2, "more sums");
    assert_eq!(server.handle_request().unwrap(), Outcome::Processed);
    assert_eq!(server.server().0.texts(), ["row 1 did sums of 1"]);
    assert_eq!(server.handle_request().unwrap(), Outcome::Processed);
    assert_eq!(server.handle_request_noblock(), Outcome::Nothing);
    assert!(server.server_close(None));
    assert_eq!(server.handle_request().unwrap(), Outcome::Closed);
}

/// A18, A95: a job that runs when the server is closed is waited for, and told when cut.
#[test]
fn a_job_that_runs_is_cut_as_any_other_request() {
    let _alone = testkit::alone();
    let (table, reader) = table();
    let rows = table.clone();
    struct Long;
    impl BaseRequestHandler<Raw<Job>, Ledger> for Long {
        fn handle(&mut self, request: &mut BaseRequest<'_, Raw<Job>, Ledger>) -> Result {
            request.server.0.note("working");
            while !request.is_cut() {
                std::thread::sleep(Duration::from_millis(1));
            }
            Ok(())
        }
    }
    let server = Server::<Jobs, Threading, Long>::builder(|| Long)
        .transport(|_| Jobs { table: Some(rows) })
        .server(Ledger(Trace::new()))
        .bind(reader)
        .unwrap()
        .spawn()
        .unwrap();
    table.add(9, "long");
    server.server().0.wait_for("working");
    let report = server.stop(Some(Duration::ZERO)).unwrap();
    assert_eq!((report.cut.len(), report.unfinished), (1, 0));
    assert_eq!(report.cut[0].client_address, Address::Other("row 9".into()));
}
