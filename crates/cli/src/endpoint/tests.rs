use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use proptest::prelude::{Just, Strategy, any, prop};
use proptest::{option, prop_assert_eq, prop_oneof, proptest};

use super::{Endpoint, Family, Inet, Name, Options, Owner, Place, Unix};

fn parse(text: &str) -> Endpoint {
    text.parse().unwrap()
}

/// Why `text` is no endpoint. It names the endpoint, and is one line.
fn problem(text: &str) -> String {
    let error = text.parse::<Endpoint>().unwrap_err().to_string();
    let named = format!("endpoint {text:?}: ");
    assert!(!error.contains('\n'), "{error:?}");
    error.strip_prefix(&named).unwrap_or_else(|| panic!("{error:?}")).to_owned()
}

#[test]
fn every_kind_is_parsed() {
    let tcp = |family, host: &str, port| Place::Inet {
        scheme: Inet { is_udp: false, family },
        host: host.to_owned(),
        port,
    };
    assert_eq!(parse("tcp://127.0.0.1:80").place, tcp(Family::Any, "127.0.0.1", 80));
    assert_eq!(parse("tcp4://localhost:0").place, tcp(Family::V4, "localhost", 0));
    assert_eq!(parse("tcp6://[::1]:80").place, tcp(Family::V6, "::1", 80));
    assert_eq!(parse("tcp://[fe80::1%2]:80").place, tcp(Family::Any, "fe80::1%2", 80));
    assert!(matches!(
        parse("udp4://0.0.0.0:53").place,
        Place::Inet { scheme: Inet { is_udp: true, family: Family::V4 }, .. }
    ));
    let unix = |scheme, name| Place::Unix { scheme, name };
    let path = |path: &str| Name::Path(path.into());
    assert_eq!(parse("unix:/run/a").place, unix(Unix::Stream, path("/run/a")));
    assert_eq!(parse("unix:a%3Fb%25").place, unix(Unix::Stream, path("a?b%")));
    assert_eq!(parse("unixgram:./a").place, unix(Unix::Datagram, path("./a")));
    assert_eq!(parse("unix:@a%00b").place, unix(Unix::Stream, Name::Abstract(b"a\0b".to_vec())));
    assert_eq!(parse("unix:%40a").place, unix(Unix::Stream, path("@a")));
    assert_eq!(parse("fd:3").place, Place::Descriptor(3));
}

#[test]
fn options_are_parsed() {
    let both = parse("unix:/a?mode=0660&owner=1000:100").options;
    assert_eq!(both.mode, Some(0o660));
    assert_eq!(both.owner, Some(Owner { uid: Some(1000), gid: Some(100) }));
    let group = parse("unixgram:/a?owner=:100").options.owner;
    assert_eq!(group, Some(Owner { uid: None, gid: Some(100) }));
    let tcp = parse("tcp://[::]:80?reuseport&backlog=16").options;
    assert_eq!((tcp.reuse_port, tcp.backlog), (true, Some(16)));
    assert_eq!(parse("fd:3?backlog=1").options.backlog, Some(1));
}

#[test]
fn what_is_wrong_is_said() {
    for (text, part) in [
        ("", "does not say what it is"),
        ("127.0.0.1", "does not say what it is"),
        ("localhost:7000", "does not say what it is"),
        ("http://a:1", "unknown kind \"http\""),
        ("tcp:127.0.0.1:1", "write tcp://HOST:PORT"),
        ("tcp://127.0.0.1", "no port"),
        ("tcp://[::1]", "no port"),
        ("tcp://:1", "no host"),
        ("tcp://a b:1", "\"a b\" is not a host"),
        ("tcp://u@h:1", "\"u@h\" is not a host"),
        ("tcp://[::1", "is not a host"),
        ("tcp://[localhost]:1", "\"[localhost]\" is not a host"),
        ("tcp://::1:80", "write [::1:80]"),
        ("tcp://1:2:3:80", "write [1:2:3]"),
        ("tcp4://[::1]:1", "::1 is not an address for tcp4"),
        ("udp6://127.0.0.1:1", "127.0.0.1 is not an address for udp6"),
        ("tcp://a:65536", "\"65536\" is not a port"),
        ("tcp://a:+1", "\"+1\" is not a port"),
        ("tcp://a:", "\"\" is not a port"),
        ("tcp://a:80/path", "\"80/path\" is not a port"),
        ("unix:", "no path"),
        ("unix:@", "no path"),
        ("unix:/a%00", "NUL"),
        ("unix:/a%4", "two hexadecimal digits"),
        ("fd:x", "\"x\" is not the number of a descriptor"),
        ("fd:", "\"\" is not the number of a descriptor"),
        ("fd:1", "standard streams"),
        ("tcp://a:1?", "unknown option \"\""),
        ("tcp://a:1?nodelay", "unknown option \"nodelay\""),
        ("tcp://a:1?backlog=1&backlog=2", "option backlog is given twice"),
        ("tcp://a:1?backlog=0", "option backlog wants a number from 1 on"),
        ("tcp://a:1?backlog", "option backlog wants a number from 1 on"),
        ("tcp://a:1?reuseport=1", "option reuseport wants no value"),
        ("tcp://a:1?mode=660", "option mode means nothing for tcp"),
        ("udp://a:1?backlog=1", "option backlog means nothing for udp"),
        ("unixgram:/a?backlog=1", "option backlog means nothing for unixgram"),
        ("unix:@a?mode=660", "option mode means nothing for an abstract name"),
        ("fd:3?reuseport", "option reuseport means nothing for fd"),
        ("unix:/a?mode=888", "octal digits"),
        ("unix:/a?mode=7777", "octal digits"),
        ("unix:/a?owner=root", "option owner wants numbers"),
        ("unix:/a?owner=:", "option owner wants numbers"),
    ] {
        let problem = problem(text);
        assert!(problem.contains(part), "{text:?}: {problem}");
    }
}

