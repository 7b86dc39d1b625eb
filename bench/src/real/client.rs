//! `redis-benchmark` and `wrk`: what they are told, and what they say.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::Result;
use crate::output::output_within;

/// A program that others have written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Client {
    /// `redis-benchmark`: 50 connections, so many commands in one write.
    Redis { test: &'static str, pipeline: usize, requests: usize },
    /// `wrk`: one thread, for a second.
    Wrk { connections: usize },
}

/// What it says of one run.
#[derive(Debug, PartialEq)]
pub(super) struct Said {
    pub(super) requests: usize,
    pub(super) took: Duration,
    pub(super) p50_us: f64,
    pub(super) p99_us: f64,
}

impl Client {
    pub(super) fn program(&self) -> &'static str {
        match self {
            Self::Redis { .. } => "redis-benchmark",
            Self::Wrk { .. } => "wrk",
        }
    }

    pub(super) fn is_there(&self) -> bool {
        let mut command = Command::new(self.program());
        command.arg("-v").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok()
    }

    /// Runs it once.
    ///
    /// # Errors
    ///
    /// If it fails, or tells of a request that has.
    pub(super) fn run(&self, address: SocketAddr) -> Result<Said> {
        let mut command = Command::new(self.program());
        match self {
            Self::Redis { test, pipeline, requests } => {
                command.args(["-h", "127.0.0.1", "-p", &address.port().to_string(), "--csv"]);
                command.args(["-c", "50", "-t", test, "-P", &pipeline.to_string()]);
                command.args(["-n", &requests.to_string(), "-r", "10000"]);
                command.stderr(Stdio::null());
                let begin = Instant::now();
                let text = output_within(command, LIMIT)?;
                redis_said(&text, *requests, begin.elapsed())
            }
            Self::Wrk { connections } => {
                let connections = connections.to_string();
                command.args(["-t", "1", "-c", &connections, "-d", "1s", "--latency"]);
                command.arg(format!("http://{address}/"));
                wrk_said(&output_within(command, LIMIT)?)
            }
        }
    }

    /// Whether the server gives the right answers; its clients here hardly look at them.
    pub(super) fn verify(&self, address: SocketAddr) -> Result<()> {
        let (request, reply): (&[u8], &[u8]) = match self {
            Self::Redis { .. } => (
                b"*3\r\n$3\r\nSET\r\n$5\r\ncheck\r\n$4\r\n1234\r\n*2\r\n$3\r\nGET\r\n$5\r\ncheck\r\n",
                b"+OK\r\n$4\r\n1234\r\n",
            ),
            Self::Wrk { .. } => (
                b"GET / HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n",
                b"\r\n\r\nHello, world!\n",
            ),
        };
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.write_all(request)?;
        let (mut said, mut buffer) = (Vec::new(), [0; 4096]);
        while !said.ends_with(reply) {
            match stream.read(&mut buffer)? {
                0 => {
                    let said = String::from_utf8_lossy(&said);
                    return Err(format!("the server answered {said:?}").into());
                }
                count => said.extend_from_slice(&buffer[..count]),
            }
        }
        Ok(())
    }
}

/// The last line has: test, requests per second, and latencies in milliseconds, each in quotes.
fn redis_said(text: &str, requests: usize, elapsed: Duration) -> Result<Said> {
    let strange = || format!("redis-benchmark said {text:?}");
    let line = text.lines().last().ok_or_else(strange)?;
    let fields: Vec<f64> =
        line.split(',').filter_map(|field| field.trim_matches('"').parse().ok()).collect();
    let &[per_second, _average, _min, p50, _p95, p99, ..] = &fields[..] else {
        return Err(strange().into());
    };
    let took = if per_second > 0.0 {
        Duration::from_secs_f64(requests as f64 / per_second)
    } else {
        elapsed
    };
    Ok(Said { requests, took, p50_us: p50 * 1e3, p99_us: p99 * 1e3 })
}

fn wrk_said(text: &str) -> Result<Said> {
    let strange = || format!("wrk said {text:?}");
    if text.contains("Socket errors") || text.contains("Non-2xx") {
        return Err(strange().into());
    }
    let word = |line: &str, place: usize| line.split_whitespace().nth(place).map(str::to_owned);
    let find = |mark: &str| text.lines().find(|line| line.contains(mark)).ok_or_else(strange);
    let total = find(" requests in ")?;
    let requests = word(total, 0).and_then(|word| word.parse().ok()).ok_or_else(strange)?;
    let took = word(total, 3).and_then(|word| microseconds(word.trim_end_matches(',')));
    let p50 = word(find(" 50% ")?, 1).and_then(|word| microseconds(&word));
    let p99 = word(find(" 99% ")?, 1).and_then(|word| microseconds(&word));
    let (took, p50_us, p99_us) =
        took.zip(p50).zip(p99).map(|((took, p50), p99)| (took, p50, p99)).ok_or_else(strange)?;
    Ok(Said { requests, took: Duration::from_secs_f64(took / 1e6), p50_us, p99_us })
}

/// A time with its unit behind it.
fn microseconds(text: &str) -> Option<f64> {
    let unit = text.find(|letter: char| letter.is_ascii_alphabetic())?;
    let value: f64 = text[..unit].parse().ok()?;
    Some(match &text[unit..] {
        "us" => value,
        "ms" => value * 1e3,
        "s" => value * 1e6,
        "m" => value * 6e7,
        _ => return None,
    })
}

const LIMIT: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_redis_benchmark_says_is_understood() {
        let text = "\"test\",\"rps\",\"avg_latency_ms\",\"min_latency_ms\",\"p50_latency_ms\",\
                    \"p95_latency_ms\",\"p99_latency_ms\",\"max_latency_ms\"\n\
                    \"GET\",\"50000.00\",\"0.3\",\"0.1\",\"0.25\",\"0.5\",\"0.75\",\"1.0\"\n";
        let said = redis_said(text, 20_000, Duration::ZERO).unwrap();
        let took = Duration::from_millis(400);
        assert_eq!(said, Said { requests: 20_000, took, p50_us: 250.0, p99_us: 750.0 });
        assert!(redis_said("", 1, Duration::ZERO).is_err());
        assert!(redis_said("Error from server: ERR", 1, Duration::ZERO).is_err());
    }

    const WRK: &str = "\
Running 1s test @ http://127.0.0.1:1/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   500.00us    1.00ms  12.00ms   99.00%
    Req/Sec   110.00k     3.00k  115.00k    72.00%
  Latency Distribution
     50%  450.00us
     75%  500.00us
     90%  600.00us
     99%    1.25ms
  110000 requests in 1.10s, 14.00MB read
Requests/sec: 100000.00
";

    #[test]
    fn what_wrk_says_is_understood() {
        let took = Duration::from_millis(1100);
        let expected = Said { requests: 110_000, took, p50_us: 450.0, p99_us: 1250.0 };
        assert_eq!(wrk_said(WRK).unwrap(), expected);
    }

    #[test]
    fn requests_that_failed_fail_the_run() {
        let errors = "  Socket errors: connect 0, read 3, write 0, timeout 0\n";
        assert!(wrk_said(&format!("{WRK}{errors}")).is_err());
        assert!(wrk_said(&format!("{WRK}  Non-2xx or 3xx responses: 2\n")).is_err());
        assert!(wrk_said("nothing").is_err());
    }
}
