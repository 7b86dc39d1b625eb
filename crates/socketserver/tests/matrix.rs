//! Every transport with every mix-in, by one definition of each test.

#![allow(clippy::unwrap_used, reason = "what fails in a test shall fail the test")]

mod common;
#[path = "matrix/serving.rs"]
mod serving;

common::matrix!(serving::serves_one_request, serving::serves_several_requests);
