//! Futures that are dropped, unpolled, polled or timed out at all moments, leave no process, no descriptor and no trouble in the template.

use anyfork_tests::{Where, host, title, wait_until};
use std::time::Duration;

fn leaves_nothing(kind: &str) {
    for (place, _) in Where::ALL {
        let mut host = host!("awaiting", "cancel", place, kind);
        // Otherwise the moments were not spread over the whole course.
        assert!(host.number("lost") > 5, "{place}: {} finished", host.number("finished"));
        assert_eq!(host.fact("descriptors"), "same", "{place}");
        assert_eq!(host.number("code"), 7, "{place}");
        host.fact("look");
        let is_alone = wait_until(Duration::from_secs(5), || host.family().len() == 3);
        let titles: Vec<String> = host.family().into_iter().map(title).collect();
        assert!(is_alone, "{place}: more than the templates is left: {titles:?}");
        assert_eq!(host.zombies(), [], "{place}");
        host.go();
        host.finish();
    }
}

macro_rules! kinds {
    ($($test:ident: $kind:literal;)+) => {
        $(
            #[test]
            fn $test() {
                leaves_nothing($kind);
            }
        )+
    };
}

kinds! {
    a_dropped_start_of_a_worker_leaves_nothing: "worker";
    a_dropped_start_with_a_preparation_leaves_nothing: "prepared";
    a_dropped_start_of_a_template_leaves_nothing: "template";
    a_dropped_start_of_a_program_leaves_nothing: "program";
    a_dropped_end_of_a_worker_leaves_nothing: "exited";
    a_dropped_status_of_a_program_leaves_nothing: "status";
    a_dropped_output_of_a_program_leaves_nothing: "output";
    a_dropped_output_of_a_child_leaves_nothing: "into_output";
}
