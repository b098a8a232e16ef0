//! The programs.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::usage::{self, Usage};
use super::{Program, Stage, inputs, quiet, stress};

fn nothing(_: &Path) -> io::Result<()> {
    Ok(())
}

fn once(mut command: Command) -> io::Result<Usage> {
    usage::wait(command.spawn()?)
}

/// All of them. Debian's files by their whole names: what stands first in somebody's PATH may be
/// built with an allocator of its own.
pub const PROGRAMS: &[Program] = &[
    Program {
        id: "gcc",
        what: "gcc -O2, generated C",
        tool: Some("/usr/bin/gcc"),
        prepare: |folder| fs::write(folder.join("input.c"), inputs::c_source()),
        run: |stage| {
            let mut command = stage.command("/usr/bin/gcc");
            command.args(["-O2", "-c", "input.c", "-o", "output.o"]);
            once(command)
        },
    },
    Program {
        id: "g++",
        what: "g++ -O1, standard containers",
        tool: Some("/usr/bin/g++"),
        prepare: |folder| fs::write(folder.join("input.cc"), inputs::CXX_SOURCE),
        run: |stage| {
            let mut command = stage.command("/usr/bin/g++");
            command.args(["-O1", "-c", "input.cc", "-o", "output.o"]);
            once(command)
        },
    },
    Program {
        id: "python3",
        what: "python3, dictionaries, objects, JSON",
        tool: Some("/usr/bin/python3"),
        prepare: |folder| fs::write(folder.join("input.py"), inputs::PYTHON),
        run: |stage| {
            let mut command = stage.command("/usr/bin/python3");
            command.arg("input.py");
            once(command)
        },
    },
    Program {
        id: "python3-malloc",
        what: "the same without its own pools",
        tool: Some("/usr/bin/python3"),
        prepare: |folder| fs::write(folder.join("input.py"), inputs::PYTHON),
        run: |stage| {
            let mut command = stage.command("/usr/bin/python3");
            command.arg("input.py").env("PYTHONMALLOC", "malloc");
            once(command)
        },
    },
    Program {
        id: "sqlite3",
        what: "sqlite3, in memory",
        tool: Some("/usr/bin/sqlite3"),
        prepare: |folder| fs::write(folder.join("input.sql"), inputs::SQL),
        run: |stage| {
            let mut command = stage.command("/usr/bin/sqlite3");
            command.arg(":memory:");
            command.stdin(File::open(stage.folder.join("input.sql"))?);
            once(command)
        },
    },
    Program {
        id: "z3",
        what: "z3, generated formulas",
        tool: Some("/usr/bin/z3"),
        prepare: |folder| fs::write(folder.join("input.smt2"), inputs::smt()),
        run: |stage| {
            let mut command = stage.command("/usr/bin/z3");
            command.arg("input.smt2");
            once(command)
        },
    },
    Program {
        id: "git",
        what: "git repack -f",
        tool: Some("/usr/bin/git"),
        prepare: |folder| {
            fs::write(folder.join("stream"), inputs::git_history())?;
            usage::wait(
                quiet(Path::new("/usr/bin/git"), folder)
                    .args(["init", "-q", "."])
                    .spawn()?,
            )?;
            let mut import = quiet(Path::new("/usr/bin/git"), folder);
            import.args(["fast-import", "--quiet"]);
            import.stdin(File::open(folder.join("stream"))?);
            once(import).map(drop)
        },
        run: |stage| {
            let mut command = stage.command("/usr/bin/git");
            command.args([
                "repack",
                "-a",
                "-d",
                "-f",
                "-q",
                "--depth=50",
                "--window=40",
                "--threads=2",
            ]);
            once(command)
        },
    },
    Program {
        id: "redis",
        what: "redis-server under redis-benchmark",
        tool: Some("/usr/bin/redis-server"),
        prepare: nothing,
        run: redis,
    },
    Program {
        id: "ruby",
        what: "ruby, strings, hashes, objects",
        tool: Some("/usr/bin/ruby"),
        prepare: |folder| fs::write(folder.join("input.rb"), inputs::RUBY),
        run: |stage| {
            let mut command = stage.command("/usr/bin/ruby");
            command.arg("input.rb");
            once(command)
        },
    },
    Program {
        id: "perl",
        what: "perl, hashes, lists, matches",
        tool: Some("/usr/bin/perl"),
        prepare: |folder| fs::write(folder.join("input.pl"), inputs::PERL),
        run: |stage| {
            let mut command = stage.command("/usr/bin/perl");
            command.arg("input.pl");
            once(command)
        },
    },
    Program {
        id: "larson",
        what: "server simulation (Larson)",
        tool: None,
        prepare: nothing,
        run: |stage| stressed(stage, "larson"),
    },
    Program {
        id: "xmalloc",
        what: "producers and consumers (xmalloc)",
        tool: None,
        prepare: nothing,
        run: |stage| stressed(stage, "xmalloc"),
    },
    Program {
        id: "cache-thrash",
        what: "tiny blocks of two threads (Hoard)",
        tool: None,
        prepare: nothing,
        run: |stage| stressed(stage, "cache-thrash"),
    },
    Program {
        id: "fragmentation",
        what: "holes that do not fit (Robson)",
        tool: None,
        prepare: nothing,
        run: |stage| stressed(stage, "fragmentation"),
    },
];

fn stressed(stage: &Stage<'_>, shape: &str) -> io::Result<Usage> {
    let mut command = stage.command(stress());
    command.arg(shape);
    once(command)
}

/// A server on a local socket, and its own benchmark, which is not measured. Both end within a
/// minute or fail.
fn redis(stage: &Stage<'_>) -> io::Result<Usage> {
    const PATIENCE: Duration = Duration::from_secs(20);
    let socket = stage.folder.join("socket");
    // What a server that was killed has left.
    let _ = fs::remove_file(&socket);
    let mut server = stage.command("/usr/bin/redis-server");
    server.args([
        "--port",
        "0",
        "--save",
        "",
        "--daemonize",
        "no",
        "--unixsocket",
    ]);
    let mut server = server.arg(&socket).spawn()?;
    let began = Instant::now();
    while !socket.exists() {
        if began.elapsed() > PATIENCE {
            server.kill()?;
            server.wait()?;
            return Err(io::Error::other("the server did not open its socket"));
        }
        thread::sleep(Duration::from_millis(5));
    }
    let mut load = quiet(Path::new("/usr/bin/redis-benchmark"), stage.folder);
    load.arg("-s").arg(&socket).args([
        "-t",
        "set,get,incr,lpush,lpop,sadd,hset,spop,zadd",
        "-n",
        "60000",
        "-r",
        "50000",
        "-d",
        "100",
        "-P",
        "16",
        "-q",
    ]);
    let loaded = usage::wait(load.spawn()?);
    let mut end = quiet(Path::new("/usr/bin/redis-cli"), stage.folder);
    end.arg("-s").arg(&socket).args(["shutdown", "nosave"]);
    let ended = usage::wait(end.spawn()?);
    if ended.is_err() {
        // It would wait for ever.
        server.kill()?;
    }
    let used = usage::wait(server)?;
    loaded?;
    Ok(used)
}
