//! What a message says: RFC 5424, and RFC 3164 for what was in use before it.

use std::fmt::{self, Write};

const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv",
    "ftp", "ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4",
    "local5", "local6", "local7",
];
const SEVERITIES: [&str; 8] =
    ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];

/// `user.notice`: what a message is that does not say.
const UNSAID: usize = 13;

/// The parts of a message; what it does not say is `-`, as in RFC 5424.
#[derive(Debug)]
pub(crate) struct Message<'a> {
    priority: usize,
    time: &'a str,
    host: &'a str,
    program: &'a str,
    process: &'a str,
    /// The structured data of RFC 5424, in its brackets.
    data: &'a str,
    text: &'a str,
}

impl<'a> Message<'a> {
    /// Never fails: what is not understood is text.
    pub(crate) fn parse(message: &'a str) -> Self {
        let message = message.trim_end_matches(['\r', '\n', '\0']);
        let Some((priority, rest)) = parse_priority(message) else {
            return Self::only_text(UNSAID, message);
        };
        parse_5424(priority, rest)
            .or_else(|| parse_3164(priority, rest))
            .unwrap_or_else(|| Self::only_text(priority, rest))
    }

    fn only_text(priority: usize, text: &'a str) -> Self {
        let [time, host, program, process, data] = ["-"; 5];
        Self { priority, time, host, program, process, data, text }
    }
}

/// `<PRIORITY>`: eight times the facility, and the severity.
fn parse_priority(message: &str) -> Option<(usize, &str)> {
    let (digits, rest) = message.strip_prefix('<')?.split_once('>')?;
    let is_number = (1..=3).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    let priority = is_number.then(|| digits.parse().ok()).flatten()?;
    (priority < 8 * FACILITIES.len()).then_some((priority, rest))
}

/// `1 TIME HOST PROGRAM PROCESS MESSAGE-ID DATA [TEXT]`
fn parse_5424(priority: usize, message: &str) -> Option<Message<'_>> {
    let (time, rest) = message.strip_prefix("1 ")?.split_once(' ')?;
    let (host, rest) = rest.split_once(' ')?;
    let (program, rest) = rest.split_once(' ')?;
    let (process, rest) = rest.split_once(' ')?;
    let (_message_id, rest) = rest.split_once(' ')?;
    let (data, rest) = rest.split_at(length_of_data(rest)?);
    let text = if rest.is_empty() { "" } else { rest.strip_prefix(' ')? };
    // Says that the text is UTF-8, which it is.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    Some(Message { priority, time, host, program, process, data, text })
}

/// `-`, or `[id name="value" ...]` as often as one likes; in a value, `\` takes away the meaning
/// of the next character.
fn length_of_data(text: &str) -> Option<usize> {
    if text.starts_with('-') {
        return Some(1);
    }
    let (mut in_element, mut in_value, mut is_escaped) = (false, false, false);
    for (at, letter) in text.char_indices() {
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' if in_value => is_escaped = true,
            '"' if in_element => in_value = !in_value,
            _ if in_value => {}
            '[' if !in_element => in_element = true,
            ']' if in_element => in_element = false,
            _ if in_element => {}
            _ => return (at > 0).then_some(at),
        }
    }
    (!in_element && !text.is_empty()).then_some(text.len())
}

/// `Nov 22 09:26:53 [HOST ]PROGRAM[PROCESS]: TEXT`; on the same machine the host is left out.
fn parse_3164(priority: usize, message: &str) -> Option<Message<'_>> {
    let (time, rest) = message.split_at_checked(15)?;
    let mut rest = rest.strip_prefix(' ')?;
    let is_time = time.bytes().zip(b"Aaa 99 99:99:99").all(|(byte, form)| match form {
        b'9' => byte.is_ascii_digit() || byte == b' ',
        b' ' | b':' => byte == *form,
        _ => byte.is_ascii_alphabetic(),
    });
    if !is_time {
        return None;
    }
    let mut host = "-";
    if let Some((word, after)) = rest.split_once(' ')
        && !word.ends_with(':')
        && !word.contains('[')
    {
        (host, rest) = (word, after);
    }
    let Some((tag, text)) = rest.split_once(':').filter(|(tag, _)| !tag.contains(' ')) else {
        return Some(Message { time, host, ..Message::only_text(priority, rest) });
    };
    let (program, process) = match tag.strip_suffix(']').and_then(|tag| tag.split_once('[')) {
        Some((program, process)) => (program, process),
        None => (tag, "-"),
    };
    let text = text.strip_prefix(' ').unwrap_or(text);
    Some(Message { priority, time, host, program, process, data: "-", text })
}

impl fmt::Display for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { priority, time, host, program, process, data, text } = self;
        let (facility, severity) = (FACILITIES[priority / 8], SEVERITIES[priority % 8]);
        let mut line = format!("{facility}.{severity} {time} {host} {program}");
        for (before, part, after) in [("[", process, "]"), (" ", data, "")] {
            if *part != "-" {
                line.extend([before, part, after]);
            }
        }
        line.extend([": ", text]);
        // Whoever logs must not be able to forge a line, or to steer a terminal.
        for letter in line.chars() {
            match letter.is_control() {
                true => write!(f, "{}", letter.escape_default())?,
                false => f.write_char(letter)?,
            }
        }
        Ok(())
    }
}
