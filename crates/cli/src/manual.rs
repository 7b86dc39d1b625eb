//! The manual page, `--help` and the completions, all from the same definitions.

mod sections;

use clap::{Command, CommandFactory};
use clap_complete::aot::{Bash, Fish, Zsh, generate};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use self::sections::{Part, SECTIONS, Section};
use crate::args::{Args, Shell};

/// How wide `--help` is.
const WIDTH: usize = 80;

/// The definitions of the arguments, with the sections that follow them in `--help`.
pub(crate) fn command() -> Command {
    let help: Vec<_> = SECTIONS.iter().map(help).collect();
    Args::command().after_long_help(help.join("\n"))
}

fn help(section: &Section) -> String {
    let mut text = format!("{}:\n", section.title);
    for part in section.parts {
        text += &match part {
            Part::Text(body) => wrap(body, 2),
            Part::Term(term, body) => format!("  {term}\n{}", wrap(body, 10)),
            Part::Example(line) => format!("  {line}\n"),
        };
    }
    text
}

/// Breaks a paragraph into lines that begin with `indent` spaces.
fn wrap(text: &str, indent: usize) -> String {
    let mut wrapped = String::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && indent + line.len() + 1 + word.len() > WIDTH {
            wrapped += &format!("{:indent$}{line}\n", "");
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line += word;
    }
    wrapped + &format!("{:indent$}{line}\n", "")
}

/// The manual page, to be read by `man -l`.
pub(crate) fn page() -> Vec<u8> {
    let man = Man::new(Args::command());
    // Without a date, so that the same sources make the same page.
    let title = concat!(
        ".TH SOCKETSERVER 1 \"\" \"socketserver ",
        env!("CARGO_PKG_VERSION"),
        "\" \"User Commands\"\n"
    );
    let mut page = title.as_bytes().to_vec();
    // Writing to memory does not fail.
    let _ = man.render_name_section(&mut page);
    let _ = synopsis().to_writer(&mut page);
    let _ = man.render_description_section(&mut page);
    let _ = man.render_options_section(&mut page);
    for section in SECTIONS {
        let _ = roff(section).to_writer(&mut page);
    }
    let _ = man.render_version_section(&mut page);
    page
}

/// The forms of the command, which depend on each other in ways that options alone do not tell.
fn synopsis() -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["SYNOPSIS"]);
    for form in ["--echo", "--protocol NAME", "-- PROGRAM [ARG]..."] {
        roff.text([bold("socketserver"), roman(format!(" [OPTIONS] ENDPOINT... {form}"))]);
        roff.control("br", []);
    }
    roff
}

fn roff(section: &Section) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", [section.title]);
    for part in section.parts {
        match part {
            Part::Text(body) => roff.control("PP", []).text([roman(*body)]),
            Part::Term(term, body) => {
                roff.control("TP", []).text([bold(*term)]).text([roman(*body)])
            }
            Part::Example(line) => roff.control("PP", []).text([bold(*line)]),
        };
    }
    roff
}

/// The completions for a shell.
pub(crate) fn completions(shell: Shell) -> Vec<u8> {
    let mut command = Args::command();
    let mut script = Vec::new();
    let name = "socketserver";
    match shell {
        Shell::Bash => generate(Bash, &mut command, name, &mut script),
        Shell::Zsh => generate(Zsh, &mut command, name, &mut script),
        Shell::Fish => generate(Fish, &mut command, name, &mut script),
    }
    script
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::{command, page};
    use crate::args::Args;

    #[test]
    fn help_and_page_know_every_option_and_every_section() {
        let help = command().render_long_help().to_string();
        let page = String::from_utf8(page()).unwrap().replace("\\-", "-");
        for text in [&help, &page] {
            for argument in Args::command().get_arguments() {
                if let Some(long) = argument.get_long() {
                    assert!(text.contains(&format!("--{long}")), "{long}");
                }
            }
            for section in super::SECTIONS {
                assert!(text.contains(section.title), "{}", section.title);
            }
        }
    }
}
