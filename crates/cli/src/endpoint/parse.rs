use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddrV6};
use std::os::unix::ffi::OsStringExt;
use std::str::FromStr;

use super::error::{EndpointError, Problem};
use super::{Endpoint, Family, Inet, Name, Options, Owner, Place, Unix};

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        parse(text).map_err(|problem| EndpointError { endpoint: text.to_owned(), problem })
    }
}

fn parse(text: &str) -> Result<Endpoint, Problem> {
    let (rest, query) = match text.split_once('?') {
        Some((rest, query)) => (rest, Some(query)),
        None => (text, None),
    };
    let (scheme, rest) = rest.split_once(':').ok_or(Problem::NoScheme)?;
    let place = match scheme {
        "tcp" => inet(Inet { is_udp: false, family: Family::Any }, rest),
        "tcp4" => inet(Inet { is_udp: false, family: Family::V4 }, rest),
        "tcp6" => inet(Inet { is_udp: false, family: Family::V6 }, rest),
        "udp" => inet(Inet { is_udp: true, family: Family::Any }, rest),
        "udp4" => inet(Inet { is_udp: true, family: Family::V4 }, rest),
        "udp6" => inet(Inet { is_udp: true, family: Family::V6 }, rest),
        "unix" => unix(Unix::Stream, rest),
        "unixgram" => unix(Unix::Datagram, rest),
        "fd" => descriptor(rest),
        // `127.0.0.1:7000`, `localhost:7000`
        _ if rest.parse::<u16>().is_ok() => Err(Problem::NoScheme),
        _ => Err(Problem::UnknownScheme(scheme.to_owned())),
    }?;
    let options = match query {
        Some(query) => options(query, &place)?,
        None => Options::default(),
    };
    Ok(Endpoint { place, options })
}

fn inet(scheme: Inet, rest: &str) -> Result<Place, Problem> {
    let place = |host: &str, port| Place::Inet { scheme, host: host.to_owned(), port };
    let name = place("", 0).scheme();
    let rest = rest.strip_prefix("//").ok_or(Problem::NoSlashes(name))?;
    let wrong_family = |host: &str| Problem::WrongFamily { host: host.to_owned(), scheme: name };

    if let Some(rest) = rest.strip_prefix('[') {
        let (host, rest) =
            rest.split_once(']').ok_or_else(|| Problem::BadHost(format!("[{rest}")))?;
        if format!("[{host}]:0").parse::<SocketAddrV6>().is_err() {
            return Err(Problem::BadHost(format!("[{host}]")));
        }
        if scheme.family == Family::V4 {
            return Err(wrong_family(host));
        }
        let port = rest.strip_prefix(':').ok_or(Problem::NoPort)?;
        return Ok(place(host, parse_port(port)?));
    }
    let (host, port) = rest.rsplit_once(':').ok_or(Problem::NoPort)?;
    if host.is_empty() {
        return Err(Problem::NoHost);
    }
    if rest.parse::<std::net::Ipv6Addr>().is_ok() {
        return Err(Problem::Unbracketed(rest.to_owned()));
    }
    if host.contains(':') {
        return Err(Problem::Unbracketed(host.to_owned()));
    }
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
    if !host.chars().all(is_plain) {
        return Err(Problem::BadHost(host.to_owned()));
    }
    if scheme.family == Family::V6 && host.parse::<Ipv4Addr>().is_ok() {
        return Err(wrong_family(host));
    }
    Ok(place(host, parse_port(port)?))
}

fn parse_port(port: &str) -> Result<u16, Problem> {
    // The standard library takes a sign too.
    match number(port) {
        Some(port) => Ok(port),
        None => Err(Problem::BadPort(port.to_owned())),
    }
}

/// A number of digits alone.
fn number<N: FromStr>(text: &str) -> Option<N> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

