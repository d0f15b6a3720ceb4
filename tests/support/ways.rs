//! Every way in which a process can end by itself.

/// Ends this process in that way. An error is returned, and so is what is no way to end.
pub fn end_by(way: &str) -> Result<(), String> {
    match way {
        "panic" => panic!("a panic on purpose"),
        "abort" => std::process::abort(),
        "overflow" => println!("{}", overflow(1)),
        "exit" => std::process::exit(7),
        // SAFETY: no preconditions.
        "_exit" => unsafe { libc::_exit(8) },
        // SAFETY: no preconditions.
        "quick_exit" => unsafe { quick_exit(9) },
        "error" => return Err("an error on purpose".into()),
        // SAFETY: raise(3) has no preconditions.
        "killed" => drop(unsafe { libc::raise(libc::SIGKILL) }),
        _ => {}
    }
    Ok(())
}

unsafe extern "C" {
    fn quick_exit(code: libc::c_int) -> !;
}

#[allow(unconditional_recursion)]
fn overflow(depth: u64) -> u64 {
    let frame = std::hint::black_box([depth; 1000]);
    overflow(depth + 1) + frame[0]
}
