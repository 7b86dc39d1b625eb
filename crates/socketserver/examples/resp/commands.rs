//! What each command does.

use std::sync::MutexGuard;
use std::time::{Duration, Instant};

use crate::protocol::{Reply, parse};
use crate::store::{Full, Store, Table, end_after};

/// Runs one command. `words` has at least one word, the command's name.
pub(crate) fn run(store: &Store, words: &[Vec<u8>]) -> Reply {
    let (name, arguments) = (words[0].to_ascii_uppercase(), &words[1..]);
    let table = || store.table();
    match (&*name, arguments) {
        (b"PING", []) => Reply::Simple("PONG"),
        (b"PING" | b"ECHO", [text]) => Reply::bulk(text),

        (b"GET", [key]) => table().get(key).map_or(Reply::Null, Reply::Bulk),
        (b"SET", [key, value, options @ ..]) => set(&mut table(), key, value, options),
        (b"DEL", [_, ..]) => count(table(), arguments, Table::remove),
        (b"EXISTS", [_, ..]) => count(table(), arguments, Table::contains),
        (b"INCR", [key]) => add(&mut table(), key, 1),
        (b"DECR", [key]) => add(&mut table(), key, -1),
        (b"INCRBY", [key, by]) => match parse(by) {
            Some(by) => add(&mut table(), key, by),
            None => not_an_integer(),
        },
        (b"MGET", [_, ..]) => {
            let mut table = table();
            let value = |key: &Vec<u8>| table.get(key).map_or(Reply::Null, Reply::Bulk);
            Reply::Array(arguments.iter().map(value).collect())
        }
        (b"MSET", [_, ..]) if arguments.len().is_multiple_of(2) => {
            let mut table = table();
            for pair in arguments.chunks_exact(2) {
                if let Err(Full) = table.set(&pair[0], pair[1].as_slice().into(), None) {
                    return full();
                }
            }
            Reply::OK
        }

        (b"EXPIRE", [key, time]) => expire(&mut table(), key, time, Duration::from_secs),
        (b"PEXPIRE", [key, time]) => expire(&mut table(), key, time, Duration::from_millis),
        (b"TTL", [key]) => time_left(&mut table(), key, 1000),
        (b"PTTL", [key]) => time_left(&mut table(), key, 1),

        (b"DBSIZE", []) => integer(table().len()),
        (b"FLUSHALL" | b"FLUSHDB", _) => {
            table().clear();
            Reply::OK
        }
        (b"SELECT", [index]) if index == b"0" => Reply::OK,
        (b"SELECT", [_]) => Reply::Error("ERR DB index is out of range".into()),
        (b"INFO", _) => info(&mut table()),
        (b"CONFIG", [get, parameters @ ..]) if get.eq_ignore_ascii_case(b"GET") => {
            config_get(parameters)
        }
        // A client asks for what to show while one types; it has to do without.
        (b"COMMAND", _) => Reply::Array(Vec::new()),

        (name, _) if KNOWN.contains(&name) => Reply::Error(format!(
            "ERR wrong number of arguments for '{}' command",
            name.to_ascii_lowercase().escape_ascii()
        )),
        _ => {
            let shown = &words[0][..words[0].len().min(64)];
            Reply::Error(format!("ERR unknown command '{}'", shown.escape_ascii()))
        }
    }
}

/// The commands that want a certain number of arguments.
const KNOWN: [&[u8]; 18] = [
    b"PING", b"ECHO", b"GET", b"SET", b"DEL", b"EXISTS", b"INCR", b"DECR", b"INCRBY", b"MGET",
    b"MSET", b"EXPIRE", b"PEXPIRE", b"TTL", b"PTTL", b"DBSIZE", b"SELECT", b"CONFIG",
];

