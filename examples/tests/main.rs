//! Runs the examples as a user would, and checks what they print and that they leave nothing behind.

mod early;
mod pass_fd;
mod prefork;
mod preload;
mod support;
mod tour;
