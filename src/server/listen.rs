//! The listening socket.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

use crate::server::Error;

/// Connections that the kernel keeps for us until we take them. The kernel lowers it to its own
/// limit (`net.core.somaxconn`).
const BACKLOG: i32 = 4_096;

/// A socket that listens. Connections queue in the kernel until it is served.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    addr: SocketAddr,
}

impl Listener {
    /// Where it listens; with the port that it got when it asked for any.
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// The socket, which does not block.
    pub(super) fn into_socket(self) -> TcpListener {
        self.socket
    }
}

/// Listens on `addr`; port 0 takes a free one.
///
/// # Errors
/// [`Error::Listen`] when the address is taken, not ours, or needs rights that we do not have.
pub fn bind(addr: SocketAddr) -> Result<Listener, Error> {
    open(addr).map_err(|source| Error::Listen { addr, source })
}

fn open(addr: SocketAddr) -> io::Result<Listener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    // A restart must not wait for the last connections of the process before it. Windows means
    // something else by this option: there two servers could share the port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    let socket = TcpListener::from(socket);
    let addr = socket.local_addr()?;
    Ok(Listener { socket, addr })
}

/// The errors that people meet, in plain words.
pub(super) fn in_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "address already in use".into(),
        io::ErrorKind::AddrNotAvailable => "no such address on this machine".into(),
        io::ErrorKind::PermissionDenied => "permission denied".into(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_one_clear_line() {
        let first = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        assert_ne!(first.local_addr().port(), 0);
        let refused = bind(first.local_addr()).unwrap_err();
        assert_eq!(
            refused.to_string(),
            format!("cannot listen on {}: address already in use", first.local_addr())
        );
    }

    #[test]
    fn an_address_that_is_not_ours_is_one_clear_line() {
        let refused = bind("192.0.2.1:0".parse().unwrap()).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "cannot listen on 192.0.2.1:0: no such address on this machine"
        );
    }
}