fn unix(scheme: Unix, rest: &str) -> Result<Place, Problem> {
    let name = match rest.strip_prefix('@') {
        Some(name) => Name::Abstract(unescape(name)?),
        None => {
            let path = unescape(rest)?;
            if path.contains(&0) {
                return Err(Problem::NulInPath);
            }
            Name::Path(OsString::from_vec(path).into())
        }
    };
    match &name {
        Name::Path(path) if path.as_os_str().is_empty() => Err(Problem::NoName),
        Name::Abstract(name) if name.is_empty() => Err(Problem::NoName),
        _ => Ok(Place::Unix { scheme, name }),
    }
}

fn unescape(text: &str) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        match (digit(), digit()) {
            (Some(high), Some(low)) => bytes.push((high * 16 + low) as u8),
            _ => return Err(Problem::BadEscape),
        }
    }
    Ok(bytes)
}

fn descriptor(rest: &str) -> Result<Place, Problem> {
    match number(rest) {
        Some(0..=2) => Err(Problem::StandardStream),
        Some(number) => Ok(Place::Descriptor(number)),
        None => Err(Problem::BadDescriptor(rest.to_owned())),
    }
}

fn options(query: &str, place: &Place) -> Result<Options, Problem> {
    let mut options = Options::default();
    let mut seen = Vec::new();
    for text in query.split('&') {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        if seen.contains(&name) {
            return Err(Problem::OptionTwice(name.to_owned()));
        }
        seen.push(name);
        let has = match name {
            "backlog" => match place {
                Place::Inet { scheme, .. } => !scheme.is_udp,
                Place::Unix { scheme, .. } => *scheme == Unix::Stream,
                // What it is will be seen later.
                Place::Descriptor(_) => true,
            },
            "reuseport" => matches!(place, Place::Inet { .. }),
            "mode" | "owner" => matches!(place, Place::Unix { name: Name::Path(_), .. }),
            _ => return Err(Problem::UnknownOption(name.to_owned())),
        };
        if !has {
            let scheme = match place {
                Place::Unix { name: Name::Abstract(_), .. } => "an abstract name",
                place => place.scheme(),
            };
            return Err(Problem::OptionOfOthers { option: name.to_owned(), scheme });
        }
        set(&mut options, name, value)
            .map_err(|expected| Problem::BadValue { option: name.to_owned(), expected })?;
    }
    Ok(options)
}

/// Sets one option; or says what its value must be.
fn set(options: &mut Options, name: &str, value: Option<&str>) -> Result<(), &'static str> {
    let text = value.unwrap_or_default();
    match name {
        "backlog" => {
            let backlog = number(text).filter(|&backlog| backlog > 0);
            options.backlog = Some(backlog.ok_or("a number from 1 on, such as backlog=128")?);
        }
        "reuseport" if value.is_none() => options.reuse_port = true,
        "reuseport" => return Err("no value"),
        "mode" => {
            let is_octal = !text.is_empty() && text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
            let mode = is_octal.then(|| u32::from_str_radix(text, 8).ok()).flatten();
            let mode = mode.filter(|&mode| mode <= 0o777);
            options.mode = Some(mode.ok_or("octal digits up to 777, such as mode=660")?);
        }
        _ => {
            options.owner =
                Some(parse_owner(text).ok_or("numbers, such as owner=1000 or owner=1000:100")?);
        }
    }
    Ok(())
}

fn parse_owner(text: &str) -> Option<Owner> {
    let (uid, gid) = match text.split_once(':') {
        Some((uid, gid)) => (uid, Some(gid)),
        None => (text, None),
    };
    let uid = match uid {
        "" if gid.is_some() => None,
        uid => Some(id(uid)?),
    };
    let gid = match gid {
        Some(gid) => Some(id(gid)?),
        None => None,
    };
    Some(Owner { uid, gid })
}

/// A user's or a group's number; the last stands for none in `chown(2)`.
fn id(text: &str) -> Option<u32> {
    number(text).filter(|&id| id != u32::MAX)
}
