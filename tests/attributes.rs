//! Declared attributes of external programs, seen from inside the program or in `/proc`.

#[path = "support/commands.rs"]
mod commands;

#[path = "attributes/sessions.rs"]
mod sessions;

#[path = "attributes/limits.rs"]
mod limits;

#[path = "attributes/roots.rs"]
mod roots;

#[path = "attributes/users.rs"]
mod users;

#[path = "attributes/confinement.rs"]
mod confinement;

#[path = "attributes/descriptors.rs"]
mod descriptors;

#[path = "attributes/cgroups.rs"]
mod cgroups;

#[path = "attributes/namespaces.rs"]
mod namespaces;

#[path = "attributes/entry.rs"]
mod entry;

#[path = "attributes/ends.rs"]
mod ends;

#[path = "attributes/together.rs"]
mod together;

#[path = "attributes/prepared.rs"]
mod prepared;
