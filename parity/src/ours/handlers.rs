//! Handlers that carry out lists of small operations, such as `read_line,gate,write`.

use std::io::{self, BufRead, Read, Write};
use std::path::Path;
use std::time::Duration;

use socketserver::net::UnixStream;
use socketserver::{
    Address, DatagramRequest, DatagramRequestHandler, Result, ShutdownHandle, StreamRequest,
    StreamRequestHandler, WriteMode,
};

use super::behaviour::Behaviour;
use super::hooks::Hooks;
use super::tracing::trace_this;

/// A handler of streams and of datagrams, made with what its class says in Python.
#[derive(Debug)]
pub(super) struct Scripted {
    wbufsize: WriteMode,
    timeout: Option<Duration>,
    data: Vec<u8>,
}

impl From<&Behaviour> for Scripted {
    fn from(behaviour: &Behaviour) -> Self {
        Self {
            wbufsize: behaviour.number::<usize>("wbufsize").map_or(WriteMode::Auto, Into::into),
            timeout: behaviour.number("handler_timeout").map(Duration::from_secs_f64),
            data: Vec::new(),
        }
    }
}

impl Scripted {
    /// Does what `operations` say; `default` is what the trait's own method does.
    fn run<R: Files>(&mut self, hook: &str, usual: &str, request: &mut R) -> Result {
        trace_this(hook);
        let behaviour = request.behaviour();
        let operations = behaviour.get(hook).unwrap_or(usual).to_owned();
        for operation in operations.split(',') {
            match operation {
                "default" if hook == "finish" => request.finish()?,
                "default" => {}
                "read_line" => {
                    self.data.clear();
                    request.rfile().read_until(b'\n', &mut self.data)?;
                    trace_this(format_args!("read:{}", self.data.len()));
                }
                "read_all" => {
                    self.data.clear();
                    request.rfile().read_to_end(&mut self.data)?;
                    trace_this(format_args!("read:{}", self.data.len()));
                }
                "peer" => trace_this(format_args!("peer:{}", peer(request.client_address()))),
                "write" => request.wfile().write_all(&self.data)?,
                "partial" => request.wfile().write_all(b"partial")?,
                "gate" => gate()?,
                "fail" => return Err("told to".into()),
                "panic" | "exit" => panic!("told to"),
                "shutdown" => {
                    trace_this("shutdown");
                    request.shutdown_handle().shutdown();
                    trace_this("shutdown.returned");
                }
                _ => match operation.strip_prefix("fill:").map(str::parse) {
                    Some(Ok(size)) => request.wfile().write_all(&vec![b'x'; size])?,
                    _ => panic!("no such operation: {operation:?}"),
                },
            }
        }
        Ok(())
    }
}

/// Waits until the driver lets this handler go on.
fn gate() -> io::Result<()> {
    let mut gate = UnixStream::connect("gate")?;
    trace_this("~gate");
    gate.read(&mut [0]).map(drop)
}

/// Whose request it is, without what changes from run to run.
fn peer(address: &Address) -> String {
    match (address.ip(), address.as_path().and_then(Path::file_name)) {
        (Some(ip), _) => ip.to_string(),
        (_, Some(name)) => name.to_string_lossy().into_owned(),
        (None, None) => "none".to_owned(),
    }
}

/// What the requests of both kinds have.
trait Files {
    fn behaviour(&self) -> &Behaviour;
    fn rfile(&mut self) -> &mut dyn BufRead;
    fn wfile(&mut self) -> &mut dyn Write;
    fn shutdown_handle(&self) -> &ShutdownHandle;
    fn client_address(&self) -> &Address;
    fn finish(&mut self) -> Result;
}

impl Files for StreamRequest<'_, Hooks> {
    fn behaviour(&self) -> &Behaviour {
        &self.server.behaviour
    }

    fn rfile(&mut self) -> &mut dyn BufRead {
        &mut self.rfile
    }

    fn wfile(&mut self) -> &mut dyn Write {
        &mut self.wfile
    }

    fn shutdown_handle(&self) -> &ShutdownHandle {
        self.shutdown_handle
    }

    fn client_address(&self) -> &Address {
        self.client_address
    }

    fn finish(&mut self) -> Result {
        StreamRequest::flush(self)
    }
}

impl Files for DatagramRequest<'_, Hooks> {
    fn behaviour(&self) -> &Behaviour {
        &self.server.behaviour
    }

    fn rfile(&mut self) -> &mut dyn BufRead {
        &mut self.rfile
    }

    fn wfile(&mut self) -> &mut dyn Write {
        &mut self.wfile
    }

    fn shutdown_handle(&self) -> &ShutdownHandle {
        self.shutdown_handle
    }

    fn client_address(&self) -> &Address {
        self.client_address
    }

    fn finish(&mut self) -> Result {
        DatagramRequest::finish(self)
    }
}

impl StreamRequestHandler<Hooks> for Scripted {
    fn setup(&mut self, request: &mut StreamRequest<'_, Hooks>) -> Result {
        self.run("setup", "default", request)
    }

    fn handle(&mut self, request: &mut StreamRequest<'_, Hooks>) -> Result {
        self.run("handle", "read_line,write", request)
    }

    fn finish(&mut self, request: &mut StreamRequest<'_, Hooks>) -> Result {
        self.run("finish", "default", request)
    }

    fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    fn wbufsize(&self) -> WriteMode {
        self.wbufsize
    }
}

impl DatagramRequestHandler<Hooks> for Scripted {
    fn setup(&mut self, request: &mut DatagramRequest<'_, Hooks>) -> Result {
        self.run("setup", "default", request)
    }

    fn handle(&mut self, request: &mut DatagramRequest<'_, Hooks>) -> Result {
        self.run("handle", "read_line,write", request)
    }

    fn finish(&mut self, request: &mut DatagramRequest<'_, Hooks>) -> Result {
        self.run("finish", "default", request)
    }
}
