//! The memory of processes, as the kernel counts it, and how many descriptors this one may have.

use crate::wire::Reply;

/// What a template (if there is one) and a worker have of their own, and in proportion; what a spare has is known.
pub(crate) fn reply(template: Option<u32>, worker: u32, spare: Option<u64>) -> Reply {
    let of = |pid: Option<u32>| pid.map_or([None, None], figures);
    let ([private, proportional], [worker_private, worker_proportional]) = (of(template), of(Some(worker)));
    Reply::Memory([private, proportional, worker_private, worker_proportional, spare])
}

/// KiB, private and proportional.
fn figures(pid: u32) -> [Option<u64>; 2] {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    [sum(&text, &["Private_Clean:", "Private_Dirty:"]), sum(&text, &["Pss:"])]
}

/// proc_pid_smaps(5); `None` if nothing is there, as of a process that has ended.
fn sum(text: &str, fields: &[&str]) -> Option<u64> {
    let lines = text.lines().filter(|line| fields.iter().any(|field| line.starts_with(field)));
    let values = lines.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    values.reduce(|sum, value| sum + value)
}

/// As many as the system allows: each live worker has one.
pub(crate) fn allow_descriptors() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both calls get a pointer to a limit that lives until they return.
    unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn fields_are_added_up() {
        let text = "Rss:  9 kB\nPss: 5 kB\nPss_Dirty: 4 kB\nPrivate_Clean: 1 kB\nPrivate_Dirty:  2 kB\n";
        assert_eq!(super::sum(text, &["Private_Clean:", "Private_Dirty:"]), Some(3));
        assert_eq!(super::sum(text, &["Pss:"]), Some(5));
        assert_eq!(super::sum("", &["Pss:"]), None);
    }

    #[test]
    fn this_process_has_memory() {
        let [private, proportional] = super::figures(std::process::id());
        assert!(private > Some(0) && proportional > Some(0));
    }
}
