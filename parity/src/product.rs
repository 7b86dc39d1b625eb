//! The scenarios: servers by mix-ins by situations by ways to serve.

use crate::scenario::{Event, MixIn, Scenario, Step, Transport, Via};
use crate::situations::SITUATIONS;

/// All scenarios, in the order in which they are told of.
pub fn scenarios() -> Vec<Scenario> {
    let mut all = Vec::new();
    for transport in Transport::ALL {
        for mixin in MixIn::ALL {
            for (situation, write) in SITUATIONS {
                for via in [Via::HandleRequest, Via::ServeForever] {
                    let case = Case { transport, mixin, via };
                    if let Some(Script { behaviour, steps }) = write(case) {
                        all.push(Scenario { transport, mixin, situation, via, behaviour, steps });
                    }
                }
            }
        }
    }
    all
}

/// A place in the product that a situation is written for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) transport: Transport,
    pub(crate) mixin: MixIn,
    pub(crate) via: Via,
}

impl Case {
    /// Only where requests are connections.
    pub(crate) fn stream(self) -> Option<Self> {
        self.transport.is_stream().then_some(self)
    }

    /// Only where requests are datagrams.
    pub(crate) fn datagram(self) -> Option<Self> {
        (!self.transport.is_stream()).then_some(self)
    }

    /// Only where requests are run by processes of their own.
    pub(crate) fn forking(self) -> Option<Self> {
        (self.mixin == MixIn::Forking).then_some(self)
    }

    /// Only where addresses are paths.
    pub(crate) fn unix(self) -> Option<Self> {
        matches!(self.transport, Transport::Unix | Transport::Unixgram).then_some(self)
    }

    /// Only under `handle_request`, where it makes no difference which.
    pub(crate) fn once(self) -> Option<Self> {
        (self.via == Via::HandleRequest).then_some(self)
    }

    /// Only under `serve_forever`.
    pub(crate) fn serve_forever(self) -> Option<Self> {
        (self.via == Via::ServeForever).then_some(self)
    }

    /// Whether the loop handles requests itself.
    pub(crate) fn is_synchronous(self) -> bool {
        self.mixin == MixIn::Synchronous
    }

    /// The event of a loop, or a turn of it, that has raised.
    pub(crate) fn raised(self) -> Event {
        match self.via {
            Via::HandleRequest => Event::Line("handle_request.raised:fault", 1),
            Via::ServeForever => Event::Line("serve_forever.raised:fault", 1),
        }
    }

    /// Begins to serve, for so many requests.
    pub(crate) fn start(self, requests: usize) -> Vec<Step> {
        match self.via {
            Via::HandleRequest => vec![Step::Command("handle_request"); requests],
            Via::ServeForever => vec![Step::Command("serve")],
        }
    }

    /// Ends what `start` began and closes the server.
    pub(crate) fn stop(self, requests: usize) -> Vec<Step> {
        let mut steps = match self.via {
            Via::HandleRequest => vec![Step::Await(Event::Line("handle_request.", requests))],
            Via::ServeForever => shut_down(1),
        };
        steps.extend(close());
        steps
    }

    /// Waits until a request is over; where a reply ends with its connection, a server that
    /// lingers is not waited for.
    pub(crate) fn settle(self, request: u32) -> Step {
        if self.transport.is_stream() {
            Step::Settle(request)
        } else {
            Step::Await(Event::Over(request))
        }
    }
}

/// Stops the loop for the so-manieth time.
pub(crate) fn shut_down(times: usize) -> Vec<Step> {
    vec![
        Step::Command("shutdown"),
        Step::Await(Event::Line("serve_forever.", times)),
        Step::Await(Event::Line("shutdown.returned", times)),
    ]
}

/// Closes the server.
pub(crate) fn close() -> Vec<Step> {
    vec![Step::Command("close"), Step::Await(Event::Line("close.", 1))]
}

/// What a situation asks of a server and does to it.
#[derive(Debug)]
pub(crate) struct Script {
    /// `key=value` words.
    pub(crate) behaviour: String,
    /// In order.
    pub(crate) steps: Vec<Step>,
}

/// Puts parts of a script together.
pub(crate) fn script<const N: usize>(behaviour: &str, parts: [Vec<Step>; N]) -> Option<Script> {
    Some(Script { behaviour: behaviour.to_owned(), steps: parts.into_iter().flatten().collect() })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_server_and_mixin_has_every_situation_that_makes_sense_for_it() {
        let all = scenarios();
        for transport in Transport::ALL {
            for mixin in MixIn::ALL {
                let of = all.iter().filter(|one| one.transport == transport && one.mixin == mixin);
                let situations: BTreeSet<_> = of.map(|one| one.situation).collect();
                for required in [
                    "normal",
                    "verify_false",
                    "setup_fails",
                    "handle_fails",
                    "finish_fails",
                    "partial_panics",
                    "client_gone_before",
                    "client_gone_during",
                    "client_gone_after",
                    "times_out",
                    "several",
                    "empty_request",
                    "large",
                    "shutdown_idle",
                    "shutdown_busy",
                    "close_busy",
                ] {
                    assert!(situations.contains(required), "{transport}/{mixin}/{required}");
                }
            }
        }
    }

    #[test]
    fn no_two_scenarios_have_one_name() {
        let names: Vec<_> = scenarios().iter().map(Scenario::name).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    }
}
