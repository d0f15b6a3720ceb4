//! What a terminal sends to all processes of a program is the main program's: templates go on, workers have the defaults.

use anyfork_tests::{host, lives, signal, stat};
use rustix::process::Signal;

#[test]
fn templates_go_on_and_workers_die_of_what_a_terminal_sends() {
    let mut host = host!("terminal");
    host.fact("ready");
    let templates = [host.default_template(), host.number("template")];
    for number in [Signal::INT, Signal::QUIT, Signal::TSTP, Signal::TERM, Signal::HUP, Signal::TTIN, Signal::TTOU] {
        templates.iter().for_each(|pid| signal(*pid, number));
    }
    std::thread::sleep(std::time::Duration::from_millis(50));
    for pid in templates {
        assert!(lives(pid) && stat(pid).is_some_and(|stat| stat.state != 'T'), "{pid} ended or stopped");
    }
    signal(host.number("worker"), Signal::INT);
    host.go();
    assert_eq!(host.fact("works"), "5");
    assert_eq!(host.fact("worker-ended"), "2");
    host.fact("ended");
    for number in ["3", "15", "1"] {
        assert_eq!(host.fact(&format!("after-{number}")), number);
    }
    assert_eq!(templates[0], host.default_template(), "it was started again");
    host.go();
    host.finish();
}
