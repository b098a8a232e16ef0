//! Wine's heap: the same loops in a Windows program under Wine, which runs a stretch when it is
//! told to.
//!
//! A line to the program is `open ROW`, `run COUNT` or `close`; its answers are `ok` or `no`, the
//! nanoseconds, and `ok`.

use std::cell::RefCell;
use std::env;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::rc::Rc;

use super::rows::{ROWS, Task};
use crate::rounds::Work;

/// The Windows program; what Wine needs stands in the environment.
pub const PROGRAM_VARIABLE: &str = "RTLHEAP_WINE_ROWS";

/// The program under Wine.
pub struct Wine(Rc<RefCell<Process>>);

struct Process {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Wine {
    /// Starts it, where there is one.
    pub fn start() -> Option<Wine> {
        let program = env::var_os(PROGRAM_VARIABLE)?;
        let mut command = Command::new("wine");
        command
            .arg(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        match command.spawn() {
            Ok(mut child) => {
                let (orders, answers) = (child.stdin.take()?, child.stdout.take()?);
                Some(Wine(Rc::new(RefCell::new(Process {
                    child,
                    orders,
                    answers: BufReader::new(answers),
                }))))
            }
            Err(error) => {
                println!("Wine takes no part: {error}");
                None
            }
        }
    }

    /// A row's task as work there; `None` if the task is no row's, or Wine ended.
    pub fn work(&self, task: Task) -> Option<Work> {
        let row = ROWS.iter().find(|row| row.task == task)?;
        let answer = self.0.borrow_mut().ask(&format!("open {}", row.id));
        match answer.as_deref() {
            Ok("ok") => {}
            Ok(_) => return None,
            Err(error) => {
                println!("Wine is no longer there: {error}");
                return None;
            }
        }
        let open = Open(self.0.clone());
        Some(Box::new(move |count| {
            let answer = open.0.borrow_mut().ask(&format!("run {count}"));
            let answer = answer.expect("Wine answers");
            answer.parse().expect("a number of nanoseconds")
        }))
    }
}

/// A task that is under way; the program forgets it when this is dropped.
struct Open(Rc<RefCell<Process>>);

impl Drop for Open {
    fn drop(&mut self) {
        // If the program has ended, so has the task.
        let _ = self.0.borrow_mut().ask("close");
    }
}

impl Process {
    fn ask(&mut self, order: &str) -> io::Result<String> {
        writeln!(self.orders, "{order}")?;
        self.orders.flush()?;
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim().to_owned())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It ends by itself when its orders do; this is for one that hangs.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
