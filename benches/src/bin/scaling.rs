//! The same operation with more live blocks, threads or heaps; and how a contended lock is shared.
//!
//! `scaling [--quick] [--only TEXT]... [--peer TEXT]...`: the curves whose ids contain one of the
//! texts.

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

    use rtl_heap_benches::growth::Line;
    use rtl_heap_benches::micro::field::{self, Contestant};
    use rtl_heap_benches::micro::rows::{OURS, Task};
    use rtl_heap_benches::plot::{self, Series};
    use rtl_heap_benches::rounds::{self, Plan, Work};
    use rtl_heap_benches::{fairness, files};
    use serde_json::{Value, json};

    /// One operation, asked of more and more.
    struct Curve {
        id: &'static str,
        what: &'static str,
        axis: &'static str,
        steps: &'static [usize],
        task: fn(usize) -> Task,
        /// Who takes part, besides those `--peer` names.
        who: &'static [&'static str],
        /// Where throughput at the last step must be at least this part of that at another step.
        keeps: Option<(usize, f64)>,
    }

    const LIVE: &[usize] = &[100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000];
    const THREADS: &[usize] = &[1, 2, 4, 8, 16, 64];
    const HEAPS: &[usize] = &[1, 10, 100, 1_000, 10_000];
    /// At 10^7 live blocks each of them holds most of a gigabyte.
    const FEW: &[&str] = &[OURS, "no_serialize", "mimalloc-v3", "snmalloc", "glibc"];
    const SHARING: &[&str] = &[
        OURS,
        "mimalloc-v3",
        "mi_heap-v3",
        "snmalloc",
        "rpmalloc",
        "jemalloc",
        "glibc",
    ];
    const WITH_HEAPS: &[&str] = &[OURS, "no_serialize", "mi_heap-v3", "mi_heap-v2"];
    const BACK_END: &[&str] = &["fixed heap", OURS, "glibc"];
    const NO_COLLAPSE: Option<(usize, f64)> = Some((2, 0.8));

    const CURVES: &[Curve] = &[
        Curve {
            id: "live-pairs",
            what: "a pair of 64 B among live blocks",
            axis: "live blocks",
            steps: LIVE,
            task: |live| Task::Pairs { size: 64, live },
            who: FEW,
            keeps: None,
        },
        Curve {
            id: "live-replace",
            what: "a random live block of 64 B replaced",
            axis: "live blocks",
            steps: LIVE,
            task: |live| Task::Replace { size: 64, live },
            who: FEW,
            keeps: None,
        },
        Curve {
            id: "threads-pairs",
            what: "pairs of 64 B on one heap",
            axis: "threads",
            steps: THREADS,
            task: |threads| Task::SharedPairs { threads },
            who: SHARING,
            keeps: NO_COLLAPSE,
        },
        Curve {
            id: "threads-exchange",
            what: "blocks of 64 B freed by the next thread",
            axis: "threads",
            steps: THREADS,
            task: |threads| Task::Exchange { threads },
            who: SHARING,
            keeps: NO_COLLAPSE,
        },
        Curve {
            id: "heaps",
            what: "pairs of 64 B on heaps in turn",
            axis: "heaps",
            steps: HEAPS,
            task: |heaps| Task::InTurn { heaps },
            who: WITH_HEAPS,
            keeps: None,
        },
        Curve {
            id: "backend-threads",
            what: "pairs of 64 B on one heap without a front end",
            axis: "threads",
            steps: &[1, 2, 4, 8, 16],
            task: |threads| Task::SharedPairs { threads },
            who: BACK_END,
            keeps: NO_COLLAPSE,
        },
        Curve {
            id: "backend-exchange",
            what: "blocks of 64 B freed by the next thread, without a front end",
            axis: "threads",
            steps: &[1, 2, 4, 8, 16],
            task: |threads| Task::Exchange { threads },
            who: BACK_END,
            keeps: NO_COLLAPSE,
        },
    ];

    pub fn main() -> ExitCode {
        let (mut only, mut peers) = (Vec::new(), Vec::new());
        let mut plan = Plan {
            rounds: 9,
            stretch_ns: 2_000_000,
        };
        let mut arguments = env::args().skip(1);
        while let Some(argument) = arguments.next() {
            match (argument.as_str(), &mut arguments) {
                ("--quick", _) => plan.rounds = 3,
                ("--only", rest) => only.extend(rest.next()),
                ("--peer", rest) => peers.extend(rest.next()),
                _ => {
                    eprintln!("usage: scaling [--quick] [--only CURVE]... [--peer NAME]...");
                    return ExitCode::from(2);
                }
            }
        }
        let mut field = field::enter(&peers);
        field.push(field::fixed_heaps());
        let mut results: Vec<Value> = CURVES
            .iter()
            .filter(|curve| field::is_among(&only, curve.id))
            .map(|curve| measure(curve, &field, plan))
            .collect();
        if field::is_among(&only, "lock-fairness") {
            results.push(fairness::measure());
        }
        let load = files::load();
        println!("\nload average {load}");
        files::write(
            "scaling.json",
            &json!({"load": load, "curves": results}).to_string(),
        );
        ExitCode::SUCCESS
    }

    fn measure(curve: &Curve, field: &[Contestant], plan: Plan) -> Value {
        println!("\n{} (ns), by {}", curve.what, curve.axis);
        print!("{:16}", "");
        for step in curve.steps {
            print!("{step:>11}");
        }
        println!("{:>8}", "slope");
        let part: Vec<_> = field
            .iter()
            .filter(|contestant| curve.who.contains(&contestant.name.as_str()))
            .collect();
        let mut lines: Vec<Line> = part
            .iter()
            .map(|contestant| Line {
                name: contestant.name.clone(),
                points: Vec::new(),
            })
            .collect();
        for &step in curve.steps {
            // The machine's clock is not the same from step to step: what a fixed piece of work
            // takes tells by how much.
            let mut works: Vec<Work> = vec![rounds::timed(fixed_work)];
            let tasks = part
                .iter()
                .map(|contestant| contestant.work((curve.task)(step)));
            works.extend(tasks.map(|work| work.expect("whoever takes part can do the task")));
            let threads = (curve.task)(step).threads();
            let plan = threads.map_or(plan, |threads| plan.for_threads(threads));
            let outcome = rounds::run(plan, &mut works);
            for (at, line) in lines.iter_mut().enumerate() {
                let pace = FIXED_WORK_NS / outcome.ns[0];
                line.points.push((step as f64, outcome.ns[at + 1] * pace));
            }
        }
        for line in &lines {
            print!("{:16}", line.name);
            for (_, ns) in &line.points {
                print!("{ns:>11.1}");
            }
            print!("{:>8.2}", line.slope());
            let is_ours = [OURS, "fixed heap"].contains(&line.name.as_str());
            if let Some((step, part)) = curve.keeps
                && let Some(kept) = line.kept(step)
            {
                let verdict = match is_ours {
                    false => "",
                    true if kept >= part => "met",
                    true => "MISSED",
                };
                print!("   throughput against {step}: {kept:.2} {verdict}");
            }
            println!();
        }
        let series: Vec<Series> = lines
            .iter()
            .map(|line| Series {
                name: line.name.clone(),
                points: line.points.clone(),
            })
            .collect();
        let picture = plot::lines(curve.what, curve.axis, "ns of CPU time", &series);
        files::write(&format!("scaling-{}.svg", curve.id), &picture);
        let lines = lines.iter().map(|line| {
            json!({"name": line.name, "points": line.points, "slope": line.slope(),
                "kept": curve.keeps.and_then(|(step, _)| line.kept(step))})
        });
        json!({"id": curve.id, "what": curve.what, "axis": curve.axis,
            "lines": lines.collect::<Vec<_>>()})
    }

    /// What one of [`fixed_work`] takes on an idle machine of the kind the figures are from, in
    /// nanoseconds; it only sets the scale.
    const FIXED_WORK_NS: f64 = 1.4;

    /// Multiplications that wait for each other.
    fn fixed_work(count: u64) {
        let mut value = 1_u64;
        for _ in 0..count {
            value = std::hint::black_box(value.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        }
    }
}
