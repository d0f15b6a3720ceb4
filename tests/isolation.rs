//! What a new process can see of others: their arguments and environment, the memory of its template, where things are in memory. Which descriptors it has is in
//! `descriptors`.

#[path = "isolation/environment.rs"]
mod environment;

#[path = "isolation/layout.rs"]
mod layout;

#[path = "isolation/memory.rs"]
mod memory;

#[path = "isolation/names.rs"]
mod names;

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

/// How often `wanted` is in what can be read of a process's memory: /proc/PID/maps, /proc/PID/mem.
fn found(pid: u32, wanted: &[u8]) -> usize {
    let memory = File::open(format!("/proc/{pid}/mem")).unwrap();
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let (mut octets, mut read, mut count) = (Vec::new(), 0, 0);
    for line in maps.lines().filter(|line| line.contains(" r") && !line.contains("[v")) {
        let (range, _) = line.split_once(' ').unwrap();
        let (start, end) = range.split_once('-').unwrap();
        let [start, end] = [start, end].map(|number| u64::from_str_radix(number, 16).unwrap());
        octets.resize((end - start) as usize, 0);
        if memory.read_exact_at(&mut octets, start).is_ok() {
            read += octets.len();
            count += memchr::memmem::find_iter(&octets, wanted).count();
        }
    }
    assert!(read > 100_000, "only {read} octets of {pid} could be read");
    count
}

/// A secret that nobody has yet.
fn secret() -> String {
    let mut octets = [0; 16];
    rustix::rand::getrandom(&mut octets, rustix::rand::GetRandomFlags::empty()).unwrap();
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
