//! `http_hello`: right answers to right and wrong requests, one by one and in bursts.

use testkit::{Client, alone};

use crate::running::{client, on_each_mixin, stop_without_errors};

struct Answer {
    status: u16,
    headers: Vec<String>,
    body: String,
}

impl Answer {
    /// Reads one answer; of one to HEAD, the head alone.
    #[track_caller]
    fn read(client: &mut Client, is_to_head: bool) -> Self {
        let first = client.read_line().unwrap();
        let status = first.strip_prefix("HTTP/1.1 ").expect(&first)[..3].parse().unwrap();
        let mut headers = Vec::new();
        loop {
            match client.read_line().unwrap().trim_end() {
                "" => break,
                header => headers.push(header.to_owned()),
            }
        }
        let mut answer = Self { status, headers, body: String::new() };
        let length: usize = answer.header("Content-Length").map_or(0, |l| l.parse().unwrap());
        while !is_to_head && answer.body.len() < length {
            answer.body += &client.read_line().unwrap();
        }
        assert!(is_to_head || answer.body.len() == length);
        answer
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|header| header.strip_prefix(&format!("{name}: ")))
    }
}

const GET: &str = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
const HELLO: &str = "Hello, world!\n";

#[test]
fn a_connection_is_kept_for_the_next_request() {
    let _alone = alone();
    for example in on_each_mixin("http_hello") {
        let mut client = example.connect();

        client.send(GET).unwrap();
        let answer = Answer::read(&mut client, false);
        assert_eq!((answer.status, &*answer.body), (200, HELLO));
        assert!(answer.header("Date").is_some_and(|date| date.ends_with(" GMT")));

        client.send("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let answer = Answer::read(&mut client, true);
        assert_eq!((answer.status, answer.header("Content-Length")), (200, Some("14")));

        client.send("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nyou").unwrap();
        assert_eq!(Answer::read(&mut client, false).body, "Hello, you!\n");

        client.send("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab").unwrap();
        let answer = Answer::read(&mut client, false);
        assert_eq!((answer.status, answer.header("Allow")), (405, Some("GET, HEAD, POST")));

        client.send("GET /none HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let answer = Answer::read(&mut client, false);
        assert_eq!((answer.status, answer.header("Connection")), (404, Some("close")));
        assert_eq!(client.read_to_end().unwrap(), b"");
        stop_without_errors(example);
    }
}

#[test]
fn an_old_client_is_kept_only_if_it_asks() {
    let _alone = alone();
    for example in on_each_mixin("http_hello") {
        let mut client = example.connect();
        client.send("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").unwrap();
        assert_eq!(Answer::read(&mut client, false).header("Connection"), Some("keep-alive"));
        client.send("GET / HTTP/1.0\n\n").unwrap();
        assert_eq!(Answer::read(&mut client, false).header("Connection"), Some("close"));
        assert_eq!(client.read_to_end().unwrap(), b"");
        stop_without_errors(example);
    }
}

#[test]
fn a_burst_is_answered_in_order_however_it_is_torn() {
    let _alone = alone();
    for example in on_each_mixin("http_hello") {
        let burst: String = (0..50)
            .map(|n| format!("POST /?{n} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{n:02}"))
            .collect();
        // At once; in small pieces; with the empty lines that are to be passed over.
        for (burst, piece) in [(burst.clone(), 1 << 20), (burst.clone(), 7), (burst, 97)] {
            let mut client = example.connect();
            let burst = format!("\r\n\n{burst}");
            for piece in burst.as_bytes().chunks(piece) {
                client.send(piece).unwrap();
            }
            for n in 0..50 {
                let answer = Answer::read(&mut client, false);
                assert_eq!(answer.body, format!("Hello, {n:02}!\n"));
            }
        }
        stop_without_errors(example);
    }
}

#[test]
fn a_client_that_waits_for_a_word_before_it_sends_its_body_gets_it() {
    let _alone = alone();
    for example in on_each_mixin("http_hello") {
        let mut client = example.connect();
        let head =
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n";
        client.send(head).unwrap();
        assert_eq!(Answer::read(&mut client, false).status, 100);
        client.send("x").unwrap();
        assert_eq!(Answer::read(&mut client, false).body, "Hello, x!\n");
        stop_without_errors(example);
    }
}

/// Each gets its answer, whole, and the connection ends; the next client is served.
#[test]
fn wrong_requests_get_the_answer_that_says_what_is_wrong() {
    let _alone = alone();
    for example in on_each_mixin("http_hello") {
        let long = "x".repeat(9000);
        let many = "a: b\r\n".repeat(65);
        let body = "x".repeat(70_000);
        let get = |rest: &str| format!("GET / HTTP/1.1\r\nHost: x\r\n{rest}\r\n\r\n");
        let post = |rest: &str| format!("POST / HTTP/1.1\r\nHost: x\r\n{rest}");
        for (status, request) in [
            (400, "\0\r\n\r\n".to_owned()),
            (400, "GET / HTTP/1.1\r\n\r\n".to_owned()),
            (400, get("Host: y")),
            (400, get("no colon")),
            (400, post("Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx")),
            (400, post("Content-Length: +1\r\n\r\nx")),
            (400, post("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")),
            (413, post(&format!("Content-Length: 70000\r\n\r\n{body}"))),
            (413, post("Content-Length: 99999999999999999999\r\n\r\n")),
            (417, get("Expect: the unexpected")),
            (431, get(&format!("X: {long}"))),
            (431, get(&many)),
            (431, format!("GET /{long} HTTP/1.1\r\n")),
            (501, post("Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n")),
            (505, "GET / HTTP/2.0\r\n\r\n".to_owned()),
            (505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned()),
        ] {
            let shown = &request[..request.len().min(80)];
            let mut client = example.connect();
            client.send(&request).unwrap();
            let answer = Answer::read(&mut client, false);
            assert_eq!(answer.status, status, "{shown}");
            assert_eq!(answer.header("Connection"), Some("close"), "{shown}");
            assert_eq!(client.read_to_end().unwrap(), b"", "{shown}");
        }
        let mut client = example.connect();
        client.send(GET).unwrap();
        assert_eq!(Answer::read(&mut client, false).body, HELLO);
        stop_without_errors(example);
    }
}

#[test]
fn curl_is_answered_on_one_connection() {
    let _alone = alone();
    for example in on_each_mixin("http_hello") {
        let url = &format!("http://{}/", example.address());
        let format = "%{http_code} %{num_connects}\n";
        if let Some(output) = client("curl", &["-sS", "-m", "5", "-w", format, url, url]) {
            assert_eq!(output, format!("{HELLO}200 1\n{HELLO}200 0\n"));
        }
        if let Some(output) = client("curl", &["-sS", "-m", "5", "-d", "curl", url]) {
            assert_eq!(output, "Hello, curl!\n");
        }
        if let Some(output) = client("curl", &["-sS", "-m", "5", "-I", "-w", format, url]) {
            assert!(output.starts_with("HTTP/1.1 200 OK\r\n") && output.ends_with("200 1\n"));
        }
        stop_without_errors(example);
    }
}

#[test]
fn wrk_sees_no_error() {
    let _alone = alone();
    for example in on_each_mixin("http_hello") {
        let url = &format!("http://{}/", example.address());
        if let Some(output) = client("wrk", &["-t1", "-c16", "-d1s", url]) {
            assert!(output.contains("requests in "), "{output}");
            assert!(!output.contains(" 0 requests in"), "{output}");
            assert!(!output.contains("Socket errors") && !output.contains("Non-2xx"), "{output}");
        }
        stop_without_errors(example);
    }
}
