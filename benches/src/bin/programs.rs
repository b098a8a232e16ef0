//! Whole programs on one allocator after the other: CPU time and peak resident memory.
//!
//! `programs [--quick] [--only TEXT]... [--peer TEXT]...`; `RTLHEAP_MALLOC` names our library.

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    measured::main()
}

#[cfg(not(unix))]
fn main() {
    println!("preloading is a thing of Unix");
}

#[cfg(unix)]
mod measured {
    use std::env;
    use std::fs;
    use std::io;
    use std::path::Path;
    use std::process::{Command, ExitCode};

    use rtl_heap_benches::files;
    use rtl_heap_benches::micro::field::{self, is_among};
    use rtl_heap_benches::micro::rows::{LIBC, MIMALLOC_V3, OURS};
    use rtl_heap_benches::micro::table::Verdict;
    use rtl_heap_benches::plot::{self, BarRow};
    use rtl_heap_benches::programs::usage::Usage;
    use rtl_heap_benches::programs::{PROGRAMS, Program, Stage};
    use rtl_heap_benches::rounds::{geometric_mean, quantile};
    use serde_json::json;

    /// Geometric means over the programs, ours to mimalloc v3: CPU time, and peak memory.
    const CPU_TARGET: (f64, f64) = (1.0, 0.9);
    const PEAK_TARGET: (f64, f64) = (0.65, 0.5);

    /// What an allocator made of a program: medians.
    #[derive(Clone, Copy)]
    struct Figures {
        cpu_s: f64,
        peak_bytes: f64,
        /// Ratios to the yardstick, within rounds.
        cpu: f64,
        peak: f64,
    }

