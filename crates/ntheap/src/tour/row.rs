//! The rows of the tour, and how they are printed.

use std::fmt;

use serde::Serialize;

/// One statement of a document, put to the test.
#[derive(Debug, Serialize)]
pub struct Row {
    /// Where the statement stands.
    pub document: &'static str,
    /// The part of the document.
    pub section: &'static str,
    /// What it says, quoted and shortened.
    pub statement: &'static str,
    /// What was called.
    pub call: String,
    /// What came back.
    pub answer: String,
    /// Whether that is what the statement says.
    pub met: bool,
}

/// All rows so far.
#[derive(Debug, Default)]
pub struct Tour {
    rows: Vec<Row>,
    document: &'static str,
    section: &'static str,
}

impl Tour {
    /// The rows from here on are of this document.
    pub fn document(&mut self, name: &'static str) {
        self.document = name;
    }

    /// The rows from here on are of this part of it.
    pub fn section(&mut self, name: &'static str) {
        self.section = name;
    }

    /// Adds a row: the statement, the call, what came back, and whether that meets it.
    pub fn row(
        &mut self,
        statement: &'static str,
        call: impl fmt::Display,
        (answer, met): (impl fmt::Display, bool),
    ) {
        self.rows.push(Row {
            document: self.document,
            section: self.section,
            statement,
            call: call.to_string(),
            answer: answer.to_string(),
            met,
        });
    }

    /// Whether every statement is met.
    pub fn is_met(&self) -> bool {
        self.rows.iter().all(|row| row.met)
    }

    /// The rows for programs.
    pub fn json(&self) -> String {
        let versioned = Versioned {
            format: 1,
            rows: &self.rows,
        };
        serde_json::to_string_pretty(&versioned).unwrap_or_default()
    }
}

#[derive(Serialize)]
struct Versioned<'a> {
    /// Counted up when a program that reads the rows would have to change.
    format: u32,
    rows: &'a [Row],
}

impl fmt::Display for Tour {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut document, mut section) = ("", "");
        for row in &self.rows {
            if row.document != document {
                document = row.document;
                writeln!(out, "{document}")?;
            }
            if row.section != section {
                section = row.section;
                writeln!(out, "\n  {section}")?;
            }
            writeln!(out)?;
            for line in wrapped(row.statement, 92) {
                writeln!(out, "    {line}")?;
            }
            for line in wrapped(&row.call, 88) {
                writeln!(out, "      > {line}")?;
            }
            let mark = if row.met { "met" } else { "NOT MET" };
            writeln!(out, "      {mark}: {}", row.answer)?;
        }
        let met = self.rows.iter().filter(|row| row.met).count();
        writeln!(out, "\n{met} of {} statements met", self.rows.len())
    }
}

/// Lines of at most `width` characters, broken at spaces.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + word.chars().count() < width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_row_that_is_not_met_fails_the_tour() {
        let mut tour = Tour::default();
        tour.row("a statement", "call()", ("answer", true));
        assert!(tour.is_met());
        tour.row("another", "call()", ("answer", false));
        assert!(!tour.is_met());
        assert!(tour.to_string().contains("NOT MET: answer"));
        assert!(tour.to_string().contains("1 of 2 statements met"));
    }

    #[test]
    fn text_is_broken_at_spaces_only() {
        assert_eq!(wrapped("one two three", 8), ["one two", "three"]);
        assert_eq!(wrapped("unbreakable", 4), ["unbreakable"]);
    }
}
