//! A network between a client and any TCP server whose connections can be cut.

use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// A relay on loopback; new connections end when it is dropped.
#[derive(Debug)]
pub struct Relay {
    port: u16,
    open: Arc<Mutex<Vec<TcpStream>>>,
    closed: Arc<AtomicBool>,
}

impl Relay {
    /// In front of a server of this host.
    pub fn to(port: u16) -> Relay {
        let upstream = SocketAddr::from(([127, 0, 0, 1], port));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let relay = Relay { port: listener.local_addr().unwrap().port(), open: Arc::default(), closed: Arc::default() };
        let (open, closed) = (relay.open.clone(), relay.closed.clone());
        thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(client) = client else { continue };
                if closed.load(Ordering::SeqCst) {
                    continue;
                }
                let Ok(server) = TcpStream::connect(upstream) else { continue };
                let _ = (client.set_nodelay(true), server.set_nodelay(true));
                open.lock().unwrap().extend([client.try_clone().unwrap(), server.try_clone().unwrap()]);
                carry(client.try_clone().unwrap(), server.try_clone().unwrap());
                carry(server, client);
            }
        });
        relay
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Cuts every connection there is. What the server was told, it does; its answers are lost.
    pub fn cut(&self) -> usize {
        let open = std::mem::take(&mut *self.open.lock().unwrap());
        for stream in &open {
            let _ = stream.shutdown(Shutdown::Both);
        }
        open.len() / 2
    }
}

impl Relay {
    /// Cuts every connection, and takes no new ones until [`Relay::reopen`].
    pub fn close(&self) -> usize {
        self.closed.store(true, Ordering::SeqCst);
        self.cut()
    }

    /// Takes connections again.
    pub fn reopen(&self) {
        self.closed.store(false, Ordering::SeqCst);
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream) {
    thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Both);
    });
}
