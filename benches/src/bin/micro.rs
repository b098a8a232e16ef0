//! The micro rows against every peer there is; `cargo xtask bench` builds the peers and calls it.
//!
//! `micro [--quick] [--only TEXT]... [--peer TEXT]...`: the rows whose ids contain one of the texts,
//! against the peers whose names do.

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    measured::main()
}

#[cfg(not(unix))]
fn main() {
    println!("the peers are shared libraries of Unix");
}

#[cfg(unix)]
mod measured {
    use std::env;
    use std::process::ExitCode;

    use rtl_heap_benches::files;
    use rtl_heap_benches::micro::table::{self, Summary};
    use rtl_heap_benches::micro::{field, measure, rows};
    use rtl_heap_benches::rounds::Plan;

    /// What counts as a measurement.
    const FULL: Plan = Plan {
        rounds: 21,
        stretch_ns: 2_000_000,
    };
    /// What gives a first idea.
    const QUICK: Plan = Plan {
        rounds: 7,
        stretch_ns: 500_000,
    };

    pub fn main() -> ExitCode {
        let (mut only, mut peers, mut plan) = (Vec::new(), Vec::new(), FULL);
        let mut arguments = env::args().skip(1);
        while let Some(argument) = arguments.next() {
            match (argument.as_str(), &mut arguments) {
                ("--quick", _) => plan = QUICK,
                ("--only", rest) => only.extend(rest.next()),
                ("--peer", rest) => peers.extend(rest.next()),
                _ => {
                    eprintln!("usage: micro [--quick] [--only ROW]... [--peer NAME]...");
                    return ExitCode::from(2);
                }
            }
        }
        let mut field = field::enter(&peers);
        if field::is_among(&peers, rows::WINE) {
            field.extend(field::wine());
        }
        table::print_heading();
        let mut measured = Vec::new();
        for row in rows::ROWS
            .iter()
            .filter(|row| field::is_among(&only, row.id))
        {
            match measure(*row, &field, plan) {
                Some(row) => {
                    table::print(&row);
                    measured.push(row);
                }
                None => println!("{:30}not run: no {}", row.what, row.yardstick.name),
            }
        }
        let summary = Summary::of(&measured);
        summary.print(&measured);
        files::write("micro.json", &summary.json(&measured).to_string());
        files::write("ratios.svg", &table::picture(&measured));
        ExitCode::SUCCESS
    }
}
