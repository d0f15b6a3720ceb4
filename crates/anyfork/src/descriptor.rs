//! What a descriptor refers to, for parameters that want a certain kind and for error messages.

use rustix::fs::FileType;
use rustix::net::sockopt;
use rustix::net::{AddressFamily, SocketType};
use std::os::fd::AsFd;

/// The kind of what a descriptor refers to, with its article.
pub(crate) fn kind(fd: impl AsFd) -> &'static str {
    let Ok(stat) = rustix::fs::fstat(&fd) else { return "something that cannot be looked at" };
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => "a regular file",
        FileType::Directory => "a directory",
        FileType::CharacterDevice => "a character device",
        FileType::BlockDevice => "a block device",
        FileType::Fifo => "a pipe",
        FileType::Socket => socket_kind(fd),
        _ => "a file of an unknown kind",
    }
}

fn socket_kind(fd: impl AsFd) -> &'static str {
    let inet = match sockopt::socket_domain(&fd) {
        Ok(AddressFamily::UNIX) => false,
        Ok(AddressFamily::INET | AddressFamily::INET6) => true,
        _ => return "a socket",
    };
    let listens = sockopt::socket_acceptconn(&fd).unwrap_or(false);
    match (sockopt::socket_type(&fd), inet, listens) {
        (Ok(SocketType::STREAM), true, true) => TCP_LISTENER,
        (Ok(SocketType::STREAM), true, false) => TCP_STREAM,
        (Ok(SocketType::DGRAM), true, _) => UDP_SOCKET,
        (Ok(SocketType::STREAM), false, true) => UNIX_LISTENER,
        (Ok(SocketType::STREAM), false, false) => UNIX_STREAM,
        (Ok(SocketType::DGRAM), false, _) => UNIX_DATAGRAM,
        _ => "a socket",
    }
}

pub(crate) const TCP_LISTENER: &str = "a TCP listener";
pub(crate) const TCP_STREAM: &str = "a TCP socket";
pub(crate) const UDP_SOCKET: &str = "a UDP socket";
pub(crate) const UNIX_LISTENER: &str = "a Unix listener";
pub(crate) const UNIX_STREAM: &str = "a Unix stream socket";
pub(crate) const UNIX_DATAGRAM: &str = "a Unix datagram socket";

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, UdpSocket};
    use std::os::unix::net::{UnixListener, UnixStream};

    #[test]
    fn kinds_are_told_apart() {
        assert_eq!(kind(std::fs::File::open("/proc/self/exe").unwrap()), "a regular file");
        assert_eq!(kind(std::fs::File::open("/").unwrap()), "a directory");
        assert_eq!(kind(std::fs::File::open("/dev/null").unwrap()), "a character device");
        assert_eq!(kind(TcpListener::bind("127.0.0.1:0").unwrap()), TCP_LISTENER);
        assert_eq!(kind(UdpSocket::bind("127.0.0.1:0").unwrap()), UDP_SOCKET);
        assert_eq!(kind(UnixStream::pair().unwrap().0), UNIX_STREAM);
        let path = std::env::temp_dir().join(format!("anyfork-kind-{}", std::process::id()));
        assert_eq!(kind(UnixListener::bind(&path).unwrap()), UNIX_LISTENER);
        std::fs::remove_file(path).unwrap();
    }
}
