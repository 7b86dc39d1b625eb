//! How each worker takes requests, on a coroutine of its own.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use socketserver_coroutine::io::Listening;
use socketserver_coroutine::{Parker, Reserved, yield_now};

use super::super::{Accepted, Acceptor, PendingRequest};
use super::running::Running;

/// How many requests are taken before those that run get a turn.
const BATCH: usize = 32;

/// The same, of requests that were taken off the socket together: as many as there may be replies
/// that the kernel sends together.
const AHEAD: usize = 64;

/// How long nothing is taken when the kernel cannot watch the socket.
const UNWATCHED: Duration = Duration::from_millis(100);

/// Takes requests until the acceptor says that it is over.
pub(super) fn run<P>(running: &Arc<Running>, worker: usize, mut acceptor: P::Acceptor)
where
    P: PendingRequest<Acceptor: Send> + Send + 'static,
{
    let parker = Parker::new();
    let is_over = running.begin_to_take(&parker);
    acceptor.begin();
    let mut listening: Option<Listening> = None;
    let mut quota = 1;
    let is_alone = running.workers().len() == 1;
    loop {
        let taken = if running.has_room() {
            let gathering = acceptor.clone();
            gathering.gather(|| take_some::<P>(running, worker, &mut acceptor, &mut quota))
        } else if let Some(fed) = acceptor.feed() {
            yield_now();
            fed.into()
        } else {
            // Nobody watches the socket meanwhile, or it would be ready all the time.
            listening = None;
            if parker.park(None).is_err() || is_over.load(Ordering::Acquire) {
                return;
            }
            continue;
        };
        match taken {
            Taken::Some if acceptor.has_requests() => continue,
            Taken::Some => {}
            Taken::Paused(pause) => {
                listening = None;
                if pause_for(&parker, pause).is_err() {
                    return;
                }
                continue;
            }
            Taken::Over => return,
        }
        let waited = match &listening {
            Some(listening) => listening.wait(acceptor.fileno(), &parker),
            // What came before it was watched is told at once.
            None => match Listening::new(acceptor.fileno(), is_alone) {
                Ok(new) => listening.insert(new).wait(acceptor.fileno(), &parker),
                Err(_) => pause_for(&parker, UNWATCHED),
            },
        };
        if waited.is_err() {
            return;
        }
    }
}

enum Taken {
    /// There may be more: then the socket is ready.
    Some,
    /// No more for so long.
    Paused(Duration),
    /// No more at all.
    Over,
}

impl<P> From<Accepted<P>> for Taken {
    fn from(accepted: Accepted<P>) -> Self {
        match accepted {
            Accepted::Request(_) | Accepted::Again | Accepted::Nothing => Self::Some,
            Accepted::Paused(pause) => Self::Paused(pause),
            Accepted::Stopped => Self::Over,
        }
    }
}

/// Takes up to `quota` requests, and lets them have their turns.
///
/// The socket is ready for as long as there is something, so nothing is missed by taking too few;
/// and to ask for one too many is a call to the kernel for nothing. So the quota follows what has
/// been there.
fn take_some<P>(
    running: &Arc<Running>,
    worker: usize,
    acceptor: &mut P::Acceptor,
    quota: &mut usize,
) -> Taken
where
    P: PendingRequest<Acceptor: Send> + Send + 'static,
{
    let mut count = 0;
    let taken = loop {
        // What has been taken off the socket already does not make it ready.
        if count >= *quota && (count >= AHEAD || !acceptor.has_requests()) {
            *quota = (*quota * 2).min(BATCH);
            break Taken::Some;
        }
        if !running.enter() {
            break Taken::Some;
        }
        let accepted = acceptor.accept();
        if let Accepted::Request(request) = accepted {
            count += 1;
            place::<P>(running, worker, request, acceptor);
            continue;
        }
        running.leave();
        match accepted {
            // It has cost its time too: many who are refused must not hold up those who are not.
            Accepted::Again => count += 1,
            Accepted::Nothing => {
                *quota = count.max(1);
                break Taken::Some;
            }
            Accepted::Paused(pause) => break Taken::Paused(pause),
            _ => break Taken::Over,
        }
    };
    // Only those who were started in here answer in here.
    if count > 0 {
        yield_now();
    }
    taken
}

/// Runs a request here, unless another worker has far fewer.
fn place<P>(running: &Arc<Running>, worker: usize, request: P, acceptor: &P::Acceptor)
where
    P: PendingRequest<Acceptor: Send> + Send + 'static,
{
    let workers = running.workers();
    if workers.len() > 1 {
        let least = workers.least();
        let load = |number: usize| workers.load(number);
        // A little more is no reason: to hand one over costs more than it is worth.
        if load(worker) > load(least) + 4 + load(least) / 8 {
            running.start_on(least, request);
            return;
        }
    }
    match Reserved::new() {
        Ok(reserved) => {
            let running = Arc::clone(running);
            reserved.named(request.name()).spawn(move || {
                request.finish();
                running.leave();
            });
        }
        Err(error) => {
            acceptor.not_started(request, error);
            running.leave();
        }
    }
}

fn pause_for(parker: &Parker, pause: Duration) -> std::io::Result<()> {
    let deadline = std::time::Instant::now() + pause;
    match parker.park(Some(deadline)) {
        Err(error) if error.kind() != std::io::ErrorKind::TimedOut => Err(error),
        _ => Ok(()),
    }
}
