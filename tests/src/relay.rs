//! A network between a client and any TCP server whose connections can be cut.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// A relay on loopback; new connections end when it is dropped.
#[derive(Debug)]
pub struct Relay {
    port: u16,
    open: Arc<Mutex<Vec<TcpStream>>>,
    closed: Arc<AtomicBool>,
    silent: Arc<Mutex<Vec<Arc<AtomicBool>>>>,
}

impl Relay {
    /// In front of a server of this host.
    pub fn to(port: u16) -> Relay {
        let upstream = SocketAddr::from(([127, 0, 0, 1], port));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let relay = Relay { port, open: Arc::default(), closed: Arc::default(), silent: Arc::default() };
        let (open, closed, silent) = (relay.open.clone(), relay.closed.clone(), relay.silent.clone());
        thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(client) = client else { continue };
                if closed.load(Ordering::SeqCst) {
                    continue;
                }
                let Ok(server) = TcpStream::connect(upstream) else { continue };
                let _ = (client.set_nodelay(true), server.set_nodelay(true));
                open.lock().unwrap().extend([client.try_clone().unwrap(), server.try_clone().unwrap()]);
                let is_silent = Arc::new(AtomicBool::new(false));
                silent.lock().unwrap().push(is_silent.clone());
                carry(client.try_clone().unwrap(), server.try_clone().unwrap(), is_silent.clone());
                carry(server, client, is_silent);
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
        for is_silent in self.silent.lock().unwrap().drain(..) {
            is_silent.store(false, Ordering::SeqCst);
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

    /// Takes no new connections until [`Relay::reopen`]; those there are stay.
    pub fn refuse(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    /// Carries nothing more over the connections there are, and cuts none: as a firewall that has forgotten them.
    pub fn fall_silent(&self) {
        for is_silent in self.silent.lock().unwrap().iter() {
            is_silent.store(true, Ordering::SeqCst);
        }
    }

    /// Takes connections again.
    pub fn reopen(&self) {
        self.closed.store(false, Ordering::SeqCst);
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, is_silent: Arc<AtomicBool>) {
    thread::spawn(move || {
        let mut bytes = vec![0; 64 << 10];
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            while is_silent.load(Ordering::SeqCst) {
                thread::sleep(Duration::from_millis(10));
            }
            if to.write_all(&bytes[..count]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    });
}
