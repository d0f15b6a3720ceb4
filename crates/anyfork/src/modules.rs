//! Modules: shared libraries that have been loaded into this process, by which it has more entries than its program.

use crate::entry;
use crate::sys::close;
use crate::sys::module::{self, Entry, Module, OpenError};
use crate::sys::threads;
use crate::wire::{Failure, FailureKind};
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// A list without a lock: in a fork, taking one would be a write to a page that it shares with its template.
static LOADED: Link = Link(OnceLock::new());

struct Link(OnceLock<Box<Loaded>>);

struct Loaded {
    module: Module,
    next: Link,
}

fn loaded() -> impl Iterator<Item = &'static Module> {
    let first = LOADED.0.get();
    std::iter::successors(first, |loaded| loaded.next.0.get()).map(|loaded| &loaded.module)
}

fn add(module: Module) {
    let mut last = &LOADED;
    while let Some(loaded) = last.0.get() {
        last = &loaded.next;
    }
    // Orders are followed one after the other, so nobody else adds one.
    last.0.get_or_init(|| Box::new(Loaded { module, next: Link(OnceLock::new()) }));
}

/// Loads a library and registers its entries. One that has been loaded is left as it is.
pub(crate) fn load(file: &[u8]) -> Result<(), Failure> {
    let failed = |kind, errno, message| Failure {
        kind,
        errno,
        step: "load".into(),
        object: String::from_utf8_lossy(file).into_owned(),
        message,
    };
    if cfg!(target_feature = "crt-static") {
        // Where dlopen(3) is there all the same, it loads another C library beside this one.
        return Err(failed(FailureKind::Load, 0, "this program is linked statically".into()));
    }
    let missing = |tried| failed(FailureKind::Load, Errno::NOENT.raw_os_error(), tried);
    let candidate = candidate(Path::new(OsStr::from_bytes(file)));
    if candidate.is_path && !is_there(&candidate.file) {
        return Err(missing(String::new()));
    }
    let before = Left::now();
    let module = module::open(candidate.file.as_os_str()).map_err(|error| match error {
        // There is no other way to tell this from a library that it needs and that is missing.
        OpenError::Library(text)
            if !candidate.is_path && text.starts_with(&format!("{}: ", String::from_utf8_lossy(file))) =>
        {
            let beside = candidate.beside.map(|path| format!("{}, then ", path.display())).unwrap_or_default();
            missing(format!("tried {beside}what dlopen(3) finds ({text})"))
        }
        OpenError::Library(text) | OpenError::Module(text) => failed(FailureKind::Load, 0, text),
    })?;
    before.audit().map_err(|(kind, message)| failed(kind, 0, message))?;
    register(module).map_err(|name| {
        let message = format!("{name} is registered already, by the program or by a module");
        failed(FailureKind::AmbiguousEntry, 0, message)
    })
}

/// Where a module is to be.
struct Candidate {
    file: PathBuf,
    /// Not a name that the system looks for.
    is_path: bool,
    /// Where it was looked for before.
    beside: Option<PathBuf>,
}

/// A path is itself. A name without a slash is looked for beside the program, and then by the system, dlopen(3).
fn candidate(file: &Path) -> Candidate {
    if file.as_os_str().as_bytes().contains(&b'/') {
        return Candidate { file: file.to_owned(), is_path: true, beside: None };
    }
    let beside = std::env::current_exe().ok().and_then(|program| Some(program.parent()?.join(file)));
    match beside {
        Some(path) if is_there(&path) => Candidate { file: path, is_path: true, beside: None },
        beside => Candidate { file: file.to_owned(), is_path: false, beside },
    }
}

/// Other errors than that it is not are told by dlopen(3).
fn is_there(path: &Path) -> bool {
    !std::fs::metadata(path).is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}

fn register(module: Module) -> Result<(), &'static str> {
    if loaded().any(|known| known.is(&module)) {
        return Ok(());
    }
    let mut known: BTreeSet<&str> = entry::own_names().collect();
    known.extend(loaded().flat_map(|module| &module.entries).map(|entry| entry.name));
    if let Some(twice) = module.entries.iter().find(|entry| !known.insert(entry.name)) {
        return Err(twice.name);
    }
    add(module);
    Ok(())
}

/// The entry of this name, with that of its module.
pub(crate) fn find(name: &[u8]) -> Option<Entry> {
    let mut entries = loaded().flat_map(|module| &module.entries);
    entries.find(|entry| entry.name.as_bytes() == name).copied()
}

/// The names of all entries of all modules.
pub(crate) fn names() -> Vec<&'static str> {
    loaded().flat_map(|module| &module.entries).map(|entry| entry.name).collect()
}

pub(crate) fn have_after_fork() -> bool {
    loaded().any(Module::has_after_fork)
}

/// Calls what the modules want to be called in each fork.
pub(crate) fn after_fork() -> Result<(), String> {
    loaded().try_for_each(|module| module.after_fork().map_err(|why| format!("of {}: {why}", module.name)))
}

/// What constructors of a library may leave behind: descriptors, which all forks would have, and threads, which none would.
struct Left {
    /// With what they refer to. None without `/proc`.
    descriptors: BTreeMap<RawFd, PathBuf>,
    had_threads: bool,
}

impl Left {
    fn now() -> Self {
        let descriptors = close::open_descriptors().unwrap_or_default().into_iter();
        // The directory that was read is in the list too, and closed by now.
        let target = |fd| Some((fd, std::fs::read_link(format!("/proc/self/fd/{fd}")).ok()?));
        Left { descriptors: descriptors.filter_map(target).collect(), had_threads: threads::single().is_err() }
    }

    fn audit(&self) -> Result<(), (FailureKind, String)> {
        if !self.had_threads
            && let Err(threads) = threads::single_soon()
        {
            let message = format!("its constructors left the process with {threads}; start threads in an entry of it");
            return Err((FailureKind::Threads, message));
        }
        let now = Left::now().descriptors;
        let left = now.iter().filter(|(fd, target)| self.descriptors.get(fd) != Some(target));
        let left: Vec<String> = left.map(|(fd, target)| format!("{fd} ({})", target.display())).collect();
        if left.is_empty() {
            return Ok(());
        }
        let message =
            format!("its constructors left descriptors open: {}; open them in an entry of it", left.join(", "));
        Err((FailureKind::Load, message))
    }
}
