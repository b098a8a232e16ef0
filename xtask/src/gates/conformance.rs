//! The conformance lines on this machine's own target.

use crate::conformance::lines::Target;
use crate::conformance::{self, Results};
use crate::gate::{Gate, Verdict};

/// Every line holds, or has its reason.
pub const GATE: Gate = Gate {
    name: "conformance",
    proves: "every conformance line holds on this machine's target or has its reason; prints the count",
    run: |workspace| {
        let mut results = Results::default();
        // The same build as the README's command, so that nothing is built again. The words choose
        // tests by parts of their names.
        let command = workspace
            .cargo()
            .args(["test", "--workspace", "--tests", "--quiet", "--"])
            .args(["c0", "c1", "c2", "c3", "c4", "--format=pretty"]);
        conformance::watch(command, &mut results)?;
        results.print_count("this machine", workspace, &Target::here(false))?;
        Ok(Verdict::Passed)
    },
};
