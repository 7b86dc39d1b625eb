use std::num::NonZero;
use std::time::Duration;

/// How long something may wait, if that is limited, in half of the size.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Timeout(Option<NonZero<u64>>);

impl Timeout {
    /// What is longer than 500 years is as long; and nothing is shorter than a nanosecond.
    pub(super) fn new(timeout: Option<Duration>) -> Self {
        let nanos = timeout.map(|timeout| u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX));
        Self(nanos.map(|nanos| NonZero::new(nanos).unwrap_or(NonZero::<u64>::MIN)))
    }

    pub(super) fn get(self) -> Option<Duration> {
        self.0.map(|nanos| Duration::from_nanos(nanos.get()))
    }
}
