//! gcc makes the same object from a large source as it does on the system's heap.

use std::fmt::Write as _;
use std::fs;

use anyhow::{Result, ensure};

use super::{OnNtHeap, Program};

pub(super) const PROGRAM: Program = Program { name: "gcc", check };

const FUNCTIONS: usize = 500;

fn check(on_nt_heap: &OnNtHeap<'_>) -> Result<()> {
    let directory = &on_nt_heap.scratch;
    fs::write(directory.join("large.c"), source())?;
    let arguments = ["-O2", "-c", "large.c", "-o"];
    let compile = |command: xshell::Cmd<'_>, object: &str| -> Result<Vec<u8>> {
        let _in_scratch = on_nt_heap.workspace.shell.push_dir(directory);
        command.args(arguments).arg(object).quiet().run()?;
        Ok(fs::read(directory.join(object))?)
    };
    let on_heap = compile(on_nt_heap.command("gcc"), "on_heap.o")?;
    let plainly = compile(on_nt_heap.plainly("gcc"), "plainly.o")?;
    ensure!(
        on_heap == plainly,
        "the objects differ ({} and {} bytes)",
        on_heap.len(),
        plainly.len()
    );
    println!("gcc: the two objects are equal, {} bytes", plainly.len());
    Ok(())
}

/// A few thousand lines of functions that call each other, with tables and loops for the optimiser.
fn source() -> String {
    let mut text = String::from("#include <stddef.h>\n#include <string.h>\n");
    for index in 0..FUNCTIONS {
        let _ = write!(
            text,
            "static const int table{index}[8] = {{{index}, 2, 3, 5, 7, 11, 13, {}}};\n\
             int function{index}(int x, char *text) {{\n  \
               int sum = 0;\n  \
               for (size_t i = 0; i < 8; i++) sum += table{index}[i] * (x ^ (int)i);\n  \
               if (strlen(text) > {index}) sum ^= text[{index}];\n  \
               switch (sum % 5) {{\n    case 0: sum += 3; break;\n    case 1: sum <<= 2; break;\n    \
                 default: sum -= x;\n  }}\n",
            index * index
        );
        if index > 0 {
            let _ = writeln!(text, "  sum += function{}(sum & 15, text);", index - 1);
        }
        text.push_str("  return sum;\n}\n");
    }
    text
}
