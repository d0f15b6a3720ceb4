//! Lines to a template that reads nothing, or when the test does.

use super::*;
use crate::channel::{Filled, Inbox};
use crate::sys::socket::Blocking;

/// A line whose socket takes no more, so that its last message waits, and the template's end.
fn full() -> (Line, OwnedFd) {
    let (ours, theirs) = socket::pair().unwrap();
    let line = Line::new(ours, Dialect::Frames, None, false);
    while line.outgoing().is_empty() {
        line.signal(1, 0).unwrap();
    }
    line.mark(7, Role::Free);
    (line, theirs)
}

/// Reads all that has come, and returns the last order.
fn last_order(theirs: &OwnedFd, inbox: &mut Inbox) -> String {
    let mut last = String::new();
    while inbox.fill(theirs, Blocking::No).unwrap() == Filled::Some {
        while let Some(message) = inbox.next().unwrap() {
            last = format!("{:?}", Order::parse(message.frame.get()).unwrap());
        }
    }
    last
}

#[test]
fn a_template_that_takes_nothing_is_not_given_away() {
    let (line, theirs) = full();
    assert!(line.give_away(Instant::now()).unwrap().is_none());
    // It can still be told something, and is told all.
    let mut inbox = Inbox::default();
    assert!(last_order(&theirs, &mut inbox).starts_with("Signal"));
    assert!(line.give_away(Instant::now()).unwrap().is_some());
    assert_eq!(last_order(&theirs, &mut inbox), "Mark { id: 7, role: Free }");
    assert_eq!(line.send(&Order::End).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
}

#[test]
fn what_still_waits_when_a_line_is_dropped_arrives() {
    let mut inbox = Inbox::default();
    // There is room again.
    let (line, theirs) = full();
    last_order(&theirs, &mut inbox);
    drop(line);
    assert_eq!(last_order(&theirs, &mut inbox), "Mark { id: 7, role: Free }");
    // There will be.
    let (line, theirs) = full();
    let begin = Instant::now();
    drop(line);
    assert!((LAST_WAIT..10 * LAST_WAIT).contains(&begin.elapsed()), "{:?}", begin.elapsed());
    let last = last_order(&theirs, &mut inbox);
    late::go_on();
    // Other tests use the library, too, and may have been faster.
    let last = [last, last_order(&theirs, &mut inbox)].concat();
    assert!(last.ends_with("Mark { id: 7, role: Free }"), "{last}");
    assert_eq!(inbox.fill(&theirs, Blocking::No).unwrap(), Filled::End);
}
