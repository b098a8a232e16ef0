//! What the library says of the program's requests, and how it is shown.

use std::ffi::OsString;
use std::fmt::Write;
use std::fs;

use tempfile::NamedTempFile;

use super::problem::Problem;

/// Bytes of the page that the program's library writes.
const PAGE: u64 = 4096;

/// The variable by which the library is asked.
const INVITATION: &str = "NTHEAP_SUMMARY";

/// The file shared with the program.
#[derive(Debug)]
pub struct Page(NamedTempFile);

impl Page {
    /// A page of zeroes.
    ///
    /// # Errors
    ///
    /// The system made no temporary file.
    pub fn create() -> Result<Page, Problem> {
        let made = NamedTempFile::with_prefix("ntheap-").and_then(|file| {
            file.as_file().set_len(PAGE)?;
            Ok(file)
        });
        made.map(Page).map_err(|error| Problem::System {
            doing: "make a temporary file",
            error,
        })
    }

    /// The variable and its value: who asks, so that only the program itself answers and none
    /// that it starts; and where to.
    pub fn invitation(&self) -> (&'static str, OsString) {
        let mut value = OsString::from(format!("{}:", std::process::id()));
        value.push(self.0.path());
        (INVITATION, value)
    }

    /// What the program's library wrote; `None` if it wrote nothing.
    pub fn read(&self) -> Option<Summary> {
        let bytes = fs::read(self.0.path()).ok()?;
        Summary::parse(&String::from_utf8_lossy(&bytes))
    }
}

/// The figures of one program. Sizes in bytes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Summary {
    exited: bool,
    heaps: u64,
    peak_reserved: u64,
    peak_committed: u64,
    peak_live_bytes: u64,
    live_bytes: u64,
    live_blocks: u64,
    /// Upper limit of the class, if it has one, and its requests.
    requests: Vec<(Option<u64>, u64)>,
}

impl Summary {
    fn parse(text: &str) -> Option<Summary> {
        let mut lines = text.lines();
        if lines.next()? != "rtl-heap summary 1" {
            return None;
        }
        let mut summary = Summary::default();
        for line in lines {
            let (name, value) = line.split_once(' ').unwrap_or((line, ""));
            match name {
                "end" => return Some(summary),
                "state" => summary.exited = value == "exited",
                "heaps" => summary.heaps = value.parse().ok()?,
                "peak-reserved" => summary.peak_reserved = value.parse().ok()?,
                "peak-committed" => summary.peak_committed = value.parse().ok()?,
                "peak-live-bytes" => summary.peak_live_bytes = value.parse().ok()?,
                "live-bytes" => summary.live_bytes = value.parse().ok()?,
                "live-blocks" => summary.live_blocks = value.parse().ok()?,
                "requests" => {
                    let (limit, count) = value.split_once(' ')?;
                    summary
                        .requests
                        .push((limit.parse().ok(), count.parse().ok()?));
                }
                _ => return None,
            }
        }
        None
    }

    /// The summary for people.
    pub fn render(&self, program: &str) -> String {
        let total: u64 = self.requests.iter().map(|(_, count)| count).sum();
        let when = if self.exited {
            "at exit"
        } else {
            "when last seen, before it ended abruptly"
        };
        let mut out = format!("ntheap: {program} on an NT heap\n");
        let mut line = |name: &str, value: String| {
            // Writing to a string cannot fail.
            let _ = writeln!(out, "  {name:<16}{value}");
        };
        line("heaps", grouped(self.heaps));
        line("peak reserved", size(self.peak_reserved));
        line("peak committed", size(self.peak_committed));
        line("peak live", size(self.peak_live_bytes));
        line(
            "live",
            format!(
                "{} in {} blocks {when}",
                size(self.live_bytes),
                grouped(self.live_blocks)
            ),
        );
        line("requests", format!("{} by size:", grouped(total)));
        for (limit, count) in &self.requests {
            let class = limit.map_or("more".to_owned(), |limit| format!("to {}", short(limit)));
            let share = 100.0 * *count as f64 / total.max(1) as f64;
            line(
                "",
                format!("{class:>9} {:>15} {share:5.1} %", grouped(*count)),
            );
        }
        out
    }
}

/// Exact bytes and, from a KiB on, a human form beside.
fn size(bytes: u64) -> String {
    match short(bytes) {
        exact if exact.ends_with(" B") => format!("{} bytes", grouped(bytes)),
        human => format!("{} bytes ({human})", grouped(bytes)),
    }
}

/// Three digits and a unit.
fn short(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut units = ["B", "KiB", "MiB", "GiB", "TiB"].into_iter();
    let mut unit = units.next().unwrap_or("B");
    while value >= 1024.0 {
        let Some(next) = units.next() else { break };
        value /= 1024.0;
        unit = next;
    }
    if value.fract() == 0.0 || value >= 100.0 {
        format!("{value:.0} {unit}")
    } else {
        format!("{value:.1} {unit}")
    }
}

/// Digits in groups of three.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "rtl-heap summary 1\nstate exited\nheaps 1\npeak-reserved 1114112\n\
        peak-committed 70000\npeak-live-bytes 5000\nlive-bytes 17\nlive-blocks 2\n\
        requests 16 1500\nrequests more 500\nend\n\0\0\0";

    #[test]
    fn the_librarys_text_is_read_whole() {
        let summary = Summary::parse(TEXT).unwrap();
        assert!(summary.exited);
        assert_eq!(summary.peak_reserved, 1_114_112);
        assert_eq!(summary.requests, [(Some(16), 1500), (None, 500)]);
    }

    #[test]
    fn a_text_that_breaks_off_is_no_summary() {
        assert_eq!(Summary::parse(&TEXT[..TEXT.len() - 10]), None);
        assert_eq!(Summary::parse(""), None);
        assert_eq!(Summary::parse("\0\0\0\0"), None);
    }

    #[test]
    fn figures_are_exact_with_a_human_form_beside() {
        let shown = Summary::parse(TEXT).unwrap().render("prog");
        assert!(shown.contains("1,114,112 bytes (1.1 MiB)"), "{shown}");
        assert!(shown.contains("17 bytes in 2 blocks at exit"), "{shown}");
        assert!(shown.contains("to 16 B           1,500  75.0 %"), "{shown}");
    }
}
