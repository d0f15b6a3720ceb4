//! A filter of system calls, seccomp(2), that kills this program if it is forked.
//!
//! Templates inherit it, and must fork. So it looks where a call comes from: what is mapped here is mapped elsewhere in them.

use std::fs;

/// A first and a last address, which have the upper 32 bits in common.
struct Range {
    high: u32,
    first: u32,
    last: u32,
}

/// Everything executable that is mapped in this program.
fn executable() -> Result<Vec<Range>, Box<dyn std::error::Error>> {
    let mut ranges = Vec::new();
    let maps = fs::read_to_string("/proc/self/maps")?;
    for line in maps.lines().filter(|line| line.contains(" r-xp ") && !line.ends_with("[vsyscall]")) {
        let (first, rest) = line.split_once('-').ok_or("maps")?;
        let (end, _) = rest.split_once(' ').ok_or("maps")?;
        let [mut first, last] = [u64::from_str_radix(first, 16)?, u64::from_str_radix(end, 16)? - 1];
        while first <= last {
            let part = last.min(first | 0xffff_ffff);
            ranges.push(Range { high: (first >> 32) as u32, first: first as u32, last: part as u32 });
            first = part + 1;
        }
    }
    Ok(ranges)
}

fn instruction(code: u32, yes: usize, no: usize, k: u32) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt: yes as u8, jf: no as u8, k }
}

/// Loads 32 bits of what the filter sees.
fn load(offset: usize) -> libc::sock_filter {
    instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, offset as u32)
}

fn jump(test: u32, k: u32, yes: usize, no: usize) -> libc::sock_filter {
    instruction(libc::BPF_JMP | test | libc::BPF_K, yes, no, k)
}

fn answer(k: u32) -> libc::sock_filter {
    instruction(libc::BPF_RET | libc::BPF_K, 0, 0, k)
}

const NUMBER: usize = 0;
const FROM_LOW: usize = 8;
const FROM_HIGH: usize = 12;
const FIRST_ARGUMENT: usize = 16;

/// clone3(2) has its flags in memory, where a filter cannot look: the C library takes clone(2) then.
fn program(ranges: &[Range]) -> Vec<libc::sock_filter> {
    let mut program = vec![
        load(NUMBER),
        jump(libc::BPF_JEQ, libc::SYS_clone3 as u32, 0, 1),
        answer(libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32),
        jump(libc::BPF_JEQ, libc::SYS_clone as u32, 2, 0),
        #[cfg(target_arch = "x86_64")]
        jump(libc::BPF_JEQ, libc::SYS_fork as u32, 3, 0),
        #[cfg(not(target_arch = "x86_64"))]
        jump(libc::BPF_JEQ, u32::MAX, 3, 0),
        answer(libc::SECCOMP_RET_ALLOW),
        // What shares the memory is a thread, or vfork(2).
        load(FIRST_ARGUMENT),
        jump(libc::BPF_JSET, libc::CLONE_VM as u32, 0, 1),
        answer(libc::SECCOMP_RET_ALLOW),
    ];
    // A fork jumps to the ranges, over the flags.
    program[4].jt = 4;
    for range in ranges {
        program.extend([
            load(FROM_HIGH),
            jump(libc::BPF_JEQ, range.high, 0, 4),
            load(FROM_LOW),
            jump(libc::BPF_JGE, range.first, 0, 2),
            jump(libc::BPF_JGT, range.last, 1, 0),
            answer(libc::SECCOMP_RET_KILL_PROCESS),
        ]);
    }
    program.push(answer(libc::SECCOMP_RET_ALLOW));
    program
}

/// From now on a fork of this program is its end, by SIGSYS. To be called before there are threads.
pub(crate) fn kill_on_fork() -> Result<(), Box<dyn std::error::Error>> {
    let mut program = program(&executable()?);
    let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: numbers alone; then a whole filter, which the kernel copies.
    let results = unsafe {
        [
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0).into(),
            libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const filter),
        ]
    };
    if results == [0, 0] { Ok(()) } else { Err(std::io::Error::last_os_error().into()) }
}
