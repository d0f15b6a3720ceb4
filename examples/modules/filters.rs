//! The modules, in a template.

use crate::picture::Picture;
use anyfork::{Process, Template};
use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) struct Filters {
    template: Template,
    names: Vec<String>,
    /// The files, and what tells them from others of the same name.
    files: Vec<(PathBuf, Option<Version>)>,
}

/// Number and time of a file.
type Version = (u64, i64, i64);

impl Filters {
    /// Loads the modules into a new template.
    pub(crate) fn load(modules: &[PathBuf]) -> anyfork::Result<Self> {
        // Looked at before: a file that is replaced in between is loaded once too often, and not once too little.
        let files = modules.iter().map(|module| beside(module)).map(|file| (file.clone(), version(&file))).collect();
        let template = modules.iter().fold(Process::new().name("filters"), Process::load).template()?;
        Ok(Filters { template, names: modules.iter().map(|module| name(module)).collect(), files })
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// Runs a filter in a new process.
    pub(crate) fn apply(&self, name: &str, picture: &Picture) -> Result<Picture, Box<dyn std::error::Error>> {
        let process = self.template.fork().arg(picture.width).arg(&picture.pixels);
        let worker = process.blocking_socket(true).run(format!("{name}::filter"))?;
        let mut pixels = Vec::new();
        worker.socket().read_to_end(&mut pixels)?;
        let status = worker.wait()?;
        if !status.success() {
            return Err(status.to_string().into());
        }
        if pixels.len() != picture.pixels.len() {
            return Err(format!("it wrote {} pixels of {}", pixels.len(), picture.pixels.len()).into());
        }
        Ok(Picture { width: picture.width, pixels })
    }

    /// Returns when one of the files is another one.
    pub(crate) fn wait_for_new_files(&self, look: Duration) {
        while self.files.iter().all(|(file, known)| version(file) == *known) {
            std::thread::sleep(look);
        }
    }
}

/// The name of a module whose file is called as usual: `libNAME.so`.
fn name(module: &Path) -> String {
    let name = module.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    name.strip_prefix("lib").map(str::to_owned).unwrap_or(name)
}

fn version(file: &Path) -> Option<Version> {
    let file = fs::metadata(file).ok()?;
    Some((file.ino(), file.mtime(), file.mtime_nsec()))
}

/// Where anyfork looks first for a name without a slash; a path is itself.
pub(crate) fn beside(module: &Path) -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    match module.components().count() {
        0 | 1 => program.with_file_name(module),
        _ => module.to_owned(),
    }
}
