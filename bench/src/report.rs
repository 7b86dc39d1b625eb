//! The report: where it ran, what each request cost, and how that compares.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use crate::plan::{self, SHUTDOWN_TARGET_MS};
use crate::run::{CaseResult, Runs, ShutdownResult};
use crate::statistics::Spread;

/// The Markdown, and how many targets were missed.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) markdown: String,
    pub(crate) missed: usize,
}

impl Report {
    pub(crate) fn new(cases: &[CaseResult], shutdown: &[ShutdownResult]) -> Self {
        let mut report = Self { markdown: String::new(), missed: 0 };
        if !cases.is_empty() {
            report.costs(cases);
            report.ratios(cases);
        }
        if !shutdown.is_empty() {
            report.shutdown(shutdown);
        }
        report
    }

    fn costs(&mut self, cases: &[CaseResult]) {
        self.line("| load | server | CPU µs per request [min..max] | requests per second |");
        self.line("|---|---|---:|---:|");
        for CaseResult { case, servers } in cases {
            for result in servers {
                let cpu = spread(Spread::of(result.cpu_us.iter().copied()), 2);
                let rate = Spread::of(result.per_second.iter().copied());
                let rate = rate.map_or(0.0, |rate| rate.median);
                let title = plan::title(result.server);
                self.line(&format!("| {} | {title} | {cpu} | {rate:.0} |", case.name));
            }
        }
        self.line("");
    }

    fn ratios(&mut self, cases: &[CaseResult]) {
        self.line("| load | CPU time of | over that of | ratio [min..max] | target | |");
        self.line("|---|---|---|---:|---:|---|");
        for CaseResult { case, servers } in cases {
            let cpu = |name| servers.iter().find(|s| s.server == name).map(|s| s.cpu_us.as_slice());
            for comparison in case.comparisons {
                let Some((ours, peer)) = cpu(comparison.ours).zip(cpu(comparison.peer)) else {
                    continue;
                };
                let ratio = Spread::of_pairs(ours, peer);
                let (target, verdict) = match (comparison.target, ratio) {
                    (Some(target), Some(ratio)) => {
                        (format!("≤ {target:.2}"), self.verdict(ratio.median <= target))
                    }
                    _ => (String::new(), ""),
                };
                self.line(&format!(
                    "| {} | {} | {} | {} | {target} | {verdict} |",
                    case.name,
                    plan::title(comparison.ours),
                    plan::title(comparison.peer),
                    spread(ratio, 3),
                ));
            }
        }
        self.line("");
    }

    fn shutdown(&mut self, results: &[ShutdownResult]) {
        self.line("| `shutdown()` of an idle | ms [min..max] | target, for the longest | |");
        self.line("|---|---:|---:|---|");
        for ShutdownResult { server, ms } in results {
            let (target, verdict) = if plan::needs_python(server) {
                (String::new(), "")
            } else {
                let verdict = self.verdict(ms.max < SHUTDOWN_TARGET_MS);
                (format!("< {SHUTDOWN_TARGET_MS}"), verdict)
            };
            let (title, ms) = (plan::title(server), spread(Some(*ms), 3));
            self.line(&format!("| {title} | {ms} | {target} | {verdict} |"));
        }
        self.line("");
    }

    fn verdict(&mut self, is_met: bool) -> &'static str {
        if is_met {
            "met"
        } else {
            self.missed += 1;
            "**missed**"
        }
    }

    fn line(&mut self, line: &str) {
        self.markdown.push_str(line);
        self.markdown.push('\n');
    }
}

/// Where and how: what a reader needs to know before the figures.
pub(crate) fn heading(runs: &Runs<'_>, python: Option<&str>) -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("");
    let model = model.trim_start_matches(['\t', ' ', ':']);
    let processors = cpuinfo.lines().filter(|line| line.starts_with("processor")).count();
    let load = read("/proc/loadavg");
    let date = Command::new("date").args(["-u", "+%Y-%m-%d %H:%M UTC"]).output();
    let date = date.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());

    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "- {}", date.as_deref().unwrap_or("date unknown").trim());
    let _ = writeln!(text, "- Linux {}", read("/proc/sys/kernel/osrelease").trim());
    let _ = writeln!(text, "- {processors} x {model}");
    let _ = match runs.cores.apart() {
        Some((client, server)) => writeln!(
            text,
            "- server on core {server}, clients on core {client}; in the loads named `all`, both \
             on every core"
        ),
        None => writeln!(text, "- server and clients share one core: the rates mean little"),
    };
    let _ = match python {
        Some(version) => writeln!(text, "- CPython {version}"),
        None => writeln!(text, "- **skipped: CPython's servers, there is no python3**"),
    };
    let busy = load.split(' ').next().unwrap_or("?");
    let length = if runs.options.short { ", short" } else { "" };
    let _ = writeln!(text, "- {} repetitions{length}; load average before: {busy}", runs.repeat());
    if cfg!(debug_assertions) {
        let _ = writeln!(text, "- **a debug build: the figures mean nothing**");
    }
    text.push('\n');
    text
}

fn spread(spread: Option<Spread>, digits: usize) -> String {
    spread.map_or_else(String::new, |Spread { median, min, max }| {
        format!("{median:.digits$} [{min:.digits$}..{max:.digits$}]")
    })
}
