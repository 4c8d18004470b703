//! The words of a figure: `name=value`, each with a default.

use std::collections::BTreeMap;
use std::str::FromStr;

/// What the command line says and nobody has taken yet.
pub(crate) struct Settings(BTreeMap<String, String>);

impl Settings {
    pub(crate) fn parse(words: &[String]) -> Self {
        let pair = |word: &String| word.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self(words.iter().map(|word| pair(word).unwrap_or_else(|| panic!("{word}: name=value is wanted"))).collect())
    }

    pub(crate) fn take<T: FromStr>(&mut self, name: &str, default: T) -> T {
        self.find(name).unwrap_or(default)
    }

    pub(crate) fn find<T: FromStr>(&mut self, name: &str) -> Option<T> {
        let value = self.0.remove(name)?;
        Some(value.parse().unwrap_or_else(|_| panic!("{name} cannot be {value}")))
    }

    /// Everything that was said has a meaning.
    pub(crate) fn finish(self) {
        assert!(self.0.is_empty(), "nobody knows {:?}", self.0.keys());
    }
}
