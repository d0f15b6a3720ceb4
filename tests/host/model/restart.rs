//! A template is restarted: another process takes the place of the one that it was, which ends as one that was dropped.

use super::super::template::{Expected, Node, State};
use super::{MOST_TEMPLATES, Nth, World, Wrong, agrees, nth};
use anyfork::{ErrorKind, Template};

impl World {
    pub(super) fn restart_template(&mut self, which: Nth) -> Result<(), Wrong> {
        let Some(index) = nth(&self.templates, which, |node| node.handle.is_some()) else { return Ok(()) };
        let node = &self.templates[index];
        let origin = node.origin.map(|origin| &self.templates[origin]);
        let Some(handle) = &node.handle else { return Ok(()) };
        if !node.has_recipe {
            return has_none(handle);
        }
        let expected = match origin {
            Some(Node { handle: None, .. } | Node { state: State::Killed, .. }) => Expected::Failure,
            // It would take as long as its deadline.
            Some(Node { state: State::Stopped, .. }) => return Ok(()),
            Some(Node { state: State::Runs, .. }) | None => Expected::Success,
        };
        if self.templates.len() >= 2 * MOST_TEMPLATES {
            return Ok(());
        }
        let before = node.pid;
        let Some(()) = agrees(expected, handle.restart())? else {
            return if handle.pid() == before { Ok(()) } else { Err("a restart that failed changed it".into()) };
        };
        if handle.pid() == before {
            return Err("it is the process that it was".into());
        }
        self.replace(index)
    }

    /// What was made by the old process stays that one's; what it is asked for from now on, the new one does.
    fn replace(&mut self, index: usize) -> Result<(), Wrong> {
        let new = self.templates.len();
        let Node { handle, origin, has_recipe, has_spares, .. } = &mut self.templates[index];
        let (handle, parent, has_recipe, has_spares) = (handle.take(), *origin, *has_recipe, *has_spares);
        let pid = handle.as_ref().map_or(0, Template::pid);
        let state = State::Runs;
        self.templates.push(Node { handle, pid, parent, origin: parent, has_recipe, state, has_spares });
        for node in &mut self.templates {
            if node.origin == Some(index) {
                node.origin = Some(new);
            }
        }
        self.end_template(index)
    }
}

fn has_none(handle: &Template) -> Result<(), Wrong> {
    match handle.restart() {
        Err(error) if error.kind() == ErrorKind::Unsupported => Ok(()),
        result => Err(format!("a template without a recipe is restarted: {result:?}")),
    }
}
