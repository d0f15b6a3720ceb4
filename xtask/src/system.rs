//! What the checks need of the system: looked for, installed where that is allowed, asked for otherwise.

use crate::python;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::env;
use std::ffi::OsString;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// Something that the checks need and that the system's package manager has.
struct Need {
    what: &'static str,
    is_there: fn() -> bool,
    /// The Debian packages that bring it.
    packages: &'static [&'static str],
}

const NEEDS: [Need; 6] = [
    Need {
        what: "a C compiler with the headers of the C library, as `cc` or in the variable CC",
        is_there: compiles_c,
        packages: &["gcc", "libc6-dev"],
    },
    // The scripts of the example `cgi`.
    Need { what: "Perl, as `perl`", is_there: || runs("perl"), packages: &["perl"] },
    // Templates in Perl and Python.
    Need { what: "AnyEvent::Fork for Perl", is_there: has_anyevent_fork, packages: &["libanyevent-fork-perl"] },
    Need { what: "Python, as `python3`", is_there: || runs("python3"), packages: &["python3"] },
    Need { what: "Python's virtual environments", is_there: has_venv, packages: &["python3-venv"] },
    // The example `glib`.
    Need {
        what: "the C library GLib with its headers, as `pkg-config` finds it",
        is_there: has_glib,
        packages: &["libglib2.0-dev", "pkg-config"],
    },
];

/// Something that comes with the Rust toolchain: the subcommand, and how to get it.
const COMPONENTS: [(&str, &str); 2] =
    [("fmt", "rustup component add rustfmt"), ("clippy", "rustup component add clippy")];

/// So many descriptors have tests of a thousand processes at once; the limit is 1024 as a rule, unless somebody raises it.
const DESCRIPTORS: u64 = 20_000;

/// Makes sure that everything is there, or says what to install.
pub(crate) fn prepare() -> Result<(), String> {
    raise_limit_of_descriptors().map_err(|errno| format!("the limit of descriptors cannot be raised: {errno}"))?;
    for (subcommand, remedy) in COMPONENTS {
        if !has_subcommand(subcommand) {
            return Err(format!("`cargo {subcommand}` is missing; install it: {remedy}"));
        }
    }
    let missing = missing();
    if missing.is_empty() {
        return python::prepare();
    }
    let packages: Vec<&str> = missing.iter().flat_map(|need| need.packages).copied().collect();
    if !may_install() {
        return Err(ask_for(&missing, &packages));
    }
    install(&packages)?;
    match self::missing().first() {
        None => python::prepare(),
        Some(need) => Err(format!("{} was installed, but there still is not {}", need.packages.join(" "), need.what)),
    }
}

/// Of this process and of all that it starts, as far as it may be raised.
fn raise_limit_of_descriptors() -> rustix::io::Result<()> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = DESCRIPTORS.min(maximum.unwrap_or(DESCRIPTORS));
    // None: without a limit.
    if current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum })
}

/// Whether cargo has a subcommand, for instance `nextest`.
pub(crate) fn has_subcommand(name: &str) -> bool {
    succeeds(Command::new(cargo()).args([name, "--version"]))
}

/// The cargo that runs this program.
pub(crate) fn cargo() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// What the compiler calls this kind of machine.
pub(crate) fn host() -> String {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-vV").output().map(|output| output.stdout).unwrap_or_default();
    let text = String::from_utf8_lossy(&output);
    // By its other name newer versions of cargo know it.
    text.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or("host-tuple").to_owned()
}

fn missing() -> Vec<&'static Need> {
    NEEDS.iter().filter(|need| !(need.is_there)()).collect()
}

fn ask_for(missing: &[&Need], packages: &[&str]) -> String {
    let what: Vec<&str> = missing.iter().map(|need| need.what).collect();
    let packages = packages.join(" ");
    format!("missing: {}\nInstall it; on Debian, Ubuntu: sudo apt-get install {packages}", what.join("; "))
}

/// As root on Debian or a relative.
fn may_install() -> bool {
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|this| this.uid() == 0);
    is_root && Path::new("/etc/debian_version").exists()
}

fn install(packages: &[&str]) -> Result<(), String> {
    eprintln!("== installing {}", packages.join(" "));
    let install = [&["install", "--yes", "--no-install-recommends"], packages].concat();
    for arguments in [&["update"][..], &install] {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").args(arguments);
        match command.status() {
            Ok(status) if status.success() => {}
            Ok(status) => return Err(format!("`apt-get {}` failed: {status}", arguments.join(" "))),
            Err(error) => return Err(format!("apt-get could not be started: {error}")),
        }
    }
    Ok(())
}

fn compiles_c() -> bool {
    let compiler = env::var_os("CC").unwrap_or_else(|| "cc".into());
    let mut command = Command::new(compiler);
    command.args(["-fsyntax-only", "-x", "c", "-"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let Ok(mut child) = command.spawn() else { return false };
    // A compiler that has ended already says the rest with its status.
    let _ = child.stdin.take().map(|mut source| source.write_all(b"#include <stdio.h>\n#include <pthread.h>\n"));
    child.wait().is_ok_and(|status| status.success())
}

fn has_anyevent_fork() -> bool {
    succeeds(Command::new("perl").args(["-MAnyEvent::Fork", "-MIO::FDPass", "-e1"]))
}

fn has_venv() -> bool {
    succeeds(Command::new("python3").args(["-c", "import ensurepip, venv"]))
}

fn has_glib() -> bool {
    succeeds(Command::new("pkg-config").args(["--exists", "glib-2.0 >= 2.56", "gobject-2.0"]))
}

fn runs(program: &str) -> bool {
    succeeds(Command::new(program).arg("--version"))
}

pub(crate) fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
