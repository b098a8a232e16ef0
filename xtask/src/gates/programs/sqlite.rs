//! sqlite3 fills, indexes and prunes a database in memory, then checks it itself.

use anyhow::{Result, ensure};

use super::{OnNtHeap, Program};

pub(super) const PROGRAM: Program = Program {
    name: "sqlite3",
    check,
};

const SCRIPT: &str = "
CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, payload BLOB);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)
  INSERT INTO t SELECT i, printf('name-%06d', (i * 7919) % 60000), zeroblob(i % 700) FROM n;
CREATE INDEX by_name ON t(name);
DELETE FROM t WHERE id % 3 = 0;
UPDATE t SET payload = zeroblob(id % 5000) WHERE id % 7 = 0;
VACUUM;
SELECT 'rows', count(*) FROM t;
SELECT 'ids', sum(id) FROM t;
PRAGMA integrity_check;
";

fn check(on_nt_heap: &OnNtHeap<'_>) -> Result<()> {
    let on_heap = on_nt_heap
        .command("sqlite3")
        .arg(":memory:")
        .stdin(SCRIPT)
        .quiet()
        .ignore_stderr()
        .read()?;
    let plainly = on_nt_heap
        .plainly("sqlite3")
        .arg(":memory:")
        .stdin(SCRIPT)
        .quiet()
        .read()?;
    ensure!(
        plainly.lines().any(|line| line == "ok"),
        "the script itself is wrong: {plainly}"
    );
    for line in plainly.lines() {
        ensure!(
            on_heap.lines().any(|other| other == line),
            "`{line}` is missing from: {on_heap}"
        );
    }
    Ok(())
}
