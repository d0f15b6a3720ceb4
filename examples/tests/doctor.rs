//! `doctor`: the report.

use crate::support::run;

#[test]
fn a_report_names_the_kernel_and_what_was_asked_for() {
    let lines = run("doctor", &[]);
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    assert!(lines[0].contains(&format!("Linux {}", release.trim())), "{lines:#?}");
    for topic in ["system calls", "this program", "confinement", "limits"] {
        assert!(lines.iter().any(|line| line == topic), "{topic}: {lines:#?}");
    }
    for name in
        ["pidfd_open", "close_range", "memfd_create", "PIDFD_GET_INFO", "user namespaces", "cgroup", "RLIMIT_NOFILE"]
    {
        let found = lines.iter().filter(|line| line.get(4..).is_some_and(|line| line.starts_with(name)));
        assert_eq!(found.count(), 1, "{name}: {lines:#?}");
    }
    assert!(lines.last().is_some_and(|line| line.ends_with("workers can live at the same time.")), "{lines:#?}");
}
