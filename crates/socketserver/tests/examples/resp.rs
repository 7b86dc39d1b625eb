//! `resp`: what Redis's own clients need, and the bounds of it.

use testkit::{Client, alone, eventually};

use crate::running::{Example, client, on_each_mixin, stop_without_errors};

/// A client that sends commands as the protocol has them, and shows replies as lines.
struct Redis(Client);

impl Redis {
    fn of(example: &Example) -> Self {
        Self(example.connect())
    }

    fn send(&mut self, command: &str) {
        self.0.send(encode(command)).unwrap();
    }

    /// One reply: `+OK`, `:1`, `hello`, `nil`, `[a, b]`.
    #[track_caller]
    fn reply(&mut self) -> String {
        let line = self.0.read_line().unwrap();
        let line = line.strip_suffix("\r\n").expect("a whole line");
        match line.split_at(1) {
            ("$", "-1") => "nil".into(),
            ("$", length) => {
                let bulk = self.0.read_line().unwrap();
                let bulk = bulk.strip_suffix("\r\n").unwrap();
                assert_eq!(bulk.len(), length.parse().unwrap());
                bulk.into()
            }
            ("*", count) => {
                let replies: Vec<_> =
                    (0..count.parse().unwrap()).map(|_: usize| self.reply()).collect();
                format!("[{}]", replies.join(", "))
            }
            _ => line.to_owned(),
        }
    }

    #[track_caller]
    fn does(&mut self, command: &str, expected: &str) {
        self.send(command);
        assert_eq!(self.reply(), expected, "{command}");
    }
}

fn encode(command: &str) -> String {
    let words: Vec<_> = command.split(' ').collect();
    let bulks = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len()));
    format!("*{}\r\n{}", words.len(), bulks.collect::<String>())
}

#[test]
fn commands_do_what_they_do_in_redis() {
    let _alone = alone();
    for example in on_each_mixin("resp") {
        let mut redis = Redis::of(&example);
        let integer = "-ERR value is not an integer or out of range";
        let arity = |name| format!("-ERR wrong number of arguments for '{name}' command");
        for (command, expected) in [
            ("PING", "+PONG"),
            ("ping hello", "hello"),
            ("ECHO hello", "hello"),
            ("GET a", "nil"),
            ("SET a 1", "+OK"),
            ("GET a", "1"),
            ("SET a 2 NX", "nil"),
            ("SET b 2 XX", "nil"),
            ("SET b 2 NX XX", "-ERR syntax error"),
            ("SET b 2 EX", "-ERR syntax error"),
            ("SET b 2 EX 1 PX 1", "-ERR syntax error"),
            ("SET b 2 EX 0", "-ERR invalid expire time in 'set' command"),
            ("SET b 2 EX soon", integer),
            ("set b 2 nx ex 100", "+OK"),
            ("TTL b", ":100"),
            ("TTL a", ":-1"),
            ("TTL c", ":-2"),
            ("MGET a b c", "[1, 2, nil]"),
            ("EXISTS a b c a", ":3"),
            ("INCR b", ":3"),
            ("TTL b", ":100"),
            ("INCRBY c -5", ":-5"),
            ("DECR c", ":-6"),
            ("SET d 9223372036854775807", "+OK"),
            ("INCR d", "-ERR increment or decrement would overflow"),
            ("SET d x", "+OK"),
            ("INCR d", integer),
            ("MSET e 1 f 2", "+OK"),
            ("MSET e", &arity("mset")),
            ("DBSIZE", ":6"),
            ("EXPIRE e 0", ":1"),
            ("EXPIRE e 10", ":0"),
            ("EXPIRE f 10", ":1"),
            ("EXPIRE f 9223372036854775807", "-ERR invalid expire time in 'expire' command"),
            ("TTL f", ":10"),
            ("SET f 3", "+OK"),
            ("TTL f", ":-1"),
            ("DEL a b none", ":2"),
            ("CONFIG GET save", "[save, ]"),
            ("COMMAND", "[]"),
            ("GET", &arity("get")),
            ("SHAVE yak", "-ERR unknown command 'SHAVE'"),
            ("FLUSHALL", "+OK"),
            ("DBSIZE", ":0"),
            ("QUIT", "+OK"),
        ] {
            redis.does(command, expected);
        }
        assert_eq!(redis.0.read_to_end().unwrap(), b"");
        stop_without_errors(example);
    }
}

#[test]
fn a_key_ends_when_its_time_is_over() {
    let _alone = alone();
    for example in on_each_mixin("resp") {
        let mut redis = Redis::of(&example);
        redis.does("SET a 1 PX 50", "+OK");
        redis.does("SET b 1", "+OK");
        redis.does("PEXPIRE b 50", ":1");
        eventually("both have ended", || {
            redis.send("EXISTS a b");
            redis.reply() == ":0"
        });
        // A key that is there again does not end with the one that was there before.
        redis.does("SET a 2", "+OK");
        redis.does("TTL a", ":-1");
        stop_without_errors(example);
    }
}

