//! What is wrong is told in one line that names it, before anything is served; and the exit code
//! says whether trying again may help.

#![allow(clippy::unwrap_used, reason = "what fails in a test shall fail the test")]

mod common;

use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixListener;

use common::{Serving, command, run};
use testkit::{Connect, Process, socket_path};

const USAGE: i32 = 2;
const PERMANENT: i32 = 100;
const TEMPORARY: i32 = 111;

/// Runs the command with arguments that are separated by spaces; it must end with `code`, and its
/// only line must have all of `parts` in it.
#[track_caller]
fn refuses(args: &str, code: i32, parts: &[&str]) {
    let (exited, output) = run(args.split(' ').filter(|arg| !arg.is_empty()));
    check(args, exited, &output, code, parts);
}

#[track_caller]
fn check(args: &str, exited: i32, output: &str, code: i32, parts: &[&str]) {
    assert_eq!(exited, code, "{args}: {output}");
    assert_eq!(output.lines().count(), 1, "{args}: {output}");
    assert!(output.starts_with("socketserver: "), "{args}: {output}");
    for part in parts {
        assert!(output.contains(part), "{args}: {output}");
    }
}

#[test]
fn a_wrong_command_line() {
    refuses("", USAGE, &["no ENDPOINT"]);
    refuses("--echo", USAGE, &["no ENDPOINT"]);
    refuses("tcp://127.0.0.1:0", USAGE, &["nothing to serve", "--protocol NAME"]);
    refuses("tcp://127.0.0.1:0 --ecko", USAGE, &["'--ecko'", "'--echo'"]);
    refuses("tcp://127.0.0.1:0 --protocol gopher", USAGE, &["'gopher'"]);
    refuses("tcp://127.0.0.1:0 --echo --mixin asyncio", USAGE, &["'asyncio'"]);
    refuses("tcp://127.0.0.1:0 --echo --drain soon", USAGE, &["'soon'", "--drain", "30s"]);
    refuses("tcp://127.0.0.1:0 --echo --timeout 0s", USAGE, &["'0s'", "--timeout"]);
    refuses("tcp://127.0.0.1:0 --echo --max 0", USAGE, &["'0'", "--max"]);
    refuses("tcp://127.0.0.1:0 --echo --backlog 0", USAGE, &["0", "--backlog"]);
    refuses("tcp://127.0.0.1:0 --echo --ready-fd 2", USAGE, &["2", "--ready-fd"]);
    refuses("tcp://127.0.0.1:0 --echo --protocol time", USAGE, &["--echo", "--protocol"]);
    refuses("tcp://127.0.0.1:0 --echo -- cat", USAGE, &["--echo"]);
    refuses("tcp://127.0.0.1:0 --timeout 1s -- cat", USAGE, &["--timeout"]);
    refuses("tcp://127.0.0.1:0 --max 2 --mixin synchronous --echo", USAGE, &["--max"]);
    for option in ["--workers 2", "--stack-size 64K", "--backend epoll"] {
        let name = option.split(' ').next().unwrap();
        let parts = [name, "--mixin coroutine"];
        refuses(&format!("tcp://127.0.0.1:0 --echo {option}"), USAGE, &parts);
    }
    let coroutine = "tcp://127.0.0.1:0 --echo --mixin coroutine";
    refuses(&format!("{coroutine} --workers 0"), USAGE, &["'0'", "--workers"]);
    refuses(&format!("{coroutine} --stack-size 1G"), USAGE, &["'1G'", "--stack-size", "64K"]);
    refuses(&format!("{coroutine} --stack-size 1K"), USAGE, &["stack_size", "16384"]);
    refuses(&format!("{coroutine} --backend kqueue"), USAGE, &["'kqueue'", "--backend"]);
    refuses("127.0.0.1:0 --echo", USAGE, &["\"127.0.0.1:0\"", "tcp://"]);
    refuses("tcp://127.0.0.1:x --echo", USAGE, &["\"tcp://127.0.0.1:x\"", "not a port"]);
    refuses("unix:/a?mode=9 --echo", USAGE, &["unix:/a?mode=9", "octal"]);
    refuses("fd:1 --echo", USAGE, &["fd:1", "standard streams"]);
}

#[test]
fn a_missing_program() {
    refuses("tcp://127.0.0.1:0 -- /nowhere/program", PERMANENT, &["/nowhere/program", "No such"]);
    refuses("tcp://127.0.0.1:0 -- no-such-program", PERMANENT, &["no-such-program", "PATH"]);
    refuses("tcp://127.0.0.1:0 -- /etc/passwd", PERMANENT, &["/etc/passwd", "Permission denied"]);
    refuses("tcp://127.0.0.1:0 -- /tmp", PERMANENT, &["/tmp", "directory"]);
}

