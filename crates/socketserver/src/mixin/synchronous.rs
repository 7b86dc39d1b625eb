use super::{MixIn, PendingRequest, Unprocessed};

/// Runs each request to its end on the serving thread, before taking the next: Python's servers
/// without a mix-in.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Synchronous {}

impl<P: PendingRequest> MixIn<P> for Synchronous {
    fn process_request(&self, request: P) -> Result<(), Unprocessed<P>> {
        request.finish();
        Ok(())
    }
}
