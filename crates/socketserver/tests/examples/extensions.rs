//! The programs that extend the library from outside.

use testkit::{Client, alone, eventually};

use crate::running::{Example, stop_without_errors};

fn table(example: &Example) -> String {
    String::from_utf8(example.connect().exchange("list\n").unwrap()).unwrap()
}

/// Requests that are not sockets at all: threads, hooks and shutting down are there all the same.
#[test]
fn job_table_does_the_jobs_and_tells_which_failed() {
    let _alone = alone();
    let example = Example::on_port_0("job_table");
    let reply = example.connect().exchange("add 600851475143\nadd twelve\nadd 1\nsit\n").unwrap();
    assert_eq!(reply, b"job 1\njob 2\njob 3\nsay `add NUMBER` or `list`\n");
    let expected = "1: 600851475143 = 71 x 839 x 1471 x 6857\n\
                    2: twelve failed: invalid digit found in string\n\
                    3: 1 failed: only numbers from 2 up to 15 digits are factored\n";
    eventually("all jobs are done", || table(&example) == expected);
    let output = stop_without_errors(example);
    assert!(output.ends_with(expected), "{output}");
}

/// More jobs than threads: those that wait stay in the table.
#[test]
fn job_table_does_more_jobs_than_it_has_threads_for() {
    let _alone = alone();
    let example = Example::on_port_0("job_table");
    let jobs: String = (0..50).map(|n| format!("add {}\n", 1_000_003 * (n + 2))).collect();
    example.connect().exchange(jobs).unwrap();
    eventually("all jobs are done", || table(&example).matches(" = ").count() == 50);
    stop_without_errors(example);
}

fn greeted(mut client: Client) -> Client {
    assert_eq!(client.read_line().unwrap(), "worker 1\n");
    client
}

/// One worker and a queue of one: the third client waits in the kernel's queue.
#[test]
fn own_mixin_serves_those_who_wait_in_turn() {
    let _alone = alone();
    let example = Example::start("own_mixin", &["127.0.0.1:0", "1", "1"]);
    let first = greeted(example.connect());
    let waiting: Vec<_> = (0..5)
        .map(|n| {
            let mut client = example.connect();
            client.send(format!("{n}\n")).unwrap();
            client
        })
        .collect();
    assert_eq!(first.exchange("first\n").unwrap(), b"first\n");
    for (n, client) in waiting.into_iter().enumerate() {
        assert_eq!(greeted(client).exchange("").unwrap(), format!("{n}\n").into_bytes());
    }
    stop_without_errors(example);
}

#[test]
fn own_mixin_stops_with_its_queue_full() {
    let _alone = alone();
    let example = Example::start("own_mixin", &["127.0.0.1:0", "1", "1"]);
    let first = greeted(example.connect());
    let mut waiting: Vec<_> = (0..3).map(|_| example.connect()).collect();
    let output = stop_without_errors(example);
    assert!(!output.contains("worker"), "{output}");
    assert_eq!(first.exchange("").unwrap_or_default(), b"");
    for client in &mut waiting {
        // The one in the queue was cut before it was run, or ran when the first was cut.
        let reply = client.read_to_end().unwrap_or_default();
        assert!(reply.is_empty() || reply == b"worker 1\n", "{}", reply.escape_ascii());
    }
}

#[test]
fn own_mixin_refuses_to_have_no_worker() {
    let _alone = alone();
    let mut command = crate::running::command("own_mixin", &["127.0.0.1:0", "0"]);
    let (status, output) = testkit::Process::start(&mut command).unwrap().wait();
    assert_eq!(status.code(), Some(1));
    assert!(output.contains("without workers"), "{output}");
}

/// Two methods of a transport overridden, and the rest as it was.
#[test]
fn own_transport_sees_requests_come_and_go() {
    let _alone = alone();
    let mut example = Example::on_port_0("own_transport");
    for _ in 0..2 {
        assert_eq!(example.connect().exchange("hello").unwrap(), b"hello");
    }
    example.eventually_writes(" came, as number 2\n");
    let output = stop_without_errors(example);
    assert_eq!(output.matches("one went, ").count(), 2, "{output}");
    assert!(output.ends_with("2 came in all\n"), "{output}");
}
