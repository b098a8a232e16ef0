//! 32-bit Wine, in a Debian root of its own: how it is made, and how cargo runs a program in it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::toolchain::{WINE_ENVIRONMENT, WINE32_PACKAGES, WINE32_SUITE};
use crate::workspace::Workspace;

/// Where a Debian machine says which mirror it uses.
const SOURCES: &str = "/etc/apt/sources.list.d/debian.sources";
const SOURCES_ONE_LINE: &str = "/etc/apt/sources.list";

/// Runs a program under the root's Wine: $1 is the root, $2 the directory to run in. The
/// directories that the program may touch keep their paths inside the root; the mounts end with the
/// mount namespace.
const RUNNER: &str = r#"set -euo pipefail
# As in wine.rs.
fixed_layout="setarch --addr-no-randomize"
$fixed_layout true 2>/dev/null || fixed_layout=
exec $fixed_layout unshare --mount bash -c '
set -e
root=$1; directory=$2; shift 2
for shared in /proc /dev /tmp "$HOME" "$directory"; do
    mkdir -p "$root$shared"
    mount --rbind "$shared" "$root$shared"
done
exec chroot "$root" /bin/sh -c "cd \"\$1\" && shift && exec /usr/lib/wine/wine \"\$@\"" sh "$directory" "$@"
' _ "$WINE32_ROOT" "$PWD" "$@"
"#;

fn root(workspace: &Workspace) -> PathBuf {
    workspace.cache.join("wine32-root")
}

/// Whether the root is there and complete.
pub fn is_installed(workspace: &Workspace) -> bool {
    root(workspace).join("usr/lib/wine/wine").exists()
}

/// Makes the root, from the mirror that this machine uses itself.
pub fn install(workspace: &Workspace) -> Result<()> {
    let root = root(workspace);
    if root.exists() {
        fs::remove_dir_all(&root).context("removing an unfinished root")?;
    }
    let source = format!("deb {} {WINE32_SUITE} main", mirror()?);
    workspace
        .command("mmdebstrap")
        .args([
            "--quiet",
            "--arch=i386",
            "--variant=essential",
            "--mode=root",
        ])
        .arg(format!("--include={WINE32_PACKAGES}"))
        .args([
            "--aptopt=Acquire::Languages \"none\"",
            "--dpkgopt=path-exclude=/usr/share/doc/*",
        ])
        .args([WINE32_SUITE])
        .arg(&root)
        .arg("-")
        .stdin(source)
        .run()?;
    Ok(())
}

/// What cargo and Wine need in the environment to run 32-bit Windows programs; writes the runner.
pub fn environment(workspace: &Workspace) -> Result<Vec<(&'static str, String)>> {
    let runner = workspace.cache.join("wine32-run");
    fs::write(&runner, RUNNER)?;
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let fixed = WINE_ENVIRONMENT
        .iter()
        .map(|(name, value)| (*name, (*value).to_owned()));
    Ok(fixed
        .chain([
            ("WINEARCH", "win32".to_owned()),
            ("WINEPREFIX", text(&workspace.cache.join("wine32"))),
            ("WINE32_ROOT", text(&root(workspace))),
            (
                "CARGO_TARGET_I686_WIN7_WINDOWS_GNU_RUNNER",
                format!("bash {}", text(&runner)),
            ),
        ])
        .collect())
}

/// The Debian mirror that this machine's own sources name.
fn mirror() -> Result<String> {
    if let Ok(text) = fs::read_to_string(SOURCES)
        && let Some(uri) = text.lines().find_map(|line| line.strip_prefix("URIs:"))
    {
        return Ok(uri.trim().to_owned());
    }
    let text = fs::read_to_string(SOURCES_ONE_LINE).context("no apt sources found")?;
    text.lines()
        .find_map(|line| {
            line.strip_prefix("deb ")?
                .split_whitespace()
                .find(|word| word.contains("://"))
        })
        .map(str::to_owned)
        .context("apt's sources name no mirror")
}
