//! Orders to fork in advance that nobody sends by accident, and who ends with whom.

use crate::frames::{self, *};
use crate::peers::{Peer, Raw, fork, is_well, nested, run, started};
use crate::spares::{Reports, Spare, order};
use anyfork_tests::{LONG, all_end_soon, children, lives, signal as send_signal, wait_until};
use rustix::process::Signal;
use std::io::Write;
use std::net::Shutdown;
use std::time::Duration;

/// Long enough for what must not happen.
const MOMENT: Duration = Duration::from_millis(100);

/// As soon as it can.
fn now(first: u64, count: u32) -> Vec<u8> {
    spares(first, count, Duration::ZERO)
}

pub(crate) fn the_order_may_be_cut_anywhere<P: Peer>() {
    let template = P::raw_template();
    let mut reports = Reports::of(&template);
    for cut in 1..24 {
        let order = now(1000 + cut as u64, 1);
        assert!(send(&template.socket, &order[..cut], &[]));
        std::thread::sleep(Duration::from_millis(2));
        assert!(send(&template.socket, &order[cut..], &[]));
        let Spare { id, socket, .. } = reports.spare();
        assert_eq!(id, 1000 + cut as u64, "cut at {cut}");
        drop(socket);
        assert_eq!(reports.ended(), (id, 0));
    }
    is_well::<P>(&template);
}

/// No more than its reports have room for wait if nobody takes these, and orders come first all the time.
pub(crate) fn a_huge_number_stops_nothing_else<P: Peer>() {
    let root = P::raw_template();
    let template = nested(&root);
    order(&template, &now(1 << 40, u32::MAX));
    assert!(wait_until(LONG, || children(template.pid).len() > 20));
    let (_, mut socket) = fork(&template, FREE);
    assert!(send(&socket, &run::<P>("park"), &[]));
    let pid = started(&socket);
    socket.write_all(&[1]).unwrap();
    // Until there is room for no more.
    let mut before = 0;
    let is_full = || {
        std::thread::sleep(MOMENT);
        let now = children(template.pid).len();
        std::mem::replace(&mut before, now) == now
    };
    assert!(wait_until(LONG, is_full), "{before} are not enough");
    assert!(before < 1000, "{before} wait");
    assert!(wait_until(LONG, || !lives(pid)));
    let waiting = children(template.pid);
    assert!(send(&template.socket, &frame(END, 0, b""), &[]));
    all_end_soon(&waiting);
    all_end_soon(&[template.pid]);
}

pub(crate) fn the_last_id_is_the_last<P: Peer>() {
    let template = P::raw_template();
    let mut reports = Reports::of(&template);
    order(&template, &now(u64::MAX - 1, 100));
    let Spare { id, socket, .. } = reports.spare();
    assert_eq!(id, u64::MAX - 1);
    drop(socket);
    // None was forked behind it.
    assert_eq!(reports.ended(), (id, 0));
    is_well::<P>(&template);
}

pub(crate) fn ids_in_use_are_the_clients_own_affair<P: Peer>() {
    let template = P::raw_template();
    let mut reports = Reports::of(&template);
    let (id, mut socket) = fork(&template, FREE);
    assert!(send(&socket, &run::<P>("park"), &[]));
    started(&socket);
    order(&template, &now(id, 2));
    order(&template, &now(id, 1));
    let spares = [(); 3].map(|()| reports.spare());
    assert_eq!(spares.each_ref().map(|spare| spare.id), [id, id + 1, id]);
    spares[0].park::<P>(b"");
    let ids: Vec<u64> = spares.iter().map(|spare| spare.id).collect();
    drop(spares);
    socket.write_all(&[3]).unwrap();
    let mut told: Vec<u64> = (0..4).map(|_| reports.ended().0).collect();
    told.sort_unstable();
    let mut expected = [&ids[..], &[id]].concat();
    expected.sort_unstable();
    assert_eq!(told, expected, "each end is told once");
    is_well::<P>(&template);
}

/// `marks`: what the template is told that it has become; `ends`: whether it ends at the end of the line, and whether it ends when the template is told to end.
fn at_the_end<P: Peer>(root: &Raw, what: &str, orders: Option<&[u8]>, marks: Option<u8>, ends: [bool; 2]) {
    for (kill, end, ends) in [(false, false, ends[0]), (true, false, ends[0]), (false, true, ends[1])] {
        eprintln!("{what}: killed {kill}, told to end {end}");
        let template = nested(root);
        order(&template, &now(1, 1));
        let mut spare = Reports::of(&template).spare();
        orders.inspect(|orders| spare.park::<P>(orders));
        marks.inspect(|role| assert!(send(&template.socket, &mark(1, *role), &[])));
        match (kill, end) {
            (true, _) => send_signal(template.pid, Signal::KILL),
            (_, true) => assert!(send(&template.socket, &frame(END, 0, b""), &[])),
            _ => template.socket.shutdown(Shutdown::Both).unwrap(),
        }
        if ends {
            all_end_soon(&[spare.pid, template.pid]);
            continue;
        }
        std::thread::sleep(MOMENT);
        assert!(lives(spare.pid), "{what}: it ended");
        let keeps_its_template = end && marks == Some(BOUND);
        assert_eq!(lives(template.pid), keeps_its_template, "{what}");
        spare.socket.write_all(&[5]).unwrap();
        all_end_soon(&[spare.pid, template.pid]);
    }
}

pub(crate) fn who_ends_with_the_template<P: Peer>() {
    let root = P::raw_template();
    let bind = frame(BIND, 0, b"");
    at_the_end::<P>(&root, "one that waits", None, None, [true, true]);
    at_the_end::<P>(&root, "one that runs, free", Some(b""), Some(FREE), [false, false]);
    // It waits as far as its template knows, but does not depend on it.
    at_the_end::<P>(&root, "one that runs, and was not marked", Some(b""), None, [false, true]);
    at_the_end::<P>(&root, "one that is bound", Some(&bind), Some(BOUND), [true, false]);
    is_well::<P>(&root);
}

/// What is malformed ends one that waits, as any process; its template goes on.
pub(crate) fn one_that_gets_what_is_malformed_ends_alone<P: Peer>() {
    let template = P::raw_template();
    let mut reports = Reports::of(&template);
    order(&template, &now(1, 3));
    let waiting = [(); 3].map(|()| reports.spare());
    for (spare, octets) in waiting.iter().zip([
        now(1, 1),
        frame(SPARE, 0, &[0; 12]),
        [frame(ARGUMENT, 0, b"x"), frames::fork(9, FREE)].concat(),
    ]) {
        assert!(send(&spare.socket, &octets, &[]));
        // A missing descriptor is told as well, or is no reply at all.
        while let Some(reply) = reply(&spare.socket) {
            assert_eq!((reply.kind, reply.payload[0]), (FAILED, PROTOCOL));
        }
        assert_eq!(reports.ended().0, spare.id);
    }
    is_well::<P>(&template);
}
