//! Resource usage arrives with the exit status; and what an idle worker costs.

use anyfork_tests::host;

#[test]
fn usage_is_what_the_worker_used() {
    let mut host = host!("memory");
    for origin in ["default", "template", "exec"] {
        let used = host.numbers(&format!("{origin}-burnt"));
        let [milliseconds, kilobytes, faults] = used[..] else { panic!("{used:?}") };
        assert!((100..5000).contains(&milliseconds), "{origin}: {milliseconds} ms");
        assert!((50_000..100_000).contains(&kilobytes), "{origin}: {kilobytes} kB");
        assert!(faults > 10, "{origin}: {faults} faults");
    }
    let used = host.numbers("nothing");
    assert!(used[0] < 90 && used[1] < 50_000, "{used:?}");
    host.fact("ready");
    let idle = host.number("idle");
    let maps = std::fs::read_to_string(format!("/proc/{idle}/smaps_rollup")).unwrap();
    let private = maps.lines().filter(|line| line.starts_with("Private_"));
    let private: u32 = private.map(|line| line.split_whitespace().nth(1).unwrap().parse::<u32>().unwrap()).sum();
    println!("an idle worker has {private} kB of its own (in this build)");
    assert!((1..10_000).contains(&private), "{private} kB");
    host.go();
    host.finish();
}
