use jiff::Timestamp;

/// From the beginning of 1900, from which RFC 868 counts, to that of 1970.
const SECONDS_TO_1970: i64 = 2_208_988_800;

/// RFC 868: the seconds since 1900, in the network's byte order.
pub(super) fn now() -> [u8; 4] {
    seconds(Timestamp::now())
}

/// The 32 bits of the RFC begin anew in February 2036, and so does this.
fn seconds(time: Timestamp) -> [u8; 4] {
    ((time.as_second() + SECONDS_TO_1970) as u32).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn seconds_are_counted_as_in_the_rfc() {
        let of = |time: &str| u32::from_be_bytes(seconds(time.parse().unwrap()));
        // The examples of the RFC.
        assert_eq!(of("1970-01-01T00:00:00Z"), 2_208_988_800);
        assert_eq!(of("1976-01-01T00:00:00Z"), 2_398_291_200);
        assert_eq!(of("1980-01-01T00:00:00Z"), 2_524_521_600);
        assert_eq!(of("1983-05-01T00:00:00Z"), 2_629_584_000);
        assert_eq!(of("2036-02-07T06:28:16Z"), 0);
    }
}
