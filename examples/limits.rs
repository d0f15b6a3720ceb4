//! What a program can be given besides arguments: limits, priorities, confinement, namespaces. Each is one line of a
//! `Command`; the table shows what the program sees of it, or why the system refuses it.
//!
//! Run it: `cargo run --release --example limits`

use anyfork::{Command, Limit, Namespaces};
use landlock::{ABI, Access, AccessFs, Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, path_beneath_rules};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};
use std::collections::BTreeMap;
use std::io::Write;

const MEGABYTE: u64 = 1 << 20;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    println!("{:<44} what the program saw\n", "what was asked for");
    resources();
    scheduling();
    files()?;
    confinement()?;
    namespaces();
    refusals();
    Ok(())
}

/// Runs the program, and shows how it went.
fn row(asked: &str, command: &mut Command) {
    let saw = match command.env("LC_ALL", "C").output() {
        Err(error) => format!("refused: {error}"),
        Ok(output) => {
            let text = [output.stdout, output.stderr].concat();
            let text = String::from_utf8_lossy(&text).split_whitespace().collect::<Vec<_>>().join(" ");
            match (output.status.success(), text.is_empty()) {
                (true, _) => text,
                (false, true) => output.status.to_string(),
                (false, false) => format!("{text} ({})", output.status),
            }
        }
    };
    println!("{asked:<44} {saw}");
}

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

/// A limit of 0 octets for core dumps keeps the first and the third from leaving one.
fn resources() {
    let mut spin = shell("while :; do :; done");
    row("1 s of CPU time, for an endless loop", spin.rlimit(Limit::Core, 0, 0).rlimit(Limit::Cpu, 1, 2));

    let mut allocate = Command::new("dd");
    allocate.args(["if=/dev/zero", "of=/dev/null", "bs=256M", "count=1", "status=none"]);
    row("64 MB of addresses, for 256 MB", allocate.rlimit(Limit::As, 64 * MEGABYTE, 64 * MEGABYTE));

    let mut write = Command::new("head");
    write.args(["-c", "10000", "/dev/zero"]);
    match tempfile::tempfile() {
        Ok(file) => _ = write.stdout(file),
        Err(error) => return println!("no file: {error}"),
    }
    row("files of 4096 octets, for 10,000", write.rlimit(Limit::Core, 0, 0).rlimit(Limit::Fsize, 4096, 4096));

    let mut open = shell("exec 3</dev/null && echo 3 is open && exec 4</dev/null && echo 4 is open");
    row("descriptors below 4, for two more", open.rlimit(Limit::Nofile, 4, 4));
}

fn scheduling() {
    row("nice value 10", shell("nice").nice(10));
    row("CPU 0 only", shell("grep Cpus_allowed_list: /proc/self/status").cpu_affinity([0]));
    row("first to be killed without memory", shell("cat /proc/self/oom_score_adj").oom_score_adj(1000));
}

fn files() -> Result<()> {
    row("umask 027", shell("umask").umask(0o027));
    let directory = tempfile::tempdir()?;
    // The program's file is looked for inside.
    row("an empty root directory", Command::new("/bin/cat").chroot(directory.path()));
    Ok(())
}

fn confinement() -> Result<()> {
    let mut secret = tempfile::NamedTempFile::new()?;
    writeln!(secret, "the secret")?;
    row("Landlock: only the system's own files", Command::new("cat").arg(secret.path()).landlock(only_the_system()?));
    row("the same file without Landlock", Command::new("cat").arg(secret.path()));
    row("seccomp: no uname(2)", Command::new("uname").seccomp(&no_uname()?));
    row("no new privileges", shell("grep NoNewPrivs: /proc/self/status").no_new_privs(true));
    Ok(())
}

/// Reads and runs what lies where systems have their programs, and nothing else.
fn only_the_system() -> Result<RulesetCreated> {
    let access = AccessFs::from_read(ABI::V1);
    let ruleset = Ruleset::default().handle_access(AccessFs::from_all(ABI::V1))?.create()?;
    // Those that this system does not have are left out.
    Ok(ruleset.add_rules(path_beneath_rules(["/bin", "/lib", "/lib64", "/usr", "/etc", "/nix/store"], access))?)
}

/// One system call fails, all others are as always.
fn no_uname() -> Result<BpfProgram> {
    let architecture = TargetArch::try_from(std::env::consts::ARCH)?;
    let refuse = SeccompAction::Errno(libc::EPERM as u32);
    let rules = BTreeMap::from([(libc::SYS_uname, Vec::new())]);
    Ok(SeccompFilter::new(rules, SeccompAction::Allow, refuse, architecture)?.try_into()?)
}

/// With a namespace of users the others need no privilege, where the system lets its users make one.
fn namespaces() {
    let user = Namespaces::USER;
    row("a namespace of users", shell("echo user $(id -u)").namespaces(user));
    row("and of processes", shell("echo process $$").namespaces(user | Namespaces::PID));
    row(
        "and of networks",
        shell("echo devices: $(grep -o '[a-z0-9]*:' /proc/net/dev | tr -d :)").namespaces(user | Namespaces::NET),
    );
}

/// No system has these: the program has not started, and the error names the step.
fn refusals() {
    row("CPU 8000 only", shell("echo here").cpu_affinity([8000]));
    row("a directory that is not there", shell("echo here").current_dir("/no/such/directory"));
    row("a program that is not there", &mut Command::new("no-such-program"));
    row("a soft limit above the hard one", shell("echo here").rlimit(Limit::Nofile, 20, 10));
}
