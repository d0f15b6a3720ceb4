//! Processes that send without an end, or read nothing.

use crate::*;
use anyfork::{ErrorKind, Process, Worker};
use anyfork_tests::{SOON, all_end_soon, lives, open_files, status, wait_until};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

#[anyfork::entry]
fn flood(mut socket: UnixStream) {
    while socket.write_all(&[7; 65_536]).is_ok() {}
}

fn resident() -> u64 {
    status(std::process::id(), "VmRSS").trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn workers_that_flood_their_sockets_wait_for_their_reader() {
    let flooders: Vec<Worker> = (0..8).map(|_| Process::new().kill_on_drop(true).run(flood).unwrap()).collect();
    let before = resident();
    let begin = Instant::now();
    (0..50).for_each(|_| others_work());
    assert!(begin.elapsed() < LONG);
    assert!(flooders.iter().all(|worker| worker.try_wait().unwrap().is_none()));
    assert!(resident() < before + 10_000, "{before} kB before, {} kB after", resident());
    let pids: Vec<u32> = flooders.iter().map(Worker::pid).collect();
    drop(flooders);
    all_end_soon(&pids);
}

#[anyfork::entry]
fn never_read(sign: String) {
    Sign::give(&sign);
    std::thread::sleep(LONG);
}

#[test]
fn orders_that_nobody_reads_end_with_the_deadline() {
    others_work();
    let sign = Sign::new();
    let before = open_files(std::process::id());
    let mut process = Process::new().deadline(Duration::from_millis(300)).call(never_read, [sign.path()]);
    // More than the socket holds.
    for _ in 0..50 {
        process = process.call(never_read, ["x".repeat(50_000)]);
    }
    let begin = Instant::now();
    let error = process.run(nothing).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deadline, "{error}");
    assert!(begin.elapsed() < SOON, "{:?}", begin.elapsed());
    all_end_soon(&[sign.wait()]);
    assert_eq!(open_files(std::process::id()), before);
}

/// Has children and memory, as long as its socket is open.
#[anyfork::entry]
fn take_much(mut socket: UnixStream) -> std::io::Result<()> {
    // SAFETY: this process has one thread.
    let is_child = (0..200).any(|_| unsafe { libc::fork() } == 0);
    if !is_child {
        let memory = std::hint::black_box(vec![1_u8; 100 << 20]);
        socket.write_all(b"!")?;
        std::hint::black_box(&memory);
    }
    let _ = socket.read(&mut [0]);
    Ok(())
}

#[test]
fn a_worker_with_many_children_and_much_memory_does_not_disturb_the_others() {
    let before = resident();
    let worker = Process::new().blocking_socket(true).kill_on_drop(true).run(take_much).unwrap();
    worker.socket().read_exact(&mut [0]).unwrap();
    let children = anyfork_tests::children(worker.pid());
    assert_eq!(children.len(), 200);
    (0..10).for_each(|_| others_work());
    assert!(resident() < before + 10_000, "{before} kB before, {} kB after", resident());
    drop(worker);
    // Their end of the socket is at its end. Nobody but the default template could wait for them.
    all_end_soon(&children);
    assert!(wait_until(SOON, || children.iter().all(|child| anyfork_tests::stat(*child).is_none())), "zombies");
}

/// Leaves processes that tell their template's owner of ends which nobody has asked for, as fast as they can, as long as anybody is there.
/// One alone is slower than its reader.
#[anyfork::entry]
fn leave_reporters(sign: String, descriptors: u16) {
    let socket = own_socket();
    // SAFETY: this process has one thread.
    if unsafe { libc::fork() } != 0 {
        return;
    }
    Sign::give(&sign);
    // The template has said that it is ready.
    std::thread::sleep(Duration::from_millis(100));
    // SAFETY: as above.
    let _ = (0..4).find(|_| unsafe { libc::fork() } == 0);
    let reports = frame(EXITED, 0, &[1; 56]).repeat(64);
    let descriptors = vec![socket.as_fd(); descriptors.into()];
    while send(&socket, &reports, &descriptors) {}
    std::process::exit(0);
}

fn reported_to(descriptors: u16) {
    let sign = Sign::new();
    let template = Process::new().call(leave_reporters, [sign.path(), &descriptors.to_string()]).template().unwrap();
    let reporter = sign.wait();
    let worker = template.fork().run(nothing).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let (begin, before) = (Instant::now(), resident());
    // Whatever these come to: they return.
    for _ in 0..3 {
        let _ = worker.wait_timeout(Duration::from_millis(50));
        let _ = template.fork().deadline(Duration::from_millis(200)).run(nothing);
    }
    others_work();
    assert!(resident() < before + 10_000, "{before} kB before, {} kB after", resident());
    drop(worker);
    drop(template);
    assert!(begin.elapsed() < LONG / 4, "{:?}", begin.elapsed());
    // With the last handle the socket is closed.
    assert!(wait_until(SOON, || !lives(reporter)), "it still finds a reader");
    others_work();
}

#[test]
fn a_template_that_reports_without_an_end_does_not_hold_its_owner() {
    reported_to(0);
}

#[test]
fn a_template_that_sends_descriptors_without_an_end_does_not_fill_its_owner() {
    others_work();
    let before = open_files(std::process::id());
    for count in [1, 2, 253] {
        reported_to(count);
    }
    assert_eq!(open_files(std::process::id()), before);
}

/// The socket is read to its end, which comes only with that of the process.
#[test]
fn a_flood_is_read_as_far_as_its_reader_wants() {
    let worker = Process::new().blocking_socket(true).kill_on_drop(true).run(flood).unwrap();
    let mut octets = vec![0; 1 << 20];
    worker.socket().read_exact(&mut octets).unwrap();
    assert!(octets.iter().all(|octet| *octet == 7));
}
