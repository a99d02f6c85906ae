//! Which calls fail, and how.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Call;

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The connection is reset before anything reaches the server.
    Reset,
    /// This many bytes of the request's body reach the server; then both connections are reset.
    CutRequest(u64),
    /// This many bytes of the response's body reach the client; then its connection is reset.
    CutResponse(u64),
    /// The lowest bit of this byte of the response's body arrives flipped.
    FlipResponse(u64),
    /// This header, in lower case, does not reach the server: one that ignores it, for a server that looks at no signature.
    DropHeader(&'static str),
    /// The call is held back this long, then passes.
    Delay(Duration),
    /// The server is not asked: this status and S3 error code are the answer.
    Answer(u16, &'static str),
    /// The server does its work; its answer is lost and the connection reset.
    LoseAnswer,
    /// Nothing is ever answered; the connection stays open.
    Hang,
    /// The store's clock is this many seconds ahead: its answers say so, and from a quarter of an hour on it refuses.
    Ahead(i64),
}

impl Fault {
    /// What stores say when they are overloaded.
    pub const SLOW_DOWN: Fault = Fault::Answer(503, "SlowDown");
    /// What stores say when something is wrong with them.
    pub const INTERNAL_ERROR: Fault = Fault::Answer(500, "InternalError");
    /// What a key without the right gets.
    pub const ACCESS_DENIED: Fault = Fault::Answer(403, "AccessDenied");
    /// What a host with a wrong clock gets.
    pub const CLOCK_SKEW: Fault = Fault::Answer(403, "RequestTimeTooSkewed");
    /// What a bucket that does not exist gives.
    pub const NO_SUCH_BUCKET: Fault = Fault::Answer(404, "NoSuchBucket");
    /// What a client signing for another region gets.
    pub const WRONG_REGION: Fault = Fault::Answer(400, "AuthorizationHeaderMalformed");
}

/// Which calls a rule wants.
#[derive(Clone)]
pub struct When {
    wants: Arc<dyn Fn(&Call) -> bool + Send + Sync>,
    skip: usize,
    times: usize,
    lasting: Option<Duration>,
}

impl When {
    /// Every call.
    pub fn any() -> When {
        When::call(|_| true)
    }

    /// The call of this number, from 0.
    pub fn number(number: usize) -> When {
        When::call(move |call| call.number == number)
    }

    /// Calls of this operation; see [`Call::operation`].
    pub fn operation(name: &'static str) -> When {
        When::call(move |call| call.operation() == name)
    }

    /// Calls that `wants` says yes to.
    pub fn call(wants: impl Fn(&Call) -> bool + Send + Sync + 'static) -> When {
        When { wants: Arc::new(wants), skip: 0, times: usize::MAX, lasting: None }
    }

    /// Lets the first `skip` of them pass.
    pub fn after(mut self, skip: usize) -> When {
        self.skip = skip;
        self
    }

    /// Takes at most this many of them.
    pub fn times(mut self, times: usize) -> When {
        self.times = times;
        self
    }

    /// Takes them for this long, counted from the first.
    pub fn lasting(mut self, time: Duration) -> When {
        self.lasting = Some(time);
        self
    }
}

impl fmt::Debug for When {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "after {} take {} lasting {:?}", self.skip, self.times, self.lasting)
    }
}

/// The rules in force.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    when: When,
    fault: Fault,
    seen: usize,
    taken: usize,
    first: Option<Instant>,
}

impl Plan {
    pub(crate) fn add(&mut self, when: When, fault: Fault) {
        self.rules.push(Rule { when, fault, seen: 0, taken: 0, first: None });
    }

    pub(crate) fn clear(&mut self) {
        self.rules.clear();
    }

    pub(crate) fn fault_for(&mut self, call: &Call) -> Option<Fault> {
        self.rules.iter_mut().find_map(|rule| rule.take(call).then_some(rule.fault))
    }
}

impl Rule {
    fn take(&mut self, call: &Call) -> bool {
        if !(self.when.wants)(call) {
            return false;
        }
        self.seen += 1;
        if self.seen <= self.when.skip || self.taken >= self.when.times {
            return false;
        }
        let first = *self.first.get_or_insert_with(Instant::now);
        if self.when.lasting.is_some_and(|time| first.elapsed() >= time) {
            return false;
        }
        self.taken += 1;
        true
    }
}
