//! Entries: the functions that a new process can be told to run.

use crate::inputs::{InputError, Inputs};
use crate::modules;
use crate::sys::module;
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

/// A function that a new process can be told to run, with its name: what `#[anyfork::entry]` makes of the function below it.
///
/// The attribute turns the function `double` into one that returns its `Entry`. `double` itself, without parentheses, is what
/// [`Process::run`](crate::Process::run) and the like take. The function can be called through the entry:
///
/// ```
/// #[anyfork::entry]
/// fn double(number: u32) -> Result<(), String> {
///     if number < 1000 { Ok(()) } else { Err(format!("{number} is too large")) }
/// }
///
/// assert_eq!(double().name().rsplit("::").next(), Some("double"));
/// assert!(double()(4000).is_err());
/// ```
#[must_use = "this is the entry; it does not run by being named"]
pub struct Entry<F> {
    name: &'static str,
    function: F,
}

impl<F> Entry<F> {
    #[doc(hidden)]
    pub const fn new(name: &'static str, function: F) -> Self {
        Entry { name, function }
    }

    /// The path under which the entry is registered, such as `my_crate::serve`.
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

impl<F: Copy> Clone for Entry<F> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<F: Copy> Copy for Entry<F> {}

impl<F> Deref for Entry<F> {
    type Target = F;

    fn deref(&self) -> &F {
        &self.function
    }
}

impl<F> fmt::Debug for Entry<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Entry").field(&self.name).finish()
    }
}

/// What names an entry: the function under `#[anyfork::entry]` (checked by the compiler), its [`Entry`], or its path as a string.
///
/// ```
/// # #[anyfork::entry] fn serve() {}
/// use anyfork::ToEntry;
/// assert_eq!(serve.entry_name(), concat!(module_path!(), "::serve"));
/// assert_eq!("my_crate::serve".entry_name(), "my_crate::serve");
/// ```
///
/// `By` says which of them it is; the compiler finds it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no entry",
    note = "an entry is a function with the attribute `#[anyfork::entry]`, or the path of one as a string"
)]
pub trait ToEntry<By> {
    /// The path under which the entry is registered.
    fn entry_name(&self) -> Cow<'static, str>;
}

/// See [`ToEntry`]: by the function.
#[derive(Debug)]
pub struct ByFunction<F>(PhantomData<F>);

/// See [`ToEntry`]: by the path.
#[derive(Debug)]
pub struct ByPath(());

impl<N: Fn() -> Entry<F>, F> ToEntry<ByFunction<F>> for N {
    fn entry_name(&self) -> Cow<'static, str> {
        Cow::Borrowed(self().name)
    }
}

impl<F> ToEntry<ByPath> for Entry<F> {
    fn entry_name(&self) -> Cow<'static, str> {
        Cow::Borrowed(self.name)
    }
}

impl ToEntry<ByPath> for str {
    fn entry_name(&self) -> Cow<'static, str> {
        Cow::Owned(self.to_owned())
    }
}

impl ToEntry<ByPath> for String {
    fn entry_name(&self) -> Cow<'static, str> {
        self.as_str().entry_name()
    }
}

impl<T: ToEntry<ByPath> + ?Sized> ToEntry<ByPath> for &T {
    fn entry_name(&self) -> Cow<'static, str> {
        (**self).entry_name()
    }
}

/// What nothing is. It keeps the compiler's words short: if [`ByFunction`]'s were the only implementation that may fit a function without the
/// attribute, the complaint would be of what that one asks for (no parameters, another result) instead of the note of [`ToEntry`].
#[doc(hidden)]
pub trait Nothing: ToEntry<ByPath> {}

#[doc(hidden)]
#[derive(Debug)]
pub struct ByNothing(());

#[doc(hidden)]
impl<N: Nothing> ToEntry<ByNothing> for N {
    fn entry_name(&self) -> Cow<'static, str> {
        ToEntry::<ByPath>::entry_name(self)
    }
}

/// How an entry's run ended, other than by a panic.
#[doc(hidden)]
#[derive(Debug)]
pub enum Finished {
    /// It returned; with an exit code.
    Code(u8),
    /// It returned an error, and the process is to end with this code.
    Error { code: u8, message: String },
}

/// An entry whose parameters have been found: all that is left is to call it.
#[doc(hidden)]
pub type Bound = Box<dyn FnOnce() -> Finished>;

/// An entry as the registry has it.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct Registration {
    pub name: &'static str,
    pub bind: fn(&mut Inputs) -> Result<Bound, InputError>,
}

