//! What a Unix socket may be called.

use std::io::ErrorKind::{InvalidInput, NotFound};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::path::PathBuf;

use socketserver::{Address, HandlerFn, Result, StreamRequest, UnixStreamServer};
use testkit::{DEADLINE, alone, socket_path};

use crate::noting::{connect, stop};
use crate::{DatagramServer, StreamServer, back_greeter, greeter};

/// A61: `sun_path` has 108 bytes, the last of which is a NUL.
#[test]
fn a_path_that_is_too_long_is_refused_by_name() {
    let _alone = alone();
    let folder = socket_path();
    let of_length = |len: usize| {
        let begin = folder.folder().join("x");
        let missing = len - begin.as_os_str().len();
        PathBuf::from(begin.display().to_string() + &"x".repeat(missing))
    };
    let longest = of_length(107);
    let server = StreamServer::bind(&longest, greeter).unwrap().spawn().unwrap();
    assert_eq!(server.server_address().as_path(), Some(&*longest));
    assert_eq!(connect(server.server_address()).read_to_end().unwrap(), b"hello");
    stop(server);
    drop(DatagramServer::bind(&longest, back_greeter).unwrap());

    for len in [108, 109, 200] {
        let path = of_length(len);
        let told = format!(
            "cannot bind to {}: the path has {len} bytes, and a Unix socket's at most 107",
            path.display()
        );
        for error in [
            StreamServer::bind(&path, greeter).unwrap_err(),
            DatagramServer::bind(&path, back_greeter).unwrap_err(),
        ] {
            assert_eq!((error.kind(), error.to_string()), (InvalidInput, told.clone()));
        }
    }
    assert!(folder.left().is_empty(), "{:?}", folder.left());
}

/// The error names the path.
#[test]
fn a_path_in_a_folder_that_is_not_there_is_refused_by_name() {
    let _alone = alone();
    let folder = socket_path();
    let path = folder.folder().join("no/such/folder");
    let error = StreamServer::bind(&path, greeter).unwrap_err();
    assert_eq!(error.kind(), NotFound);
    assert!(error.to_string().contains(&path.display().to_string()), "{error}");
}

/// A59.
#[test]
fn an_abstract_name_is_bound_and_is_in_no_file_system() {
    let _alone = alone();
    let name = format!("socketserver-test-{}", std::process::id());
    // A mode means nothing to it.
    let builder = StreamServer::builder(greeter).mode(0o600);
    let server = builder.bind(format!("\0{name}")).unwrap().spawn().unwrap();
    assert_eq!(*server.server_address(), Address::Abstract(name.clone().into_bytes()));
    assert_eq!(server.server_address().to_string(), format!("@{name}"));
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let mut client = UnixStream::connect_addr(&address).unwrap();
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut reply = String::new();
    std::io::Read::read_to_string(&mut client, &mut reply).unwrap();
    assert_eq!(reply, "hello");

    let error = StreamServer::bind(format!("\0{name}"), greeter).unwrap_err();
    assert!(error.to_string().starts_with(&format!("cannot bind to @{name}: ")), "{error}");
    stop(server);
    // It goes with the server.
    drop(DatagramServer::bind(format!("\0{name}"), back_greeter).unwrap());
}

/// A59: Linux chooses a name when it is given none.
#[test]
fn without_a_name_the_kernel_chooses_an_abstract_one() {
    let _alone = alone();
    let stream = StreamServer::bind("", greeter).unwrap();
    let datagram = DatagramServer::bind("", back_greeter).unwrap();
    for address in [stream.server_address(), datagram.server_address()] {
        assert!(matches!(address, Address::Abstract(name) if !name.is_empty()), "{address:?}");
    }
}

/// A59, A60: most clients have none; one that has bound itself is known by it.
#[test]
fn a_stream_clients_name_is_its_address() {
    let _alone = alone();
    let (path, own) = (socket_path(), socket_path());
    let names = |request: &mut StreamRequest<'_>| -> Result {
        let name = format!("{:?}", request.client_address);
        Ok(request.connection().send_all(name.as_bytes())?)
    };
    let server = UnixStreamServer::bind(&path, move || HandlerFn::new(names)).unwrap();
    let server = server.spawn().unwrap();
    let reply = connect(server.server_address()).read_to_end().unwrap();
    assert_eq!(String::from_utf8(reply).unwrap(), "Unix(None)");

    let client = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
    client.bind(&socket2::SockAddr::unix(&own).unwrap()).unwrap();
    client.connect(&socket2::SockAddr::unix(&path).unwrap()).unwrap();
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut reply = String::new();
    std::io::Read::read_to_string(&mut &client, &mut reply).unwrap();
    assert_eq!(reply, format!("Unix(Some({:?}))", &*own));
    stop(server);
}
