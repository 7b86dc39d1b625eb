use std::error::Error;
use std::fmt;

/// What is wrong with an endpoint; its text names the endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EndpointError {
    pub(super) endpoint: String,
    pub(super) problem: Problem,
}

/// What can be wrong with an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    NoScheme,
    UnknownScheme(String),
    NoSlashes(&'static str),
    NoHost,
    BadHost(String),
    Unbracketed(String),
    WrongFamily { host: String, scheme: &'static str },
    NoPort,
    BadPort(String),
    NoName,
    NulInPath,
    BadEscape,
    BadDescriptor(String),
    StandardStream,
    UnknownOption(String),
    OptionTwice(String),
    OptionOfOthers { option: String, scheme: &'static str },
    BadValue { option: String, expected: &'static str },
}

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Quoted, for what is wrong may well be a space or a line's end.
        write!(f, "endpoint {:?}: {}", self.endpoint, self.problem)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SCHEMES: &str = "tcp://, tcp4://, tcp6://, udp://, udp4://, udp6://, unix:, \
                               unixgram: and fd:";
        match self {
            Self::NoScheme => write!(f, "it does not say what it is; there are {SCHEMES}"),
            Self::UnknownScheme(scheme) => {
                write!(f, "unknown kind {scheme:?}; there are {SCHEMES}")
            }
            Self::NoSlashes(scheme) => {
                write!(f, "two slashes are missing; write {scheme}://HOST:PORT")
            }
            Self::NoHost => {
                f.write_str("no host; write 127.0.0.1 for this host alone, [::] for all addresses")
            }
            Self::BadHost(host) => write!(f, "{host:?} is not a host"),
            Self::Unbracketed(host) => {
                write!(f, "an IPv6 address stands in brackets; write [{host}]")
            }
            Self::WrongFamily { host, scheme } => {
                write!(f, "{host} is not an address for {scheme}")
            }
            Self::NoPort => f.write_str("no port; write :0 for one of the system's choice"),
            Self::BadPort(port) => write!(f, "{port:?} is not a port, a number from 0 to 65535"),
            Self::NoName => f.write_str("no path, and no abstract name after an @"),
            Self::NulInPath => f.write_str("a path cannot have a NUL in it"),
            Self::BadEscape => {
                f.write_str("after a % stand two hexadecimal digits; write %25 for the % itself")
            }
            Self::BadDescriptor(number) => {
                write!(f, "{number:?} is not the number of a descriptor")
            }
            Self::StandardStream => {
                f.write_str("descriptors 0 to 2 are the standard streams; pass 3 or another")
            }
            Self::UnknownOption(option) => {
                write!(f, "unknown option {option:?}; there are backlog, mode, owner and reuseport")
            }
            Self::OptionTwice(option) => write!(f, "option {option} is given twice"),
            Self::OptionOfOthers { option, scheme } => {
                write!(f, "option {option} means nothing for {scheme}")
            }
            Self::BadValue { option, expected } => write!(f, "option {option} wants {expected}"),
        }
    }
}

impl Error for EndpointError {}
