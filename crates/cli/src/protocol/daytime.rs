use jiff::{Timestamp, tz::TimeZone};

/// RFC 867: the day and the time as a line, in the first of the forms that the RFC shows.
pub(super) fn now() -> String {
    line(Timestamp::now())
}

fn line(time: Timestamp) -> String {
    time.to_zoned(TimeZone::UTC).strftime("%A, %B %-d, %Y %H:%M:%S-UTC\r\n").to_string()
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn the_line_is_that_of_the_rfc() {
        let time = "1982-02-22T17:37:43Z".parse().unwrap();
        assert_eq!(line(time), "Monday, February 22, 1982 17:37:43-UTC\r\n");
    }
}
