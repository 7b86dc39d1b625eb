use std::collections::BTreeMap;
use std::str::FromStr;

/// What a scenario asks of a server: `key=value` words.
#[derive(Debug)]
pub(super) struct Behaviour(BTreeMap<String, String>);

impl Behaviour {
    /// # Panics
    ///
    /// On a word that is no `key=value`: the scenarios are part of this crate.
    pub(super) fn parse(words: &str) -> Self {
        let pair = |word: &str| match word.split_once('=') {
            Some((key, value)) => (key.to_owned(), value.to_owned()),
            None => panic!("not a key=value: {word:?}"),
        };
        Self(words.split_whitespace().map(pair).collect())
    }

    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    pub(super) fn is(&self, key: &str, value: &str) -> bool {
        self.get(key) == Some(value)
    }

    /// # Panics
    ///
    /// On a value of another kind, as for [`parse`](Self::parse).
    pub(super) fn number<N: FromStr>(&self, key: &str) -> Option<N> {
        let parsed = |value: &str| match value.parse() {
            Ok(number) => number,
            Err(_) => panic!("{key} is no number: {value:?}"),
        };
        self.get(key).map(parsed)
    }
}