#[test]
fn a_burst_is_answered_in_order_however_it_is_torn() {
    let _alone = alone();
    for example in on_each_mixin("resp") {
        for piece in [1 << 20, 5, 61] {
            let mut redis = Redis::of(&example);
            redis.does("SET n 0", "+OK");
            let burst = encode("INCR n").repeat(200) + "incr n\r\n\r\n  get   n \n";
            for piece in burst.as_bytes().chunks(piece) {
                redis.0.send(piece).unwrap();
            }
            for n in 1..=201 {
                assert_eq!(redis.reply(), format!(":{n}"));
            }
            assert_eq!(redis.reply(), "201");
        }
        stop_without_errors(example);
    }
}

#[test]
fn bytes_of_all_kinds_are_kept_as_they_are() {
    let _alone = alone();
    for example in on_each_mixin("resp") {
        let value: Vec<u8> = (0..=255).cycle().take(300_000).collect();
        let mut set = b"*3\r\n$3\r\nSET\r\n$2\r\n\r\n\r\n$300000\r\n".to_vec();
        set.extend_from_slice(&value);
        set.extend_from_slice(b"\r\n*2\r\n$3\r\nGET\r\n$2\r\n\r\n\r\n");
        let reply = example.connect().exchange(set).unwrap();
        let reply = reply.strip_prefix(b"+OK\r\n$300000\r\n").unwrap();
        assert!(reply.strip_suffix(b"\r\n") == Some(&value));
        stop_without_errors(example);
    }
}

/// Whoever does not speak the protocol is told, and has to go; nothing is taken that was only
/// announced.
#[test]
fn what_is_out_of_bounds_is_refused() {
    let _alone = alone();
    for example in on_each_mixin("resp") {
        let line = "x".repeat(70_000);
        for (request, expected) in [
            ("*x\r\n", "invalid multibulk length"),
            ("*1025\r\n", "invalid multibulk length"),
            ("*1\r\nPING\r\n", "expected '$'"),
            ("*1\r\n$-1\r\n", "invalid bulk length"),
            ("*1\r\n$+4\r\nPING\r\n", "invalid bulk length"),
            ("*1\r\n$1048577\r\n", "invalid bulk length"),
            ("*1\r\n$3\r\nPING\r\n", "expected an end of line after a word"),
            (&line, "too big inline request"),
        ] {
            let reply = example.connect().exchange(request).unwrap();
            let reply = String::from_utf8(reply).unwrap();
            assert_eq!(reply, format!("-ERR Protocol error: {expected}\r\n"));
        }
        // Nothing to do, and nothing wrong; then one that goes away in the middle.
        for request in ["*0\r\n*-1\r\n\r\n", "*2\r\n$4\r\nEC", "*2\r\n$4\r\nECHO\r\n", "PING"] {
            assert_eq!(example.connect().exchange(request).unwrap(), b"");
        }
        // An error is one line, whatever is in it.
        let reply = example.connect().exchange("*1\r\n$5\r\na\r\nb\n\r\n").unwrap();
        assert_eq!(reply, b"-ERR unknown command 'a\\r\\nb\\n'\r\n");
        stop_without_errors(example);
    }
}

#[test]
fn redis_cli_sets_and_gets() {
    let _alone = alone();
    for example in on_each_mixin("resp") {
        let port = &example.address().port().to_string();
        for (command, expected) in [
            (&["SET", "greeting", "hello, world", "EX", "60"][..], "OK\n"),
            (&["GET", "greeting"], "hello, world\n"),
            (&["TTL", "greeting"], "60\n"),
            (&["MGET", "greeting", "none"], "hello, world\n\n"),
            (&["INCR", "visits"], "1\n"),
        ] {
            let arguments = [&["-p", port], command].concat();
            let Some(output) = client("redis-cli", &arguments) else { break };
            assert_eq!(output, expected, "{command:?}");
        }
        stop_without_errors(example);
    }
}

#[test]
fn redis_benchmark_sees_no_error() {
    let _alone = alone();
    for example in on_each_mixin("resp") {
        let port = &example.address().port().to_string();
        for depth in ["1", "16"] {
            let arguments =
                ["-p", port, "-q", "-t", "ping,set,get,incr,mset", "-n", "2000", "-P", depth];
            let Some(output) = client("redis-benchmark", &arguments) else { break };
            // PING is measured in both of its forms.
            assert_eq!(output.matches(" requests per second").count(), 6, "{output}");
            assert!(!output.contains("rror"), "{output}");
        }
        stop_without_errors(example);
    }
}
