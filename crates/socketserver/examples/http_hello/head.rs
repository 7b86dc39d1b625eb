//! What the head of a request says, and what a request may not be.

use httparse::Header;

/// The most header fields, and the longest body.
const HEADERS: usize = 64;
const BODY: usize = 64 * 1024;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Head,
    Post,
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Ok = 200,
    BadRequest = 400,
    NotFound = 404,
    MethodNotAllowed = 405,
    RequestTimeout = 408,
    ContentTooLarge = 413,
    ExpectationFailed = 417,
    HeadersTooLarge = 431,
    NotImplemented = 501,
    VersionNotSupported = 505,
}

impl Status {
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::BadRequest => "Bad Request",
            Self::NotFound => "Not Found",
            Self::MethodNotAllowed => "Method Not Allowed",
            Self::RequestTimeout => "Request Timeout",
            Self::ContentTooLarge => "Content Too Large",
            Self::ExpectationFailed => "Expectation Failed",
            Self::HeadersTooLarge => "Request Header Fields Too Large",
            Self::NotImplemented => "Not Implemented",
            Self::VersionNotSupported => "HTTP Version Not Supported",
        }
    }
}

/// What a head says.
pub(crate) struct Head {
    pub(crate) method: Method,
    pub(crate) target: String,
    pub(crate) content_length: usize,
    pub(crate) keep_alive: bool,
    /// The client waits for our word before it sends the body.
    pub(crate) expects_continue: bool,
}

impl Head {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Status> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS];
        let mut parsed = httparse::Request::new(&mut headers);
        match parsed.parse(bytes) {
            Ok(httparse::Status::Complete(_)) => {}
            Err(httparse::Error::TooManyHeaders) => return Err(Status::HeadersTooLarge),
            Err(httparse::Error::Version) => return Err(Status::VersionNotSupported),
            Ok(httparse::Status::Partial) | Err(_) => return Err(Status::BadRequest),
        }
        let is_1_1 = parsed.version == Some(1);
        let headers = &*parsed.headers;
        let has_one_host = values(headers, "Host").count() == 1;
        if is_1_1 && !has_one_host {
            return Err(Status::BadRequest);
        }
        let content_length = content_length(headers)?;
        let expects_continue = is_1_1 && expects_continue(headers)?;
        let keep_alive = match is_1_1 {
            true => !has_token(headers, "Connection", "close"),
            false => has_token(headers, "Connection", "keep-alive"),
        };
        let method = match parsed.method {
            Some("GET") => Method::Get,
            Some("HEAD") => Method::Head,
            Some("POST") => Method::Post,
            _ => Method::Other,
        };
        let target = parsed.path.unwrap_or_default().to_owned();
        Ok(Self { method, target, content_length, keep_alive, expects_continue })
    }
}

/// How long the body is. A request that two readers could take for two different ones is refused.
fn content_length(headers: &[Header<'_>]) -> Result<usize, Status> {
    let is_coded = values(headers, "Transfer-Encoding").next().is_some();
    let mut lengths = values(headers, "Content-Length");
    let Some(length) = lengths.next() else {
        return if is_coded { Err(Status::NotImplemented) } else { Ok(0) };
    };
    let is_number = !length.is_empty() && length.iter().all(u8::is_ascii_digit);
    if is_coded || !is_number || lengths.any(|other| other != length) {
        return Err(Status::BadRequest);
    }
    // A number too large for us is a body too large for us.
    let length = str::from_utf8(length).ok().and_then(|length| length.parse().ok());
    length.filter(|&length| length <= BODY).ok_or(Status::ContentTooLarge)
}

fn expects_continue(headers: &[Header<'_>]) -> Result<bool, Status> {
    match values(headers, "Expect").next() {
        None => Ok(false),
        Some(value) if value.eq_ignore_ascii_case(b"100-continue") => Ok(true),
        Some(_) => Err(Status::ExpectationFailed),
    }
}

fn values<'a>(headers: &[Header<'a>], name: &str) -> impl Iterator<Item = &'a [u8]> {
    headers.iter().filter(move |h| h.name.eq_ignore_ascii_case(name)).map(|h| h.value)
}

fn has_token(headers: &[Header<'_>], name: &str, token: &str) -> bool {
    values(headers, name)
        .flat_map(|value| value.split(|&byte| byte == b','))
        .any(|part| part.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}
