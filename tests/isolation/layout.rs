//! Where things are in memory, which helps whoever attacks a process.

use anyfork::{Process, Worker};
use anyfork_tests::{answer, skipped};
use std::io::Write;
use std::os::unix::net::UnixStream;

/// Where the code, the stack and the heap are.
#[anyfork::entry]
fn places(mut socket: UnixStream) -> std::io::Result<()> {
    let (here, there) = (0_u8, Box::new(0_u8));
    let code = places_of as fn(&[u64]) -> String as usize as u64;
    socket.write_all(places_of(&[code, &raw const here as u64, &raw const *there as u64]).as_bytes())
}

fn places_of(places: &[u64]) -> String {
    places.iter().map(|place| format!("{place:x}")).collect::<Vec<_>>().join(" ")
}

fn places_in(process: Process) -> Vec<String> {
    let worker: Worker = process.blocking_socket(true).run(places).unwrap();
    answer(&worker).split(' ').map(str::to_owned).collect()
}

#[test]
fn forks_of_one_template_share_its_layout_and_a_fresh_exec_has_its_own() {
    if std::fs::read_to_string("/proc/sys/kernel/randomize_va_space").is_ok_and(|how| how.trim() == "0") {
        return skipped("it takes a kernel that randomizes addresses");
    }
    let template = Process::new().template().unwrap();
    let shared = places_in(template.fork());
    assert_eq!(places_in(template.fork()), shared);
    assert_eq!(places_in(Process::new()), shared, "the default template is where it comes from");
    let fresh = [places_in(Process::exec()), places_in(Process::exec())];
    for (index, place) in ["code", "stack", "heap"].iter().enumerate() {
        assert_ne!(fresh[0][index], shared[index], "{place}");
        assert_ne!(fresh[0][index], fresh[1][index], "{place}");
    }
}
