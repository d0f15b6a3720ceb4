//! A module in Rust: a crate of the type `cdylib` with entries, and `anyfork::module!()`. The example `modules` loads it.

use anyfork::Blob;
use std::io::Write;
use std::os::unix::net::UnixStream;

/// Black becomes white. The parameters are found, and checked, as those of any entry.
#[anyfork::entry]
fn filter(mut socket: UnixStream, _width: usize, pixels: Blob) -> std::io::Result<()> {
    let inverted: Vec<u8> = pixels.iter().map(|pixel| 255 - pixel).collect();
    socket.write_all(&inverted)
}

anyfork::module!();