/// `SET key value [NX | XX] [EX seconds | PX milliseconds]`
fn set(table: &mut Table, key: &[u8], value: &[u8], options: &[Vec<u8>]) -> Reply {
    let mut only_if_there = None;
    let mut end = None;
    let mut options = options.iter();
    while let Some(option) = options.next() {
        match (&*option.to_ascii_uppercase(), only_if_there, end) {
            (b"NX", None | Some(false), _) => only_if_there = Some(false),
            (b"XX", None | Some(true), _) => only_if_there = Some(true),
            (unit @ (b"EX" | b"PX"), _, None) => {
                let Some(time) = options.next() else { return syntax_error() };
                let time = match parse(time) {
                    Some(time) => u64::try_from(time).ok().filter(|&time| time > 0),
                    None => return not_an_integer(),
                };
                let unit = if unit == b"EX" { Duration::from_secs } else { Duration::from_millis };
                let Some(time) = time.map(unit).and_then(end_after) else {
                    return Reply::Error("ERR invalid expire time in 'set' command".into());
                };
                end = Some(time);
            }
            _ => return syntax_error(),
        }
    }
    if only_if_there.is_some_and(|there| there != table.contains(key)) {
        return Reply::Null;
    }
    match table.set(key, value.into(), end) {
        Ok(()) => Reply::OK,
        Err(Full) => full(),
    }
}

/// Adds to the number that a key has for its value; a key that is not there has 0.
fn add(table: &mut Table, key: &[u8], by: i64) -> Reply {
    let Some(number) = table.get(key).map_or(Some(0), |value| parse(&value)) else {
        return not_an_integer();
    };
    let Some(sum) = number.checked_add(by) else {
        return Reply::Error("ERR increment or decrement would overflow".into());
    };
    let end = table.end(key).flatten();
    match table.set(key, sum.to_string().as_bytes().into(), end) {
        Ok(()) => Reply::Integer(sum),
        Err(Full) => full(),
    }
}

fn expire(table: &mut Table, key: &[u8], time: &[u8], unit: fn(u64) -> Duration) -> Reply {
    let Some(time) = parse(time) else { return not_an_integer() };
    let is_there = match u64::try_from(time) {
        Ok(time) if time > 0 => match end_after(unit(time)) {
            Some(end) => table.set_end(key, end),
            None => return Reply::Error("ERR invalid expire time in 'expire' command".into()),
        },
        // It has ended already.
        _ => table.remove(key),
    };
    Reply::Integer(is_there.into())
}

/// -2 for a key that is not there, -1 for one that does not end.
fn time_left(table: &mut Table, key: &[u8], milliseconds: u128) -> Reply {
    let left = match table.end(key) {
        None => return Reply::Integer(-2),
        Some(None) => return Reply::Integer(-1),
        Some(Some(end)) => end.saturating_duration_since(Instant::now()),
    };
    let left = (left.as_millis() + milliseconds / 2) / milliseconds;
    Reply::Integer(left.try_into().unwrap_or(i64::MAX))
}

fn count(
    mut table: MutexGuard<'_, Table>,
    keys: &[Vec<u8>],
    test: impl Fn(&mut Table, &[u8]) -> bool,
) -> Reply {
    integer(keys.iter().filter(|key| test(&mut table, key)).count())
}

fn integer(number: usize) -> Reply {
    Reply::Integer(number.try_into().unwrap_or(i64::MAX))
}

fn info(table: &mut Table) -> Reply {
    let (version, process) = (env!("CARGO_PKG_VERSION"), std::process::id());
    let (keys, used) = (table.len(), table.used());
    Reply::bulk(format!(
        "# Server\r\nsocketserver_version:{version}\r\nprocess_id:{process}\r\n\r\n\
         # Memory\r\nused_memory:{used}\r\n\r\n\
         # Keyspace\r\ndb0:keys={keys}\r\n"
    ))
}

/// What `redis-benchmark` asks before it begins: whether it measures a disk.
fn config_get(parameters: &[Vec<u8>]) -> Reply {
    let known: [(&str, &str); 2] = [("save", ""), ("appendonly", "no")];
    let asked = known
        .iter()
        .filter(|(name, _)| parameters.iter().any(|p| p.eq_ignore_ascii_case(name.as_bytes())));
    Reply::Array(asked.flat_map(|(name, value)| [name, value].map(Reply::bulk)).collect())
}

fn syntax_error() -> Reply {
    Reply::Error("ERR syntax error".into())
}

fn not_an_integer() -> Reply {
    Reply::Error("ERR value is not an integer or out of range".into())
}

fn full() -> Reply {
    Reply::Error("OOM the store is full".into())
}
