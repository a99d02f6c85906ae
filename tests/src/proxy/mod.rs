//! A network that fails on demand: an HTTP proxy on loopback in front of an S3 server.
//!
//! Requests pass unchanged, their `Host` included, so signatures made for the proxy's address stay valid. Every call is
//! recorded. Faults are planned by rules: which calls, and what happens to them.

mod call;
mod plan;
mod relay;
mod wire;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;

pub use call::Call;
pub use plan::{Fault, When};

use crate::servers::seaweed::{Identity, Seaweed};
use plan::Plan;

/// A running proxy; it ends when dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    control: watch::Sender<Mode>,
    thread: Option<JoinHandle<()>>,
}

/// What the connections have in common.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) upstream: Option<SocketAddr>,
    pub(crate) calls: Mutex<Vec<Call>>,
    pub(crate) plan: Mutex<Plan>,
    pub(crate) bytes_per_second: Mutex<Option<u64>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Listening,
    Unplugged,
    Ended,
}

impl Proxy {
    /// In front of `server`, without any faults.
    pub fn before(server: &Seaweed) -> Proxy {
        Proxy::to(SocketAddr::from(([127, 0, 0, 1], server.port())))
    }

    /// In front of `server`, at another address than one of IPv4.
    pub fn before_on(server: &Seaweed, address: &str) -> Proxy {
        Proxy::listening(address, SocketAddr::from(([127, 0, 0, 1], server.port())))
    }

    /// In front of any HTTP server.
    pub fn to(upstream: SocketAddr) -> Proxy {
        Proxy::listening("127.0.0.1:0", upstream)
    }

    fn listening(address: &str, upstream: SocketAddr) -> Proxy {
        let shared = Arc::new(Shared { upstream: Some(upstream), ..Shared::default() });
        let (control, mode) = watch::channel(Mode::Listening);
        let listener = std::net::TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let for_thread = shared.clone();
        let thread = std::thread::spawn(move || serve(listener, for_thread, mode));
        Proxy { address, shared, control, thread: Some(thread) }
    }

    /// Where clients connect.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// See [`Identity::environment`].
    pub fn environment(&self, identity: Identity) -> Vec<(&'static str, String)> {
        identity.environment(&self.endpoint())
    }

    /// Adds a rule; the first rule that wants a call gets it.
    pub fn on(&self, when: When, fault: Fault) {
        self.shared.plan.lock().unwrap().add(when, fault);
    }

    /// Removes all rules.
    pub fn heal(&self) {
        self.shared.plan.lock().unwrap().clear();
    }

    /// Limits each connection, each way; none for no limit.
    pub fn limit_bytes_per_second(&self, limit: Option<u64>) {
        *self.shared.bytes_per_second.lock().unwrap() = limit;
    }

    /// Stops listening and cuts every connection: the next connect is refused.
    pub fn unplug(&self) {
        self.control.send_replace(Mode::Unplugged);
        self.wait_until_listening(false);
    }

    /// Listens again, on the same port.
    pub fn plug_in(&self) {
        self.control.send_replace(Mode::Listening);
        self.wait_until_listening(true);
    }

    /// The calls so far, in the order in which their heads came in.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.calls.lock().unwrap().clone()
    }

    /// The names of the calls so far, such as `PutObject`; see [`Call::operation`].
    pub fn operations(&self) -> Vec<&'static str> {
        self.calls().iter().map(Call::operation).collect()
    }

    /// Forgets the calls so far; the next one has number 0.
    pub fn forget_calls(&self) {
        self.shared.calls.lock().unwrap().clear();
    }

    fn wait_until_listening(&self, wanted: bool) {
        for _ in 0..500 {
            if std::net::TcpStream::connect(self.address).is_ok() == wanted {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("the proxy does not change its mode");
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.control.send_replace(Mode::Ended);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(listener: std::net::TcpListener, shared: Arc<Shared>, mode: watch::Receiver<Mode>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(accept(listener, shared, mode));
}

async fn accept(listener: std::net::TcpListener, shared: Arc<Shared>, mut mode: watch::Receiver<Mode>) {
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    let mut listener = Some(TcpListener::from_std(listener).unwrap());
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let next = async {
            match &listener {
                Some(listener) => listener.accept().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            accepted = next => if let Ok((client, _)) = accepted {
                connections.spawn(relay::connection(client, shared.clone()));
            },
            changed = mode.changed() => {
                let wanted = if changed.is_err() { Mode::Ended } else { *mode.borrow_and_update() };
                match wanted {
                    Mode::Listening if listener.is_none() => listener = TcpListener::bind(address).await.ok(),
                    Mode::Listening => {}
                    Mode::Unplugged => { listener = None; connections.abort_all(); }
                    Mode::Ended => return,
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}