#[doc(hidden)]
#[linkme::distributed_slice]
pub static ENTRIES: [Registration];

/// A function to run in every new fork.
#[doc(hidden)]
#[linkme::distributed_slice]
pub static AFTER_FORK: [fn()];

/// Why a name leads to no entry.
#[derive(Debug)]
pub(crate) enum NotFound {
    Unknown { nearest: Option<&'static str> },
    Twice,
}

/// An entry of the program or of a module.
#[derive(Clone, Copy)]
pub(crate) enum Found {
    Own(Registration),
    OfModule(module::Entry),
}

impl Found {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Found::Own(entry) => entry.name,
            Found::OfModule(entry) => entry.name,
        }
    }

    /// Finds an input for each parameter.
    pub(crate) fn bind(&self, inputs: &mut Inputs) -> Result<Bound, String> {
        match self {
            Found::Own(entry) => (entry.bind)(inputs).map_err(|error| error.to_string()),
            Found::OfModule(entry) => entry.bind(inputs),
        }
    }
}

/// The names of the program's own entries.
pub(crate) fn own_names() -> impl Iterator<Item = &'static str> {
    ENTRIES.iter().map(|entry| entry.name)
}

/// The entry registered under `name`.
pub(crate) fn find(name: &[u8]) -> Result<Found, NotFound> {
    let mut matching = ENTRIES.iter().filter(|entry| entry.name.bytes().eq(name.iter().copied()));
    match (matching.next(), matching.next()) {
        (Some(entry), None) => Ok(Found::Own(*entry)),
        (Some(_), Some(_)) => Err(NotFound::Twice),
        (None, _) => modules::find(name)
            .map(Found::OfModule)
            .ok_or_else(|| NotFound::Unknown { nearest: nearest(&String::from_utf8_lossy(name)) }),
    }
}

/// The registered name most like a wrong one, if any is like it.
fn nearest(wrong: &str) -> Option<&'static str> {
    let last = |path: &str| path.rsplit("::").next().unwrap_or_default().to_owned();
    own_names()
        .chain(modules::names())
        .map(|name| {
            let whole = distance(wrong, name);
            // A right name in the wrong module is as good as a near miss.
            let tail = distance(&last(wrong), &last(name)) + 1;
            (whole.min(tail), name)
        })
        .min()
        .filter(|(distance, _)| *distance <= 1 + last(wrong).len() / 3)
        .map(|(_, name)| name)
}

/// Levenshtein's distance: insertions, deletions and replacements between two names.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// What the attribute refuses, checked as examples that must not compile.
///
/// ```compile_fail
/// #[anyfork::entry] // run by what?
/// async fn nobody_runs_it() {}
/// ```
///
/// ```compile_fail
/// #[anyfork::entry(tokio)] // what for?
/// fn needs_no_runtime() {}
/// ```
///
/// ```compile_fail
/// #[anyfork::entry(tokio(flavor = "vanilla"))]
/// async fn has_no_such_flavor() {}
/// ```
///
/// ```compile_fail
/// #[anyfork::entry(tokio(worker_threads = 2))] // of one thread
/// async fn has_one_thread() {}
/// ```
///
/// ```compile_fail
/// #[anyfork::entry]
/// fn borrows(text: &str) {}
/// ```
///
/// ```compile_fail
/// #[anyfork::entry]
/// fn gets_nothing_after_numbers(numbers: Vec<u32>, number: u32) {}
/// ```
///
/// ```compile_fail
/// #[anyfork::entry]
/// fn gets_nothing_after_octets(octets: Vec<Vec<u8>>, number: u32) {}
/// ```
///
/// ```compile_fail
/// #[anyfork::entry]
/// fn gets_nothing_after_files(files: Vec<std::fs::File>, number: u32) {}
/// ```
///
/// ```compile_fail
/// #[anyfork::entry]
/// fn gets_nothing_after_inputs(inputs: anyfork::Inputs, number: u32) {}
/// ```
///
/// ```compile_fail
/// #[anyfork::entry] // `Option<u32>` is made from nothing
/// fn takes_what_nobody_can_send(number: Option<u32>) {}
/// ```
///
/// ```compile_fail
/// fn has_no_attribute() {}
/// let _ = anyfork::Process::new().run(has_no_attribute);
/// ```
#[cfg(doctest)]
struct Refused;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_edits() {
        assert_eq!(distance("serve", "serve"), 0);
        assert_eq!(distance("serv", "serve"), 1);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
    }
}
