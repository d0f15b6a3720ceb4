//! `poll`, `epoll`, `mio`, `calloop`: the same story in each loop. That of `glib` is tested in its own crate.

use crate::story::assert_told_by;

#[test]
fn a_loop_of_poll_sees_starts_and_ends() {
    assert_told_by("poll");
}

#[test]
fn a_loop_of_epoll_sees_starts_and_ends() {
    assert_told_by("epoll");
}

#[test]
fn a_loop_of_mio_sees_starts_and_ends() {
    assert_told_by("mio");
}

#[test]
fn a_loop_of_calloop_sees_starts_and_ends() {
    assert_told_by("calloop");
}