/// The good endpoints before it are not served either.
#[test]
fn a_taken_port() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let path = socket_path();
    let args = format!("unix:{} tcp://{address} --echo", path.display());
    let named = format!("tcp://{address}");
    refuses(&args, TEMPORARY, &[&named, "Address already in use"]);
    assert!(path.left().is_empty(), "nothing is left of the endpoint before it");
}

#[test]
fn a_path_that_cannot_be_bound_to() {
    let path = socket_path();
    let shown = path.display().to_string();
    let _other = UnixListener::bind(&path).unwrap();
    refuses(&format!("unix:{shown} --echo"), TEMPORARY, &[&shown, "another server answers"]);
    let file = path.folder().join("file");
    std::fs::write(&file, "precious").unwrap();
    let args = format!("unix:{} --echo", file.display());
    refuses(&args, TEMPORARY, &["not a socket"]);
    assert_eq!(std::fs::read(&file).unwrap(), b"precious");
    refuses("unix:/nowhere/socket --echo", PERMANENT, &["unix:/nowhere/socket", "No such file"]);
    let long = format!("unix:/tmp/{} --echo", "x".repeat(200));
    refuses(&long, PERMANENT, &["205 bytes", "at most 107"]);
}

#[test]
fn an_address_that_is_not_ours() {
    // 192.0.2.0/24 is for documentation, and nobody's.
    refuses("tcp://192.0.2.1:0 --echo", TEMPORARY, &["tcp://192.0.2.1:0", "assign"]);
    // Only resolved, and by this host alone: the name is reserved never to exist.
    refuses("tcp4://[::1]:0 --echo", USAGE, &["not an address for tcp4"]);
}

#[test]
fn a_descriptor_that_is_no_server() {
    let refuses_descriptor = |number: i32, parts: &[&str]| {
        let endpoint = format!("fd:{number}");
        let mut command = command();
        let process = Process::start(command.args([&endpoint, "--echo"])).unwrap();
        let (status, output) = process.wait();
        let code = status.code().unwrap();
        check(&endpoint, code, &output, PERMANENT, &[&[endpoint.as_str()], parts].concat());
    };
    // Higher than anything that these tests open.
    refuses_descriptor(900, &["no descriptor is open"]);
    let file = rustix::io::dup(std::fs::File::open("/dev/null").unwrap()).unwrap();
    refuses_descriptor(file.as_raw_fd(), &["no socket"]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let inherited = rustix::io::dup(&client).unwrap();
    refuses_descriptor(inherited.as_raw_fd(), &["it is a connection"]);
    let inherited = rustix::io::dup(&listener).unwrap();
    let twice = format!("fd:{0} fd:{0} --echo", inherited.as_raw_fd());
    refuses(&twice, PERMANENT, &["in use already"]);
    refuses("tcp://127.0.0.1:0 --echo --ready-fd 900", PERMANENT, &["--ready-fd 900"]);
}

/// A socket that can give no more clients ends the command, and what is open drains.
#[test]
fn an_endpoint_that_is_lost_ends_the_command() {
    for mixin in ["synchronous", "threading", "forking", "coroutine"] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let inherited = rustix::io::dup(&listener).unwrap();
        let endpoint = format!("fd:{}", inherited.as_raw_fd());
        let mut command = command();
        command.args([&endpoint, "tcp://127.0.0.1:0", "--echo", "--mixin", mixin]);
        let mut serving = Serving::start(&mut command, 2);
        let mut client = Connect::Tcp(serving.address(1)).connect().unwrap();
        client.send("before\n").unwrap();
        assert_eq!(client.read_line().unwrap(), "before\n");

        rustix::net::shutdown(&listener, rustix::net::Shutdown::Both).unwrap();
        serving.until("it drains", |output| output.contains("stopping; 1 open"));
        assert_eq!(client.exchange("after\n").unwrap(), b"after\n");
        let (status, output) = serving.wait();
        assert_eq!(status.code(), Some(TEMPORARY), "{mixin}: {output}");
        let named =
            format!("tcp://{}: cannot be served any longer", listener.local_addr().unwrap());
        assert!(output.contains(&named), "{mixin}: {output}");
    }
}

/// Also for a program that reads the log.
#[test]
fn an_error_in_json_is_one_object() {
    let (code, output) = run(["unix:/nowhere/socket", "--echo", "--log", "json"]);
    assert_eq!(code, PERMANENT);
    let line: serde_json::Value = serde_json::from_str(&output).unwrap();
    assert_eq!((&line["event"], &line["code"]), (&"fatal".into(), &100.into()));
    assert!(line["error"].as_str().unwrap().contains("unix:/nowhere/socket"));
}
