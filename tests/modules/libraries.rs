//! Modules, made when a test wants them: those in C by the C compiler, the one in Rust by cargo, from a crate of its own.

use anyfork_tests::Scratch;
use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// The module in Rust, `tests/fixtures/module`. Cargo lets one process build and the others wait, and has a target directory of its own for it, so that the
/// cargo that runs the tests is not in the way.
pub(crate) fn rust() -> &'static str {
    static BUILT: LazyLock<String> = LazyLock::new(|| {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("module");
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| env!("CARGO").into()));
        cargo.args(["build", "--quiet", "--manifest-path"]).arg(here("fixtures/module/Cargo.toml"));
        cargo.arg("--target-dir").arg(&target);
        // They are for the crate of these tests, and would have it built again.
        for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CARGO_PKG_")) {
            cargo.env_remove(name);
        }
        assert!(cargo.status().unwrap().success(), "the module in Rust does not build");
        // Where it is if the variable names a target; nothing otherwise.
        let triple = env::var("CARGO_BUILD_TARGET").unwrap_or_default();
        target.join(triple).join("debug/libmodule.so").to_str().unwrap().to_owned()
    });
    &BUILT
}

/// The module in C that has much.
pub(crate) fn plain() -> Scratch {
    c("plain.c", &["-std=c99", "-D_POSIX_C_SOURCE=200809L", "-pedantic"])
}

/// The small module in C, made to be one thing or the other.
pub(crate) fn small(flags: &[&str]) -> Scratch {
    c("small.c", &[&["-Wno-unused", "-pthread"], flags].concat())
}

/// The small one, with an answer.
pub(crate) fn answers(answer: &str) -> Scratch {
    small(&[&format!("-DANSWER=\"{answer}\"")])
}

/// One file in C. The library is in a directory of its own.
pub(crate) fn c(source: &str, flags: &[&str]) -> Scratch {
    let library = Scratch::new(&source.replace(".c", ".so"));
    let compiler = env::var_os("CC").unwrap_or_else(|| OsString::from("cc"));
    assert!(compile(compiler, source, flags, &library), "{source} does not compile with {flags:?}");
    library
}

/// As it is compiled by its users, with all warnings.
pub(crate) fn compile(compiler: OsString, source: &str, flags: &[&str], library: &str) -> bool {
    let mut command = Command::new(compiler);
    command.args(["-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", "-fvisibility=hidden", "-I"]);
    command.arg(here("../crates/anyfork/include")).args(flags).args(["-o", library]);
    command.arg(here("modules").join(source)).status().is_ok_and(|status| status.success())
}

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A library without a slash in its name, where the program itself is. Dropping it removes it.
pub(crate) struct Beside(PathBuf);

impl Beside {
    /// A link to a library that is elsewhere.
    pub(crate) fn link(program: &Path, library: &str) -> Self {
        let path = program.with_file_name(format!("lib-beside{}", library.replace('/', "-")));
        std::os::unix::fs::symlink(library, &path).unwrap();
        Beside(path)
    }

    pub(crate) fn name(&self) -> &Path {
        Path::new(self.0.file_name().unwrap())
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