fn names() -> impl Strategy<Value = Name> {
    let bytes = || prop::collection::vec(any::<u8>(), 1..40);
    let path =
        bytes().prop_map(|bytes| bytes.into_iter().map(|byte| byte.max(1)).collect::<Vec<_>>());
    prop_oneof![
        path.prop_map(|path| Name::Path(OsString::from_vec(path).into())),
        bytes().prop_map(Name::Abstract),
    ]
}

fn inets() -> impl Strategy<Value = Place> {
    let families = prop_oneof![Just(Family::Any), Just(Family::V4), Just(Family::V6)];
    let v6 = prop_oneof![
        any::<[u8; 16]>().prop_map(|address| std::net::Ipv6Addr::from(address).to_string()),
        (1..=9_u8).prop_map(|scope| format!("fe80::1%{scope}")),
    ];
    (any::<bool>(), families, "[a-z0-9-]{1,8}(\\.[a-z]{1,8})?", v6, any::<u16>()).prop_map(
        |(is_udp, family, name, v6, port)| {
            let host = if family == Family::V6 { v6 } else { name };
            Place::Inet { scheme: Inet { is_udp, family }, host, port }
        },
    )
}

fn endpoints() -> impl Strategy<Value = Endpoint> {
    let places = prop_oneof![
        inets(),
        (any::<bool>(), names()).prop_map(|(is_stream, name)| {
            let scheme = if is_stream { Unix::Stream } else { Unix::Datagram };
            Place::Unix { scheme, name }
        }),
        (3..i32::MAX).prop_map(Place::Descriptor),
    ];
    let id = || option::of(0..u32::MAX);
    let options = (option::of(1..i32::MAX), any::<bool>(), option::of(0..=0o777_u32), id(), id());
    (places, options).prop_map(|(place, (backlog, reuse_port, mode, uid, gid))| {
        let is_stream = match &place {
            Place::Inet { scheme, .. } => !scheme.is_udp,
            Place::Unix { scheme, .. } => *scheme == Unix::Stream,
            Place::Descriptor(_) => true,
        };
        let is_path = matches!(place, Place::Unix { name: Name::Path(_), .. });
        let has_owner = is_path && (uid.is_some() || gid.is_some());
        let options = Options {
            backlog: backlog.filter(|_| is_stream),
            reuse_port: reuse_port && matches!(place, Place::Inet { .. }),
            mode: mode.filter(|_| is_path),
            owner: has_owner.then_some(Owner { uid, gid }),
        };
        Endpoint { place, options }
    })
}

proptest! {
    #[test]
    fn what_is_written_is_parsed_as_what_it_was(endpoint in endpoints()) {
        prop_assert_eq!(endpoint.to_string().parse(), Ok(endpoint));
    }

    #[test]
    fn no_text_is_too_strange(text in "(tcp|udp6|unix|fd|x)?:?(//)?\\PC{0,20}") {
        if let Ok(endpoint) = text.parse::<Endpoint>() {
            prop_assert_eq!(endpoint.to_string().parse(), Ok(endpoint));
        }
    }
}
