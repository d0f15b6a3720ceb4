//! A process with more than one thread is not forked: the error says so and names the threads.

use anyfork::{NO_ARGS, Process};
use anyfork_tests::{LONG, host, within};

#[test]
fn a_template_whose_preparation_left_a_thread_is_refused() {
    let mut host = host!("threads", "preparation");
    let refused = host.fact("left");
    assert!(refused.starts_with("Threads ") && refused.contains("lingerer"), "{refused}");
    assert_eq!(host.fact("joined"), "none");
    assert_eq!(host.fact("worker"), "none");
    host.fact("done");
    within(LONG, "the refused template is gone", || (host.family().len() == 2).then_some(()));
    host.go();
    host.finish();
}

#[test]
fn a_program_with_threads_is_not_forked() {
    let mut host = host!("threads", "program");
    for key in ["early", "here"] {
        let refused = host.fact(key);
        assert!(refused.starts_with("Threads ") && refused.contains("busy-bee"), "{key}: {refused}");
        assert!(refused.contains("2 threads"), "{key}: {refused}");
    }
    assert_eq!(host.fact("new"), "none");
    host.finish();
}

#[anyfork::entry]
fn join_threads() {
    let threads = [0; 4].map(|_| std::thread::spawn(|| {}));
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

/// The kernel may still have the last of them for a moment.
#[test]
fn threads_that_have_been_joined_do_not_count() {
    for _ in 0..300 {
        Process::new().call(join_threads, NO_ARGS).template().unwrap();
    }
}
