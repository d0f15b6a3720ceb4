//! Programs that are none. Only the server of the program itself starts any.

use crate::frames::{ARGUMENT, BECOME, FREE, PREPARING, PROTOCOL, SPAWN, counted, failure, frame, reply, send};
use crate::peers::{Peer, Raw, fork, is_well, started};
use anyfork_conformance::Native;
use anyfork_tests::LONG;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

/// `/bin/true` with these steps.
fn program(steps: &[u8]) -> Vec<u8> {
    let [file, path, arguments] = [&b"/bin/true\0"[..], b"/bin\0", b"true\0"].map(counted);
    [file, path, arguments, counted(b""), vec![0; 4], vec![255; 2], steps.to_vec()].concat()
}

/// Of a process that is to become the program, at whose end its socket is.
pub(crate) fn nothing_may_stand_behind_it() {
    let template = Native::raw_template();
    for (behind, is_refused) in [(vec![], false), (vec![0], true), (frame(ARGUMENT, 0, b"x"), true)] {
        let (_, socket) = fork(&template, PREPARING);
        assert!(send(&socket, &[frame(BECOME, 0, &program(b"")), behind].concat(), &[]));
        if is_refused {
            assert_eq!(failure(&socket), PROTOCOL);
        } else {
            started(&socket);
        }
        assert_eq!(reply(&socket), None);
    }
    is_well::<Native>(&template);
}

/// The kind of failure that is the answer to this program, with so many descriptors.
fn refused(template: &Raw, program: &[u8], descriptors: usize) -> u8 {
    let (socket, theirs) = UnixStream::pair().unwrap();
    socket.set_read_timeout(Some(LONG)).unwrap();
    let null = File::open("/dev/null").unwrap();
    let all: Vec<_> = [theirs.as_fd()].into_iter().chain(vec![null.as_fd(); descriptors]).collect();
    let payload = [&1u64.to_le_bytes()[..], &[FREE], program].concat();
    assert!(send(&template.socket, &frame(SPAWN, all.len() as u16, &payload), &all));
    drop(theirs);
    let kind = failure(&socket);
    assert_eq!(reply(&socket), None);
    kind
}

pub(crate) fn what_is_malformed_is_one_failed_start() {
    let template = Native::raw_template();
    let text = |octets: &[u8]| [counted(octets), counted(b"\0")].concat();
    let whole = program(b"");
    let groups = |count: u32| program(&[&[16][..], &count.to_le_bytes(), &[0; 8]].concat());
    let entry = |count: u32| program(&[&[23][..], &counted(b"x"), &count.to_le_bytes(), &[0; 8]].concat());
    let cases = [
        ("no octets but one", vec![0]),
        ("a file without its NUL", text(b"/bin/true")),
        ("a file with two", text(b"/bin\0true\0")),
        ("a file without an octet", text(b"")),
        ("a file of the greatest length", [&[255; 4][..], b"x\0"].concat()),
        ("a program that is cut off", whole[..whole.len() - 1].to_vec()),
        ("an argument without its NUL", [text(b"x\0"), counted(b"a\0b"), counted(b""), vec![0; 6]].concat()),
        ("a step of kind 0", program(&[0])),
        ("a step behind the last known", program(&[30])),
        ("the last kind of a step", program(&[255])),
        ("a step that is cut off", program(&[9, 1, 0, 0, 0, 1])),
        ("more groups than came", groups(3)),
        ("so many groups that their octets are a few", groups(1 << 30 | 1)),
        ("most groups", groups(u32::MAX)),
        ("so many arguments of an entry that they are a few", entry(1 << 31 | 1)),
        ("most arguments of an entry", entry(u32::MAX)),
        ("an entry in a program that is not forked", entry(0)[..whole.len() + 10].to_vec()),
        ("a directory with a NUL within", program(&[&[20][..], &counted(b"/\0/\0")].concat())),
        ("a descriptor that did not come", program(&[1, 1, 0, 0, 0, 0, 0])),
        ("the last descriptor", program(&[8, 255, 255])),
        ("the directory of a control group that did not come", [&whole[..whole.len() - 2], &[1, 0]].concat()),
    ];
    for (what, octets) in cases {
        eprintln!("{what}");
        assert_eq!(refused(&template, &octets, 1), PROTOCOL, "{what}");
    }
    is_well::<Native>(&template);
}
