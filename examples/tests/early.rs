//! `early`: a default template forked at the start of `main`.

use crate::support::run;

#[test]
fn threads_start_workers_from_the_template_forked_early() {
    let lines = run("early", &[]);
    assert!(lines[0].starts_with("early() has forked the default template"), "{lines:#?}");
    for thread in ["t1", "t2", "t3"] {
        let wanted = format!("started by thread {thread}, knows: what main had read before early()");
        let line = lines.iter().find(|line| line.contains(&wanted));
        assert!(line.is_some_and(|line| line.ends_with("its end: exit status: 0")), "{thread}: {lines:#?}");
    }
    assert!(lines[4].starts_with("once more: Unsupported: early:"), "{lines:#?}");
    assert_eq!(lines.len(), 5, "{lines:#?}");
}

#[test]
fn early_after_a_thread_is_refused_and_names_it() {
    let lines = run("early", &["--late"]);
    assert!(lines[0].starts_with("refused: early: the program already has 2 threads (early ("), "{lines:#?}");
    assert!(lines[0].contains("metrics ("), "{lines:#?}");
    // The default template that is exec'd instead has none of the program's memory.
    assert!(lines[1].contains("knows: nothing; its end: exit status: 0"), "{lines:#?}");
    assert_eq!(lines.len(), 2, "{lines:#?}");
}
