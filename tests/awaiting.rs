//! Starts, ends and programs that are awaited, the same in every runtime and in none.

#[path = "awaiting/starts.rs"]
mod starts;

#[path = "awaiting/deadlines.rs"]
mod deadlines;

#[path = "awaiting/programs.rs"]
mod programs;

#[path = "awaiting/streams.rs"]
mod streams;

#[path = "awaiting/selected.rs"]
mod selected;

#[path = "awaiting/moved.rs"]
mod moved;
