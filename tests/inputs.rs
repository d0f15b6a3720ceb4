//! Inputs: octets of all kinds and sizes, many descriptors, their order, and who inherits them.

use anyfork::{Blob, Input, Inputs, Process};
use anyfork_tests::answer;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::net::UnixStream;

/// FNV-1a: tells different octets apart.
fn hash(octets: &[u8]) -> u64 {
    octets.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

#[anyfork::entry]
fn describe(mut socket: UnixStream, inputs: Inputs) -> io::Result<()> {
    let mut text = String::new();
    for input in inputs {
        match input {
            Input::Arg(octets) => text.push_str(&format!("{}:{:x} ", octets.len(), hash(&octets))),
            Input::Fd(fd) => text.push_str(&format!("fd:{} ", File::from(fd).metadata()?.len())),
            _ => {}
        }
    }
    socket.write_all(text.as_bytes())
}

#[anyfork::entry]
fn length_and_ends(mut socket: UnixStream, data: Blob) -> io::Result<()> {
    let mapped = std::fs::read_to_string("/proc/self/maps")?.contains("memfd:anyfork argument");
    write!(socket, "{} {:?} {:?} mapped: {mapped}", data.len(), data.first(), data.last())
}

fn described(octets: &[u8]) -> String {
    format!("{}:{:x} ", octets.len(), hash(octets))
}

/// Octets that do not repeat in step with any buffer.
fn octets(length: usize) -> Vec<u8> {
    (0..length as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

#[test]
fn arguments_are_any_octets_of_any_length() {
    let lengths = [0, 1, 255, 256, 257, 4095, 4096, 4097, 65_535, 65_536, 65_537, 200_000, 3_000_000];
    for length in lengths {
        let data = octets(length);
        let worker = Process::new().arg(&data).arg("").blocking_socket(true).run(describe).unwrap();
        assert_eq!(answer(&worker), described(&data) + &described(b""), "{length}");
    }
}

#[test]
fn nul_newline_and_no_utf8_are_octets_as_others() {
    let odd: [&[u8]; 6] = [b"\0", b"a\0b", b"\n", b"\xff\xfe", b"a=b", b" "];
    let worker = Process::new().args(odd).blocking_socket(true).run(describe).unwrap();
    assert_eq!(answer(&worker), odd.map(described).concat());
}

#[test]
fn ten_thousand_arguments_arrive_in_order() {
    let worker = Process::new().args(0..10_000).blocking_socket(true).run(describe).unwrap();
    let expected: String = (0..10_000).map(|n: i32| described(n.to_string().as_bytes())).collect();
    assert_eq!(answer(&worker), expected);
}

#[test]
fn more_descriptors_than_one_message_carries_arrive_in_order() {
    for count in [1, 252, 253, 254, 506, 507, 900] {
        let directory = tempdir();
        let files: Vec<File> = (0..count)
            .map(|n| {
                let path = directory.join(n.to_string());
                std::fs::write(&path, vec![0; n]).unwrap();
                File::open(&path).unwrap()
            })
            .collect();
        let worker = Process::new().arg("x").fds(&files).arg("y").blocking_socket(true).run(describe).unwrap();
        let expected: String = (0..count).map(|n| format!("fd:{n} ")).collect();
        assert_eq!(answer(&worker), described(b"x") + &expected + &described(b"y"), "{count}");
        std::fs::remove_dir_all(directory).unwrap();
    }
}

fn tempdir() -> std::path::PathBuf {
    let path = std::env::temp_dir().join(format!("anyfork-inputs-{}", std::process::id()));
    std::fs::create_dir_all(&path).unwrap();
    path
}

#[test]
fn many_arguments_and_many_descriptors_keep_their_order() {
    let file = File::open("/dev/null").unwrap();
    let mut process = Process::new().blocking_socket(true);
    let mut expected = String::new();
    for n in 0..600 {
        let data = octets(n * 3);
        process = process.arg(&data).fd(&file);
        expected += &(described(&data) + "fd:0 ");
    }
    assert_eq!(answer(&process.run(describe).unwrap()), expected);
}

#[test]
fn the_caller_may_close_his_descriptor_at_once() {
    let (read, mut write) = io::pipe().unwrap();
    let process = Process::new().fd(&read).blocking_socket(true);
    drop(read);
    write.write_all(b"hello").unwrap();
    drop(write);
    assert_eq!(answer(&process.run(copy).unwrap()), "hello");
}

#[anyfork::entry]
fn copy(mut socket: UnixStream, mut from: File) -> io::Result<()> {
    io::copy(&mut from, &mut socket).map(drop)
}

#[test]
fn what_a_template_has_queued_comes_first_in_every_fork() {
    let large = octets(100_000);
    let null = File::open("/dev/null").unwrap();
    let outer = Process::new().arg("a").fd(&null).template().unwrap();
    let inner = outer.fork().arg(&large).template().unwrap();
    let expected = described(b"a") + "fd:0 " + &described(&large) + &described(b"z");
    for _ in 0..3 {
        let worker = inner.fork().arg("z").blocking_socket(true).run(describe).unwrap();
        assert_eq!(answer(&worker), expected);
    }
    let worker = outer.fork().blocking_socket(true).run(describe).unwrap();
    assert_eq!(answer(&worker), described(b"a") + "fd:0 ");
}

#[test]
fn a_large_argument_is_mapped_and_not_copied() {
    let worker = Process::new().arg(octets(1 << 20)).blocking_socket(true).run(length_and_ends).unwrap();
    assert_eq!(answer(&worker), format!("1048576 Some(0) {:?} mapped: true", octets(1 << 20).last()));
    let worker = Process::new().arg("small").blocking_socket(true).run(length_and_ends).unwrap();
    assert_eq!(answer(&worker), "5 Some(115) Some(108) mapped: false");
}

#[test]
fn an_argument_of_4_gib_arrives() {
    const LENGTH: usize = 4 << 30;
    // Its pages are all the one zero page, except the two at the ends.
    let mut data = vec![0u8; LENGTH];
    data[0] = 1;
    data[LENGTH - 1] = 2;
    let worker = Process::new().arg(&data).blocking_socket(true).run(length_and_ends).unwrap();
    assert_eq!(answer(&worker), format!("{LENGTH} Some(1) Some(2) mapped: true"));
}
