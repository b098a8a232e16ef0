//! The hosted workflows.

use crate::gate::{Gate, Verdict};

/// The workflows are well formed and harmless.
pub const GATE: Gate = Gate {
    name: "workflow-lint",
    proves: "the workflow files follow GitHub's schema and zizmor finds no unsafe step",
    run: |workspace| {
        let tools = workspace.tools_dir();
        let schema = tools.join("check-jsonschema");
        let audit = tools.join("zizmor");
        if !schema.exists() || !audit.exists() {
            return Verdict::skipped(
                "check-jsonschema and zizmor are not installed (cargo xtask setup)",
            );
        }
        let mut workflows = workspace.shell.read_dir(".github/workflows")?;
        workflows.sort();
        workspace
            .command(schema)
            .args(["--builtin-schema", "vendor.github-workflows"])
            .args(&workflows)
            .run()?;
        workspace
            .command(audit)
            .args(["--offline", "--no-progress"])
            .args(&workflows)
            .run()?;
        Ok(Verdict::Passed)
    },
};
