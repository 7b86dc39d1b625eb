//! Who can take part on this machine, and in which version.

use std::fmt;

use crate::options::{Command, Options};
use crate::serve::scripts;
use crate::servers::{self, Needs};

/// What is there, and what is not.
#[derive(Debug)]
pub(crate) struct Roster {
    /// What was found of each need: its version, or why it cannot be used.
    found: Vec<(Needs, Result<String, String>)>,
    /// If not empty, only these servers take part.
    only: Vec<String>,
}

impl Roster {
    /// Looks for everything that any server needs, and builds what has to be built.
    pub(crate) fn prepare(options: &Options) -> Self {
        let mut needs =
            vec![Needs::Nothing, Needs::Peers, Needs::Python, Needs::Gevent, Needs::Go, Needs::C];
        if options.command != Command::Run {
            needs.extend([Needs::Redis, Needs::Examples]);
        }
        let found = needs.into_iter().map(|need| {
            let version = match scripts::prepare(need, &options.python) {
                Ok(Some(version)) => Ok(version),
                Ok(None) => Err(format!("there is no {need}")),
                Err(error) => Err(error.to_string()),
            };
            (need, version)
        });
        Self { found: found.collect(), only: options.servers.clone() }
    }

    /// Whether it is wanted and can run.
    pub(crate) fn has(&self, name: &str) -> bool {
        let is_wanted = self.only.is_empty() || self.only.iter().any(|only| only == name);
        is_wanted && self.missing(name).is_none()
    }

    /// Why a server cannot run here.
    pub(crate) fn missing(&self, name: &str) -> Option<&str> {
        let needs = servers::find(name).map_or(Needs::Nothing, |server| server.needs);
        let (_, found) = self.found.iter().find(|(need, _)| *need == needs)?;
        found.as_ref().err().map(String::as_str)
    }

    fn version(&self, need: Needs) -> Option<&str> {
        let (_, found) = self.found.iter().find(|(found, _)| *found == need)?;
        found.as_deref().ok()
    }
}

/// The versions of all that is not ours, and what is skipped, as lines of a list in Markdown.
impl fmt::Display for Roster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut versions = Vec::new();
        if self.version(Needs::Peers).is_some() {
            for name in ["tokio", "monoio", "may", "smol", "hyper"] {
                versions.extend(locked(name).map(|version| format!("{name} {version}")));
            }
        }
        let others = [
            (Needs::Go, "Go"),
            (Needs::Python, "CPython"),
            (Needs::Gevent, "gevent"),
            (Needs::C, "cc"),
            (Needs::Redis, "Redis"),
        ];
        for (need, name) in others {
            versions.extend(self.version(need).map(|version| format!("{name} {version}")));
        }
        writeln!(f, "- {}", versions.join(", "))?;
        for (_, found) in &self.found {
            if let Err(why) = found {
                writeln!(f, "- **skipped: {why}**")?;
            }
        }
        Ok(())
    }
}

/// The version of a crate that this program was built with.
fn locked(name: &str) -> Option<&'static str> {
    let (_, rest) = include_str!("../../Cargo.lock")
        .split_once(&format!("\nname = \"{name}\"\nversion = \""))?;
    rest.split('"').next()
}

#[cfg(test)]
mod tests {
    use super::locked;

    #[test]
    fn versions_are_read_from_the_lock() {
        assert!(locked("nix").unwrap().starts_with("0."));
        assert_eq!(locked("no such crate"), None);
    }
}
