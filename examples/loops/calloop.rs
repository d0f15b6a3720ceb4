//! anyfork in a loop of the crate `calloop`, on which Wayland programs are built: a descriptor is a source with a callback.
//!
//! The same work as in `poll`, `epoll`, `mio` and `glib`: see `work.rs`.
//!
//! Run it: `cargo run --release --example calloop`

mod work;

use calloop::generic::Generic;
use calloop::timer::{TimeoutAction, Timer};
use calloop::{EventLoop, Interest, LoopHandle, Mode, PostAction};
use std::os::fd::AsFd;
use work::{Job, Progress, TICK};

/// What the callbacks share.
struct State {
    handle: LoopHandle<'static, State>,
    pending: usize,
    ticks: u32,
}

fn main() -> calloop::Result<()> {
    let mut event_loop = EventLoop::try_new()?;
    let mut state = State { handle: event_loop.handle(), pending: 0, ticks: 0 };
    for job in work::start_all() {
        state.add(job)?;
    }
    let tick = |_, _: &mut (), state: &mut State| {
        state.ticks += 1;
        TimeoutAction::ToDuration(TICK)
    };
    state.handle.insert_source(Timer::from_duration(TICK), tick).map_err(|refused| refused.error)?;
    while state.pending > 0 {
        event_loop.dispatch(None, &mut state)?;
    }
    println!("{} ticks meanwhile", state.ticks);
    Ok(())
}

impl State {
    /// Takes in what is new. It is asked first, and becomes a source only if it has to be waited for.
    fn add(&mut self, mut job: Job) -> calloop::Result<()> {
        match job.ask() {
            Progress::Pending => self.watch(job),
            Progress::Started(end) => self.add(end),
            Progress::Over => Ok(()),
        }
    }

    fn watch(&mut self, mut job: Job) -> calloop::Result<()> {
        // A duplicate: a callback gets what its source watches as `&`, and asking takes `&mut`.
        let descriptor = job.as_fd().try_clone_to_owned()?;
        let source = Generic::new(descriptor, Interest::READ, Mode::Level);
        let callback = move |_, _: &mut _, state: &mut State| {
            match job.ask() {
                Progress::Pending => return Ok(PostAction::Continue),
                Progress::Started(end) => state.add(end)?,
                Progress::Over => {}
            }
            state.pending -= 1;
            Ok(PostAction::Remove)
        };
        self.handle.insert_source(source, callback).map_err(|refused| refused.error)?;
        self.pending += 1;
        Ok(())
    }
}
