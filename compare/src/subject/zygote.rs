//! The crate `zygote`: a worker is a zygote that was spawned by the first one, runs one task, and is killed. A task blocks its caller,
//! so there is one at a time.

use super::others;
use super::pace::{latencies, rate};
use crate::memory;
use crate::wire::{Reply, Request};
use zygote::Zygote;

pub(super) fn measure(request: &Request) -> Reply {
    match request.case.as_str() {
        "run" if request.in_flight == 1 => rate(request, |_| run()),
        "first-byte" => latencies(request, || {
            let worker = Zygote::global().spawn();
            assert_eq!(worker.run(|()| 1_u8, ()), 1);
            || drop(worker)
        }),
        "caller-blocked" => latencies(request, || {
            let worker = Zygote::global().spawn();
            move || worker.run(|()| (), ())
        }),
        "others-blocked" => others::blocked(request, run),
        "idle-memory" => {
            let worker = Zygote::global().spawn();
            memory::reply(Some(pid(Zygote::global())), pid(&worker), None)
        }
        _ => Reply::Absent,
    }
}

fn run() {
    Zygote::global().spawn().run(|()| (), ());
}

fn pid(zygote: &Zygote) -> u32 {
    zygote.run(|()| std::process::id(), ())
}
