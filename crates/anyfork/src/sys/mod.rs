//! The operating system, one file per facility. The only place for `unsafe` and for `cfg(target_os)`.

#[cfg(not(target_os = "linux"))]
compile_error!(
    "anyfork runs on Linux only (5.11 or newer): template processes need pidfds, subreapers and SCM_RIGHTS; \
     see `Platforms` in the README"
);

#[cfg(not(target_pointer_width = "64"))]
compile_error!("anyfork runs on 64-bit systems only: see `Platforms` in the README");

pub(crate) mod call;
pub(crate) mod close;
#[cfg(test)]
pub(crate) mod counted;
pub(crate) mod environ;
pub(crate) mod errno;
pub(crate) mod exec;
pub(crate) mod exit;
pub(crate) mod fork;
pub(crate) mod image;
pub(crate) mod incarnation;
pub(crate) mod lack;
#[cfg(feature = "landlock")]
pub(crate) mod landlock;
pub(crate) mod launch;
pub(crate) mod memfd;
pub(crate) mod module;
pub(crate) mod pidfd;
pub(crate) mod receive;
pub(crate) mod signal;
pub(crate) mod socket;
pub(crate) mod startup;
pub(crate) mod stat;
pub(crate) mod stdio;
#[cfg(anyfork_mutants)]
pub(crate) mod stillborn;
pub(crate) mod threads;
pub(crate) mod title;
pub(crate) mod unread;
mod vfork;
pub(crate) mod wait;
