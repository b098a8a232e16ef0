//! The house's own rules, those that neither rustc nor clippy knows.
//!
//! Each rule is a file with a function from the checkout's files to findings, and its own tests.

mod citations;
mod docs;
mod layers;
mod length;
mod manifests;
mod platform_names;
mod source;
mod text;
mod unsafe_code;

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use self::source::Source;
use crate::gate::{Gate, Verdict};
use crate::workspace::Workspace;

/// The house rules hold.
pub const GATE: Gate = Gate {
    name: "tidy",
    proves: "layers point downward, OS names stay in rtl-platform, every unsafe has its reason, files stay short",
    run,
};

/// One place that breaks a rule.
struct Finding {
    file: PathBuf,
    /// Counted from 1; 0 when the finding is about the whole file.
    line: usize,
    message: String,
}

impl Finding {
    fn new(file: &Path, line: usize, message: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line,
            message: message.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file.display(), self.message),
            line => write!(f, "{}:{line}: {}", self.file.display(), self.message),
        }
    }
}

fn run(workspace: &Workspace) -> Result<Verdict> {
    let files = workspace.files()?;
    let mut findings = Vec::new();
    let mut rust_files = 0;
    for file in &files {
        let Ok(text) = std::fs::read_to_string(workspace.root.join(file)) else {
            continue; // not text
        };
        findings.extend(text::check(file, &text));
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("rs") => {
                rust_files += 1;
                let source = Source::new(file.clone(), text);
                for rule in [
                    layers::check,
                    length::check,
                    platform_names::check,
                    unsafe_code::check,
                    docs::check,
                ] {
                    findings.extend(rule(&source));
                }
            }
            Some("toml") if file.ends_with("Cargo.toml") => {
                findings.extend(manifests::check(file, &text))
            }
            _ => {}
        }
    }
    findings.extend(citations::check(&workspace.root, &files)?);

    let (soft, hard): (Vec<_>, Vec<_>) = findings
        .iter()
        .partition(|finding| finding.message.starts_with("note: "));
    for finding in soft.iter().chain(&hard) {
        println!("{finding}");
    }
    println!("{rust_files} Rust files of {} files looked at", files.len());
    if !hard.is_empty() {
        bail!("{} findings", hard.len());
    }
    Ok(Verdict::Passed)
}
