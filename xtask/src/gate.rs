//! What a gate is.

use anyhow::Result;

use crate::workspace::Workspace;

/// One check of the project, a subcommand of `cargo xtask`.
#[derive(Clone, Copy)]
pub struct Gate {
    /// The subcommand.
    pub name: &'static str,
    /// What holds when the gate is green: one sentence, printed before it runs.
    pub proves: &'static str,
    /// The check itself.
    pub run: fn(&Workspace) -> Result<Verdict>,
}

/// How a gate that did not fail ended.
pub enum Verdict {
    /// The check ran and holds.
    Passed,
    /// The check could not run here, and why.
    Skipped(String),
}

impl Verdict {
    /// A skip with its reason.
    pub fn skipped(why: impl Into<String>) -> Result<Self> {
        Ok(Self::Skipped(why.into()))
    }
}
