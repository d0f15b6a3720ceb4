//! Limits, and what else the scheduler and the memory manager know of a program.

use super::commands::{output, parked, sh};
use anyfork::{Command, Limit};
use anyfork_tests::{Scratch, status};
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// Each limit, how `/proc/PID/limits` calls it, and values that no two have in common, with which `cat` can live.
const LIMITS: [(Limit, &str, u64, u64); 15] = [
    (Limit::Cpu, "Max cpu time", 1001, 1002),
    (Limit::Fsize, "Max file size", 2_000_001, 2_000_002),
    (Limit::Data, "Max data size", 3_000_000_000, 3_000_004_096),
    (Limit::Stack, "Max stack size", 4_000_000, 4_004_096),
    (Limit::Core, "Max core file size", 5001, 5002),
    (Limit::Nproc, "Max processes", 6001, 6002),
    (Limit::Nofile, "Max open files", 701, 702),
    (Limit::Memlock, "Max locked memory", 8001, 8002),
    (Limit::As, "Max address space", 9_000_000_000, 9_000_004_096),
    (Limit::Locks, "Max file locks", 10_001, 10_002),
    (Limit::Sigpending, "Max pending signals", 11_001, 11_002),
    (Limit::Msgqueue, "Max msgqueue size", 12_001, 12_002),
    (Limit::Nice, "Max nice priority", 13, 14),
    (Limit::Rtprio, "Max realtime priority", 15, 16),
    (Limit::Rttime, "Max realtime timeout", 17_001, 17_002),
];

/// Soft and hard limit in a table as proc_pid_limits(5) describes it.
fn limits_in(table: &str, name: &str) -> [Option<u64>; 2] {
    let line = table.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{name} in {table}"));
    let mut values = line.split_whitespace().map(|value| value.parse().ok());
    [values.next().unwrap(), values.next().unwrap()]
}

/// What may be asked for without a privilege: no more than this program's hard limit.
fn allowed(name: &str, wanted: u64) -> u64 {
    let own = fs::read_to_string("/proc/self/limits").unwrap();
    wanted.min(limits_in(&own, name)[1].unwrap_or(u64::MAX))
}

#[test]
fn each_limit_is_set_alone() {
    for (limit, name, soft, hard) in LIMITS {
        let [soft, hard] = [soft, hard].map(|wanted| allowed(name, wanted));
        let table = output(Command::new("cat").arg("/proc/self/limits").rlimit(limit, soft, hard));
        assert_eq!(limits_in(&table, name), [Some(soft), Some(hard)], "{limit:?}");
        let own = fs::read_to_string("/proc/self/limits").unwrap();
        for (other, name, ..) in LIMITS.iter().filter(|(other, ..)| *other != limit) {
            assert_eq!(limits_in(&table, name), limits_in(&own, name), "{other:?} beside {limit:?}");
        }
    }
}

#[test]
fn all_limits_are_set_together() {
    let mut command = Command::new("cat");
    for (limit, name, soft, hard) in LIMITS {
        // The last word counts.
        command.rlimit(limit, 1, 1).rlimit(limit, allowed(name, soft), allowed(name, hard));
    }
    let table = output(command.arg("/proc/self/limits"));
    for (limit, name, soft, hard) in LIMITS {
        assert_eq!(limits_in(&table, name), [soft, hard].map(|wanted| Some(allowed(name, wanted))), "{limit:?}");
    }
}

#[test]
fn no_limit_is_a_limit_too() {
    let own = fs::read_to_string("/proc/self/limits").unwrap();
    let is_unlimited = |(_, name, ..): &&(Limit, &str, u64, u64)| limits_in(&own, name)[1].is_none();
    let mut some = 0;
    for (limit, name, soft, _) in LIMITS.iter().filter(is_unlimited) {
        let table = output(Command::new("cat").arg("/proc/self/limits").rlimit(*limit, *soft, None));
        assert_eq!(limits_in(&table, name), [Some(*soft), None], "{limit:?}");
        some += 1;
    }
    assert!(some > 0, "everything is limited here");
}

#[test]
fn a_limit_holds_for_the_program_alone() {
    let before = fs::read_to_string("/proc/self/limits").unwrap();
    output(Command::new("true").rlimit(Limit::Nofile, 20, 20));
    assert_eq!(output(Command::new("cat").arg("/proc/self/limits")), before);
}

#[test]
fn the_umask_is_the_declared_one() {
    let file = Scratch::new("umask");
    let mut command = sh("umask; > $0");
    assert_eq!(output(command.arg(&*file).umask(0o7026)), "0026\n", "only the permission bits count");
    assert_eq!(fs::metadata(&*file).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(output(sh("umask").umask(0)), "0000\n");
}

#[test]
fn the_nice_value_is_the_declared_one() {
    let before = output(&mut Command::new("nice"));
    assert_eq!(output(Command::new("nice").nice(7)), "7\n");
    assert_eq!(output(Command::new("nice").nice(19)), "19\n");
    assert_eq!(output(&mut Command::new("nice")), before);
}

#[test]
fn a_program_runs_on_the_declared_cpus_only() {
    let own = status(std::process::id(), "Cpus_allowed_list");
    let numbers = own.split([',', '-']).map(|number| number.parse::<usize>().unwrap());
    let numbers: Vec<usize> = numbers.collect();
    for cpu in [numbers[0], numbers[numbers.len() - 1]] {
        let child = parked().cpu_affinity([cpu]).spawn().unwrap();
        assert_eq!(status(child.id(), "Cpus_allowed_list"), cpu.to_string());
    }
    let child = parked().cpu_affinity([numbers[0], numbers[numbers.len() - 1], 8000]).spawn().unwrap();
    let expected = if numbers.len() == 2 { own.clone() } else { status(child.id(), "Cpus_allowed_list") };
    assert_eq!(status(child.id(), "Cpus_allowed_list"), expected, "those that are not there do not count");
    assert_eq!(status(parked().spawn().unwrap().id(), "Cpus_allowed_list"), own);
}

#[test]
fn the_oom_score_is_the_declared_one() {
    for score in [1000, 517] {
        let child = parked().oom_score_adj(score).spawn().unwrap();
        let seen = fs::read_to_string(format!("/proc/{}/oom_score_adj", child.id())).unwrap();
        assert_eq!(seen.trim(), score.to_string());
    }
    let own = fs::read_to_string("/proc/self/oom_score_adj").unwrap();
    assert_eq!(output(Command::new("cat").arg("/proc/self/oom_score_adj")), own, "the template's is as before");
}

#[test]
fn a_limit_of_descriptors_is_for_the_program_alone() {
    let mut command = Command::new("cat");
    command.arg("/proc/self/oom_score_adj").rlimit(Limit::Nofile, 4, 4).oom_score_adj(400);
    assert_eq!(output(&mut command), "400\n");
}
