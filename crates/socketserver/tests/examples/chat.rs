//! `chat`: what one says, the others hear.

use std::path::Path;

use testkit::{Client, Connect, alone, socket_path};

use crate::running::{Example, MIXINS, on_each_mixin, stop_without_errors};

struct Person(Client);

impl Person {
    fn enter(mut client: Client, name: &str) -> Self {
        client.send(format!("{name}\n")).unwrap();
        let mut person = Self(client);
        person.hears("* who are you?");
        person.hears(&format!("* {name} is here"));
        person
    }

    fn says(&mut self, text: &str) {
        self.0.send(format!("{text}\n")).unwrap();
    }

    #[track_caller]
    fn hears(&mut self, text: &str) {
        assert_eq!(self.0.read_line().unwrap().trim_end(), text);
    }
}

fn by_unix(path: &Path) -> Client {
    Connect::Unix(path.to_path_buf()).connect().unwrap()
}

#[test]
fn members_of_one_room_hear_each_other_through_two_servers() {
    let _alone = alone();
    for mixin in MIXINS {
        let path = socket_path();
        let mut example = Example::start("chat", &["127.0.0.1:0", mixin, path.to_str().unwrap()]);
        example.eventually_writes("/s\n");

        let mut ann = Person::enter(example.connect(), "ann");
        let mut bob = Person::enter(by_unix(&path), "bob");
        ann.hears("* bob is here");
        ann.says("hello, bob\u{1b}[31m");
        bob.hears("ann: hello, bob[31m");
        bob.says("/who");
        bob.hears("* here: ann, bob");
        bob.says("/quit");
        ann.hears("* bob has left");
        assert_eq!(bob.0.read_to_end().unwrap(), b"");

        // Closing sends home who is still there.
        example.terminate();
        ann.hears("* the room closes");
        assert_eq!(ann.0.read_to_end().unwrap(), b"");
        let output = example.wait();
        assert!(!output.contains("Exception occurred"), "{output}");
        assert!(path.left().is_empty());
    }
}

#[test]
fn a_name_is_had_by_one_at_a_time() {
    let _alone = alone();
    for example in on_each_mixin("chat") {
        let ann = Person::enter(example.connect(), "ann");
        for name in ["ann", "", "a b", &"x".repeat(21)] {
            let reply = example.connect().exchange(format!("{name}\n")).unwrap();
            let reply = String::from_utf8(reply).unwrap();
            assert!(reply.ends_with("cannot be your name, or it is taken\n"), "{name:?}: {reply}");
        }
        let mut bob = Person::enter(example.connect(), "bob");
        drop(ann);
        bob.hears("* ann has left");
        drop(Person::enter(example.connect(), "ann"));
        stop_without_errors(example);
    }
}

/// Everybody else is served while one does not read; and that one has to go.
#[test]
fn one_who_never_reads_does_not_hold_up_the_room() {
    let _alone = alone();
    for mixin in MIXINS {
        let path = socket_path();
        let mut example = Example::start("chat", &["127.0.0.1:0", mixin, path.to_str().unwrap()]);
        example.eventually_writes("/s\n");
        let mut ann = Person::enter(example.connect(), "ann");
        let deaf = Person::enter(by_unix(&path), "carl");
        ann.hears("* carl is here");
        // More than the socket and the outbox hold.
        let line = "x".repeat(990);
        for _ in 0..2000 {
            ann.says(&line);
        }
        ann.hears("* carl has left");
        ann.says("/who");
        ann.hears("* here: ann");
        drop(deaf);
        stop_without_errors(example);
    }
}
