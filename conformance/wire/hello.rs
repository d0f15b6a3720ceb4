//! An interpreter that has not been greeted yet.

use crate::frames::{ARGUMENT, OTHER_IMAGE, PROTOCOL, TEMPLATE, failure, frame, reply, send};
use crate::peers::{VERSION, hello, interpreter};
use std::net::Shutdown;

pub(crate) fn the_first_order_is_a_hello() {
    for orders in [frame(ARGUMENT, 0, b"x"), frame(TEMPLATE, 0, b""), [hello(VERSION), hello(VERSION)].concat()] {
        let raw = interpreter();
        assert!(send(&raw.socket, &orders, &[]));
        assert_eq!(failure(&raw.socket), PROTOCOL);
        raw.ends();
    }
}

pub(crate) fn another_version_is_refused() {
    for version in [0, VERSION - 1, VERSION + 1, u16::MAX] {
        let raw = interpreter();
        assert!(send(&raw.socket, &hello(version), &[]));
        assert_eq!(failure(&raw.socket), OTHER_IMAGE);
        raw.ends();
    }
}

pub(crate) fn an_end_before_the_hello_ends_the_interpreter() {
    let greeting = hello(VERSION);
    for cut in [0, 1, 7, 8, 20, greeting.len() - 1, greeting.len()] {
        let raw = interpreter();
        if cut > 0 {
            assert!(send(&raw.socket, &greeting[..cut], &[]));
        }
        raw.socket.shutdown(Shutdown::Write).unwrap();
        let last = reply(&raw.socket);
        // What it has of a hello that is cut at its last field, a name of any length, is no hello for lack of its octets.
        assert!(last.is_none(), "cut at {cut}: {last:?}");
        raw.ends();
    }
}
