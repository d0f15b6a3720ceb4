//! Runs the examples as a user would, and checks what they print and that they leave nothing behind.

mod axum_prefork;
mod cgi;
mod early;
mod faster_exec;
mod limits;
mod loops;
mod modules;
mod numpy;
mod pass_fd;
mod perl;
mod prefork;
mod preload;
mod pty_shell;
mod restart;
mod spares;
mod story;
mod support;
mod tarpc_worker;
mod tokio_pool;
mod tour;
mod wsgi;
