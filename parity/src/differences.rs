//! The list of intended differences: where ours does something else than Python, and why.

/// One thing that ours does differently, wherever the pattern says, and nowhere else.
#[derive(Clone, Copy, Debug)]
pub struct Intended {
    /// Patterns of scenarios' names. Each scenario that matches one must show the difference.
    pub scenarios: &'static [&'static str],
    /// A pattern of the actor or the fact.
    pub at: &'static str,
    /// A pattern of what only Python does there.
    pub python: &'static str,
    /// A pattern of what only ours does there.
    pub ours: &'static str,
    /// The contract's number.
    pub number: &'static str,
    /// Why ours does it.
    pub why: &'static str,
}

/// All intended differences.
pub const INTENDED: &[Intended] = &[];
