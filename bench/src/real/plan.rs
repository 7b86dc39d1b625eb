//! Which clients there are, and which figures are wanted.

use super::RealCase;
use super::client::Client;
use crate::plan::{Comparison, to_beat, to_see};

const REDIS: &[&str] = &["redis-server", "resp-coroutine", "resp-threading"];

const REDIS_COMPARISONS: &[Comparison] =
    &[to_beat("resp-coroutine", "redis-server", 1.0), to_see("resp-threading", "redis-server")];

const fn redis(
    name: &'static str,
    title: &'static str,
    test: &'static str,
    pipeline: usize,
) -> RealCase {
    let client = Client::Redis { test, pipeline, requests: 20_000 * pipeline };
    let (servers, comparisons) = (REDIS, REDIS_COMPARISONS);
    RealCase { name, title, client, slices: 5, servers, comparisons }
}

pub(crate) const CASES: &[RealCase] = &[
    redis("redis-get-1", "redis-benchmark: GET, one at a time", "get", 1),
    redis("redis-set-1", "redis-benchmark: SET, one at a time", "set", 1),
    redis("redis-get-16", "redis-benchmark: GET, 16 pipelined", "get", 16),
    redis("redis-set-16", "redis-benchmark: SET, 16 pipelined", "set", 16),
    RealCase {
        name: "http-hello",
        title: "wrk: HTTP hello over 64 connections that stay",
        client: Client::Wrk { connections: 64 },
        slices: 3,
        servers: &["hyper", "go-http", "http-coroutine", "http-threading"],
        comparisons: &[
            to_beat("http-coroutine", "hyper", 0.7),
            to_see("http-threading", "hyper"),
            to_see("http-coroutine", "go-http"),
            to_see("go-http", "hyper"),
        ],
    },
];
