//! The listening socket.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

use crate::server::Error;

/// Connections that the kernel queues until the acceptor takes them. The kernel lowers it to its own
/// limit (`net.core.somaxconn`).
const BACKLOG: i32 = 4_096;

/// A listening socket. Connections queue in the kernel until it is served.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    addr: SocketAddr,
}

impl Listener {
    /// The address that it listens on, with the port that the system chose for port 0.
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// The socket, in non-blocking mode.
    pub(super) fn into_socket(self) -> TcpListener {
        self.socket
    }
}

/// Listens on `addr`; port 0 selects a free port.
///
/// # Errors
/// [`Error::Listen`] when the address is in use, is not of this machine, or needs more privileges.
pub fn bind(addr: SocketAddr) -> Result<Listener, Error> {
    open(addr).map_err(|source| Error::Listen { addr, source })
}

fn open(addr: SocketAddr) -> io::Result<Listener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    // A restart must not wait for connections of the previous process. On Windows the option has
    // another meaning: two servers could share the port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    let socket = TcpListener::from(socket);
    let addr = socket.local_addr()?;
    Ok(Listener { socket, addr })
}

/// Common errors in plain words.
pub(in crate::server) fn in_words(error: &io::Error) -> String {
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
    fn a_port_in_use_is_reported_in_one_line() {
        let first = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        assert_ne!(first.local_addr().port(), 0);
        let refused = bind(first.local_addr()).unwrap_err();
        assert_eq!(
            refused.to_string(),
            format!("cannot listen on {}: address already in use", first.local_addr())
        );
    }

    #[test]
    fn an_address_of_another_machine_is_reported_in_one_line() {
        let refused = bind("192.0.2.1:0".parse().unwrap()).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "cannot listen on 192.0.2.1:0: no such address on this machine"
        );
    }
}
