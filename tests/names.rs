//! What `ps` shows of each process.

use anyfork_tests::{host, title};

#[test]
fn the_process_list_says_what_each_process_is() {
    let mut host = host!("names");
    host.fact("ready");
    let owner = host.pid();
    let shown = |what: &str| format!("anyfork: {what} of {owner} (host)");
    assert_eq!(title(host.default_template()), shown("default template"));
    let expected = [
        ("template", "template"),
        ("named-template", "a template"),
        ("default-worker", "host::entries::park"),
        ("worker", "host::entries::park"),
        ("exec-worker", "host::entries::park"),
        ("worker-of-named", "host::entries::park"),
        ("named-worker", "x"),
        ("named-exec", "y"),
    ];
    for (key, what) in expected {
        assert_eq!(title(host.number(key)), shown(what), "{key}");
    }
    let long = title(host.number("long"));
    assert!(long.starts_with("anyfork: nnnnnnnn") && long.len() < 1000, "{long}");
    host.go();
    host.finish();
}
