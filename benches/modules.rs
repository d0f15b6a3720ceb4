//! Modules with an entry that returns at once, built when they are needed: in C by `cc`, in Rust by cargo.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A module, and the entry.
#[derive(Debug)]
pub struct Module {
    /// The shared library.
    pub file: PathBuf,
    /// The name of the entry.
    pub entry: &'static str,
}

/// In C.
pub fn in_c() -> Result<Module, String> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = std::env::temp_dir().join(format!("libanyfork-bench-{}.so", std::process::id()));
    let mut compiler = Command::new("cc");
    compiler.args(["-O2", "-shared", "-fPIC", "-I"]).arg(here.join("../crates/anyfork/include"));
    run(compiler.arg(here.join("limits/module.c")).arg("-o").arg(&file))?;
    Ok(Module { file, entry: "in_c::finish" })
}

/// In Rust.
pub fn in_rust() -> Result<Module, String> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args(["build", "--quiet", "--profile=bench", "--example=in_rust"]);
    run(&mut cargo)?;
    // The program is in `deps`.
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let profile = program.ancestors().nth(2).ok_or("where is the target directory?")?;
    Ok(Module { file: profile.join("examples/libin_rust.so"), entry: "in_rust::finish" })
}

fn run(command: &mut Command) -> Result<(), String> {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{:?}: {status}", command.get_program())),
        Err(error) => Err(format!("{:?}: {error}", command.get_program())),
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        if self.file.starts_with(std::env::temp_dir()) {
            let _ = std::fs::remove_file(&self.file);
        }
    }
}
