//! Examples of anyfork, one idea each. Run one with `cargo run --release --example NAME`.
//!
//! This library has what several of them need: a look at the processes as the system sees them.

use std::fs;
use std::io;

/// A process as `/proc` shows it.
#[derive(Debug, Clone)]
pub struct SeenProcess {
    /// Its number.
    pub pid: u32,
    /// Its parent's number.
    pub parent: u32,
    /// What `ps` shows of it.
    pub title: String,
}

/// All processes of the system, in the order of their numbers.
pub fn all_processes() -> io::Result<Vec<SeenProcess>> {
    let names = fs::read_dir("/proc")?.flatten().map(|entry| entry.file_name());
    let pids = names.filter_map(|name| name.to_str()?.parse().ok());
    // One that ends while we look is left out, and so is one that has ended and is not waited for yet.
    let mut seen: Vec<SeenProcess> = pids.filter_map(look_at).collect();
    seen.sort_by_key(|process| process.pid);
    Ok(seen)
}

/// The process `root` and all below it, each with its depth, parents before their children.
pub fn process_tree(root: u32) -> io::Result<Vec<(usize, SeenProcess)>> {
    let all = all_processes()?;
    let mut tree = Vec::new();
    let mut next: Vec<(usize, &SeenProcess)> =
        all.iter().filter(|process| process.pid == root).map(|process| (0, process)).collect();
    while let Some((depth, process)) = next.pop() {
        tree.push((depth, process.clone()));
        // Backwards, as the last one pushed is the next one taken.
        let children = all.iter().rev().filter(|child| child.parent == process.pid);
        next.extend(children.map(|child| (depth + 1, child)));
    }
    Ok(tree)
}

fn look_at(pid: u32) -> Option<SeenProcess> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // "PID (NAME) STATE PARENT ...", where the name may hold anything: proc_pid_stat(5).
    let after_name = stat.rsplit_once(") ")?.1;
    let (state, rest) = after_name.split_once(' ')?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    let parent = rest.split(' ').next()?.parse().ok()?;
    let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let title = String::from_utf8_lossy(&line).replace('\0', " ").trim().to_owned();
    Some(SeenProcess { pid, parent, title })
}
