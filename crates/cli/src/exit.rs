//! How the command ends: its exit codes, and the one line that says why.

use std::fmt;
use std::io;

/// All connections had ended by themselves when the command ended.
pub(crate) const COMPLETE: u8 = 0;
/// Connections were cut, for the time of the drain was over.
pub(crate) const CUT: u8 = 1;
/// The command line is wrong.
pub(crate) const USAGE: u8 = 2;
/// Something is wrong that trying again does not mend. The number is ucspi's.
pub(crate) const PERMANENT: u8 = 100;
/// Something is wrong that may be right later. The number is ucspi's.
pub(crate) const TEMPORARY: u8 = 111;

/// Why the command cannot serve, or not any longer.
#[derive(Clone, Debug)]
pub(crate) struct Fatal {
    pub(crate) code: u8,
    /// One line that names what is wrong.
    pub(crate) text: String,
}

impl Fatal {
    pub(crate) fn usage(error: impl fmt::Display) -> Self {
        Self { code: USAGE, text: error.to_string() }
    }

    pub(crate) fn permanent(text: impl Into<String>) -> Self {
        Self { code: PERMANENT, text: text.into() }
    }

    /// An endpoint that was being served and cannot be any longer: another start may serve it
    /// again.
    pub(crate) fn lost(endpoint: &str, error: impl fmt::Display) -> Self {
        Self { code: TEMPORARY, text: format!("{endpoint}: cannot be served any longer: {error}") }
    }

    /// What `error` means for `what`, with the code that its kind deserves.
    pub(crate) fn of(what: impl fmt::Display, error: &io::Error) -> Self {
        use io::ErrorKind::{
            AlreadyExists, InvalidInput, IsADirectory, NotADirectory, NotFound, PermissionDenied,
            ReadOnlyFilesystem, Unsupported,
        };
        let code = match error.kind() {
            AlreadyExists | InvalidInput | IsADirectory | NotADirectory | NotFound
            | PermissionDenied | ReadOnlyFilesystem | Unsupported => PERMANENT,
            // A port that is taken, a name server that does not answer, no descriptors.
            _ => TEMPORARY,
        };
        Self { code, text: format!("{what}: {error}") }
    }
}

impl fmt::Display for Fatal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text.replace('\n', " "))
    }
}
