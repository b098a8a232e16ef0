//! The micro rows as a Windows program, and Wine to run it.

use std::path::PathBuf;

use anyhow::Result;

use crate::build_std;
use crate::toolchain::{BUILD_STD_CARGO, WIN64};
use crate::wine::Prefix;
use crate::workspace::{Workspace, find_program};

/// A program and a prefix to run it in; Wine's server ends when this is dropped.
pub struct WineRows {
    program: PathBuf,
    prefix: Prefix,
}

impl WineRows {
    /// Builds the program; `None`, with the reason said, where Wine or the compiler is missing.
    pub fn build(workspace: &Workspace) -> Result<Option<Self>> {
        let why = build_std::missing().or_else(|| {
            let wine = find_program(&["wine"]);
            wine.is_none()
                .then(|| "wine is not installed (cargo xtask setup)".to_owned())
        });
        if let Some(why) = why {
            println!("Wine takes no part: {why}");
            return Ok(None);
        }
        // Both belong to this checkout: a gate that ends, or a measurement elsewhere, would end the
        // server under this one, or exchange the program.
        let target_dir = workspace.native_target_dir().join("wine");
        let prefix = target_dir.join("prefix");
        build_std::command(workspace, BUILD_STD_CARGO)
            .args([
                "build",
                "--quiet",
                "--release",
                "-Zbuild-std",
                "--target",
                WIN64,
            ])
            .args([
                "-p",
                "rtl-heap-benches",
                "--bin",
                "wine_rows",
                "--target-dir",
            ])
            .arg(&target_dir)
            .run()?;
        let prefix = Prefix::open(prefix)?;
        prefix.keep_server()?;
        let program = target_dir.join(WIN64).join("release/wine_rows.exe");
        Ok(Some(Self { program, prefix }))
    }

    /// What the measuring program needs in its environment.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let mut environment = self.prefix.environment();
        environment.push((
            "RTLHEAP_WINE_ROWS",
            self.program.to_string_lossy().into_owned(),
        ));
        environment
    }
}
