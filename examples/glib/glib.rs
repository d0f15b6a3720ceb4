//! anyfork in GLib's main loop, that of GTK programs: a descriptor is a source with a callback.
//!
//! The same work as in the examples `poll`, `epoll`, `mio` and `calloop`: see `work.rs`. It is a crate of its own, so that
//! only who wants it needs the C library GLib (on Debian `libglib2.0-dev` and `pkg-config`).
//!
//! Run it: `cargo run --release --manifest-path examples/glib/Cargo.toml --example glib`

#[path = "../loops/work.rs"]
mod work;

use glib::{ControlFlow, IOCondition, MainContext};
use std::cell::Cell;
use std::os::fd::{AsFd, AsRawFd};
use std::rc::Rc;
use work::{Job, Progress, TICK};

/// How many jobs are awaited, by one callback each.
type Pending = Rc<Cell<usize>>;

fn main() {
    let pending = Pending::default();
    for job in work::start_all() {
        add(job, &pending);
    }
    let ticks = Rc::new(Cell::new(0));
    let count = Rc::clone(&ticks);
    glib::timeout_add_local(TICK, move || {
        count.set(count.get() + 1);
        ControlFlow::Continue
    });
    let context = MainContext::default();
    while pending.get() > 0 {
        context.iteration(true);
    }
    println!("{} ticks meanwhile", ticks.get());
}

/// Takes in what is new. It is asked first, and becomes a source only if it has to be waited for.
fn add(mut job: Job, pending: &Pending) {
    match job.ask() {
        Progress::Pending => watch(job, pending),
        Progress::Started(end) => add(end, pending),
        Progress::Over => {}
    }
}

/// The callback has the job, so that the descriptor is open as long as the source is there.
fn watch(mut job: Job, pending: &Pending) {
    pending.set(pending.get() + 1);
    let pending = Rc::clone(pending);
    glib::unix_fd_add_local(job.as_fd().as_raw_fd(), IOCondition::IN, move |_, _| {
        match job.ask() {
            Progress::Pending => return ControlFlow::Continue,
            Progress::Started(end) => add(end, &pending),
            Progress::Over => {}
        }
        pending.set(pending.get() - 1);
        ControlFlow::Break
    });
}
