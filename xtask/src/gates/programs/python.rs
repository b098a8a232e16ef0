//! CPython's own tests of four things that allocate much: JSON, lists, dictionaries, threads.

use anyhow::{Result, ensure};

use super::{OnNtHeap, Program};

pub(super) const PROGRAM: Program = Program {
    name: "python3",
    check,
};

/// Pythons that may bring the `test` package: Debian's does with libpython3-testsuite, others
/// always.
const CANDIDATES: &[&str] = &["/usr/bin/python3", "python3"];

const TESTS: &[&str] = &["test_json", "test_list", "test_dict", "test_threading"];

fn check(on_nt_heap: &OnNtHeap<'_>) -> Result<()> {
    let with_tests = CANDIDATES.iter().find(|python| {
        let probe = on_nt_heap
            .plainly(python)
            .args(["-c", "import test.test_json, test.test_threading"]);
        probe.quiet().ignore_stderr().run().is_ok()
    });
    if let Some(python) = with_tests {
        on_nt_heap
            .command(python)
            .args(["-m", "test", "-u", "cpu"])
            .args(TESTS)
            .run()?;
        return Ok(());
    }
    println!("no python3 here has its test package: a workload that checks itself instead");
    let answer = on_nt_heap
        .command("python3")
        .args(["-c", WORKLOAD])
        .read()?;
    ensure!(
        answer.contains("workload: all equal"),
        "unexpected output: {answer}"
    );
    Ok(())
}

/// Objects of many sizes made, kept, moved between threads and compared with what they must be.
const WORKLOAD: &str = r#"
import json, random, threading
random.seed(7)
def work(seed, out):
    rng, live = random.Random(seed), {}
    for step in range(60_000):
        key = rng.randrange(4_000)
        if key in live and rng.random() < 0.5:
            text = live.pop(key)
            assert json.loads(text)["key"] == key and len(json.loads(text)["pad"]) == key % 3001
        else:
            live[key] = json.dumps({"key": key, "pad": "x" * (key % 3001)})
    out.append(all(json.loads(text)["key"] == key for key, text in live.items()))
out = []
threads = [threading.Thread(target=work, args=(seed, out)) for seed in range(4)]
[t.start() for t in threads]; [t.join() for t in threads]
assert out == [True] * 4
print("workload: all equal")
"#;
