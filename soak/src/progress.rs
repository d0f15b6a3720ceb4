//! How far a soak is, on a terminal.

use crate::plan::Task;
use indicatif::{ProgressBar, ProgressStyle};

/// Hidden where standard error is no terminal.
pub(crate) fn bar(task: &Task) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix:8} {bar:30} {percent:>3} %  {pos} of {len}  {elapsed}  {msg}");
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(task.workers).with_style(style).with_prefix(task.soak.to_string())
}
