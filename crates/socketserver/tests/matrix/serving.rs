//! Requests are served, one and many, good and bad.

use crate::common::{Mix, Wire, serve};

/// A42, A55, A62, A70.
pub(crate) fn serves_one_request<T: Wire, M: Mix<T>>() {
    let server = serve::<T, M>();
    assert_eq!(server.ask("echo hello"), "hello");
    assert!(server.stop().is_complete());
}

/// A42.
pub(crate) fn serves_several_requests<T: Wire, M: Mix<T>>() {
    let server = serve::<T, M>();
    for number in 0..10 {
        assert_eq!(server.ask(&format!("echo {number}")), number.to_string());
    }
    server.stop();
}