    pub fn main() -> ExitCode {
        let arguments: Vec<String> = env::args().skip(1).collect();
        if let [mode, id, folder] = &arguments[..]
            && mode == "prepare"
        {
            let program = PROGRAMS.iter().find(|program| program.id == id);
            let prepared = program.map(|program| (program.prepare)(Path::new(folder)));
            return match prepared {
                Some(Ok(())) => ExitCode::SUCCESS,
                _ => ExitCode::FAILURE,
            };
        }
        let (mut only, mut peers, mut rounds) = (Vec::new(), Vec::new(), 7);
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            match (argument.as_str(), &mut arguments) {
                ("--quick", _) => rounds = 3,
                ("--only", rest) => only.extend(rest.next()),
                ("--peer", rest) => peers.extend(rest.next()),
                _ => {
                    eprintln!("usage: programs [--quick] [--only PROGRAM]... [--peer NAME]...");
                    return ExitCode::from(2);
                }
            }
        }
        match run(&only, &peers, rounds) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        }
    }

    /// Name and library of whoever takes part, the yardstick first.
    fn allocators(peers: &[String]) -> io::Result<Vec<(String, String)>> {
        let ours = env::var("RTLHEAP_MALLOC")
            .map_err(|_| io::Error::other("RTLHEAP_MALLOC is not set"))?;
        let mut all = field::peers();
        all.sort_by_key(|(name, _)| name != MIMALLOC_V3);
        // The C library's own allocator, also where a program was linked with another one.
        all.push((LIBC.to_owned(), "libc.so.6".to_owned()));
        all.retain(|(name, _)| name == MIMALLOC_V3 || is_among(peers, name));
        all.insert(1.min(all.len()), (OURS.to_owned(), ours));
        Ok(all)
    }

    fn run(only: &[String], peers: &[String], rounds: usize) -> io::Result<()> {
        let allocators = allocators(peers)?;
        let names: Vec<&str> = allocators.iter().map(|(name, _)| name.as_str()).collect();
        if names.first() != Some(&MIMALLOC_V3) {
            return Err(io::Error::other("no mimalloc v3 to compare with"));
        }
        println!("CPU time and peak resident memory, each against {MIMALLOC_V3}");
        print!("{:38}{:>8}{:>9}", "", "s", "MiB");
        for name in &names[1..] {
            print!("{name:>14}");
        }
        println!();
        let mut measured = Vec::new();
        for program in PROGRAMS.iter().filter(|program| is_among(only, program.id)) {
            if !program.is_here() {
                println!("{:38}not installed (cargo xtask setup)", program.what);
                continue;
            }
            let figures = measure(program, &allocators, rounds)?;
            print_row(program, &figures);
            measured.push((program, figures));
        }
        summarise(&names, &measured);
        Ok(())
    }

    fn measure(
        program: &Program,
        allocators: &[(String, String)],
        rounds: usize,
    ) -> io::Result<Vec<Option<Figures>>> {
        let folder = env::temp_dir().join(format!("rtl-heap-bench-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        prepare(program, &folder)?;
        let mut usages: Vec<Vec<Usage>> = vec![Vec::new(); allocators.len()];
        let mut failed = vec![false; allocators.len()];
        // The first round, which warms the file cache, does not count.
        for round in 0..=rounds {
            for turn in 0..allocators.len() {
                let who = (turn + round) % allocators.len();
                if failed[who] {
                    continue;
                }
                match run_once(program, &folder, &allocators[who].1) {
                    Ok(usage) if round > 0 => usages[who].push(usage),
                    Ok(_) => {}
                    Err(error) => {
                        println!("{} on {}: {error}", program.id, allocators[who].0);
                        failed[who] = true;
                    }
                }
            }
        }
        fs::remove_dir_all(&folder)?;
        let yardstick = usages[0].clone();
        let figures = usages.iter().zip(failed);
        Ok(figures
            .map(|(own, failed)| {
                (!failed && yardstick.len() == own.len()).then(|| condense(own, &yardstick))
            })
            .collect())
    }

    /// Makes the input in a process of its own: Linux counts what was resident in the process that
    /// started a program as the program's, so this one has to stay small.
    fn prepare(program: &Program, folder: &Path) -> io::Result<()> {
        let own = env::current_exe()?;
        let mut command = Command::new(own);
        let status = command.args(["prepare", program.id]).arg(folder).status()?;
        if status.success() {
            Ok(())
        } else {
            Err(io::Error::other(format!(
                "no input for {}: {status}",
                program.id
            )))
        }
    }

    fn run_once(program: &Program, folder: &Path, preload: &str) -> io::Result<Usage> {
        (program.run)(&Stage { folder, preload })
    }

    fn condense(own: &[Usage], yardstick: &[Usage]) -> Figures {
        let median = |of: fn(&Usage) -> f64| quantile(&own.iter().map(of).collect::<Vec<_>>(), 0.5);
        let ratio = |of: fn(&Usage) -> f64| {
            let ratios = own
                .iter()
                .zip(yardstick)
                .map(|(own, other)| of(own) / of(other));
            quantile(&ratios.collect::<Vec<_>>(), 0.5)
        };
        Figures {
            cpu_s: median(|usage| usage.cpu_s),
            peak_bytes: median(|usage| usage.peak_bytes),
            cpu: ratio(|usage| usage.cpu_s),
            peak: ratio(|usage| usage.peak_bytes),
        }
    }

    fn print_row(program: &Program, figures: &[Option<Figures>]) {
        print!("{:38}", program.what);
        match figures[0] {
            Some(own) => print!("{:>8.2}{:>9.1}", own.cpu_s, own.peak_bytes / 1048576.0),
            None => print!("{:>8}{:>9}", "-", "-"),
        }
        for figures in &figures[1..] {
            match figures {
                Some(figures) => print!("{:>8.2}{:>6.2}", figures.cpu, figures.peak),
                None => print!("{:>14}", "failed"),
            }
        }
        println!();
    }

    fn summarise(names: &[&str], measured: &[(&Program, Vec<Option<Figures>>)]) {
        let mean = |who: usize, of: fn(&Figures) -> f64| {
            geometric_mean(
                measured
                    .iter()
                    .filter_map(|(_, figures)| figures[who].as_ref().map(of)),
            )
        };
        print!("{:55}", "geometric mean");
        for who in 1..names.len() {
            print!(
                "{:>8.2}{:>6.2}",
                mean(who, |own| own.cpu),
                mean(who, |own| own.peak)
            );
        }
        println!();
        let ours = names.iter().position(|name| *name == OURS).unwrap_or(0);
        for (what, ratio, target) in [
            ("CPU time", mean(ours, |own| own.cpu), CPU_TARGET),
            ("peak memory", mean(ours, |own| own.peak), PEAK_TARGET),
        ] {
            let word = Verdict::of(ratio, target).word();
            println!(
                "{what}: {ratio:.2} (reach {}, dream {}): {word}",
                target.0, target.1
            );
        }
        let load = files::load();
        println!("load average {load}");
        let rows: Vec<_> = measured
            .iter()
            .map(|(program, figures)| {
                let all = names.iter().zip(figures).filter_map(|(name, figures)| {
                    let own = figures.as_ref()?;
                    Some(json!({"name": name, "cpu_s": own.cpu_s, "peak_bytes": own.peak_bytes,
                        "cpu": own.cpu, "peak": own.peak}))
                });
                json!({"id": program.id, "what": program.what, "allocators": all.collect::<Vec<_>>()})
            })
            .collect();
        files::write(
            "programs.json",
            &json!({"load": load, "programs": rows}).to_string(),
        );
        for (file, title, of, reach) in [
            (
                "programs-cpu.svg",
                "CPU time of whole programs, mimalloc v3 = 1",
                (|own| own.cpu) as fn(&Figures) -> f64,
                CPU_TARGET.0,
            ),
            (
                "programs-memory.svg",
                "Peak resident memory of whole programs, mimalloc v3 = 1",
                |own| own.peak,
                PEAK_TARGET.0,
            ),
        ] {
            let bars: Vec<BarRow> = measured
                .iter()
                .map(|(program, figures)| BarRow {
                    label: program.id.to_owned(),
                    ratios: figures[1..]
                        .iter()
                        .map(|own| own.as_ref().map(of))
                        .collect(),
                    reach: Some(reach),
                })
                .collect();
            files::write(file, &plot::bars(title, &names[1..], &bars));
        }
    }
}
