//! The report: where it ran, what each request cost, and how that compares.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use crate::cpu::Cores;
use crate::plan::{Comparison, Target};
use crate::roster::Roster;
use crate::run::{CaseResult, IdleResult, PARKED, ParkedResult, Results, Runs, ShutdownResult};
use crate::serve::scripts::output;
use crate::servers::{is_ours, title};
use crate::statistics::Spread;

/// The Markdown, and how many targets were missed.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) markdown: String,
    pub(crate) missed: usize,
}

impl Report {
    /// With `plots`, each section shows the plot of its name. With `chosen`, only some servers were
    /// to take part, and the targets of the others are left out.
    pub(crate) fn new(results: &Results, plots: bool, chosen: bool) -> Self {
        let mut report = Self { markdown: String::new(), missed: 0 };
        let has_loop = |case: &CaseResult| case.servers.iter().any(|s| s.server == "epoll-loop");
        if plots && results.cases.iter().any(has_loop) {
            report.line("![All loads at a glance](plots/overview.svg)\n");
        }
        report.ratios(&results.cases, chosen);
        for result in results.cases.iter().filter(|result| !result.servers.is_empty()) {
            report.section(result.title, result.name, plots);
            report.costs(result);
        }
        for result in results.idle.iter().filter(|result| !result.servers.is_empty()) {
            let heading = format!("{} silent connections", result.connections);
            report.section(&heading, result.idle.name, plots);
            report.idle(result);
        }
        for result in &results.shutdown {
            report.shutdown(result);
        }
        if let Some(result) = &results.parked {
            report.parked(result);
        }
        if !results.failures.is_empty() {
            report.line("## Failures\n");
            for failure in &results.failures {
                report.line(&format!("- **{}**", failure.replace('\n', " ")));
            }
            report.line("");
        }
        report
    }

    fn section(&mut self, heading: &str, name: &str, plots: bool) {
        self.line(&format!("## {heading} (`{name}`)\n"));
        if plots {
            self.line(&format!("![{heading}](plots/{name}.svg)\n"));
        }
    }

    fn costs(&mut self, CaseResult { servers, .. }: &CaseResult) {
        self.line(
            "| server | CPU µs per request [min..max] | requests per second | p50 µs | p99 µs \
             | p99.9 µs | RSS MB |",
        );
        self.line("|---|---:|---:|---:|---:|---:|---:|");
        for result in servers {
            let cpu = spread(Spread::of(result.cpu_us.iter().copied()), 2);
            self.line(&format!(
                "| {} | {cpu} | {} | {} | {} | {} | {} |",
                name(result.server),
                middle(&result.per_second, 0),
                middle(&result.p50, 0),
                middle(&result.p99, 0),
                middle(&result.p999, 0),
                middle(&result.resident_mb, 1),
            ));
        }
        self.line("");
    }

    fn ratios(&mut self, cases: &[CaseResult], chosen: bool) {
        let mut lines = Vec::new();
        for CaseResult { name, comparisons, servers, .. } in cases {
            let cpu =
                |name: &str| servers.iter().find(|s| s.server == name).map(|s| s.cpu_us.as_slice());
            for Comparison { ours, peer, target } in *comparisons {
                let figure = match peer {
                    Some(peer) => cpu(ours)
                        .zip(cpu(peer))
                        .and_then(|(ours, peer)| Spread::of_pairs(ours, peer)),
                    None => cpu(ours).and_then(|ours| Spread::of(ours.iter().copied())),
                };
                if figure.is_none() && chosen {
                    continue;
                }
                let unit = if peer.is_some() { "" } else { " µs" };
                let (target, verdict) =
                    self.judge(*target, figure.map(|figure| figure.median), unit);
                if figure.is_none() && verdict.is_empty() {
                    continue;
                }
                lines.push(format!(
                    "| {} | {} | {} | {}{unit} | {target} | {verdict} |",
                    name,
                    title(ours),
                    peer.map_or("", title),
                    spread(figure, 3),
                ));
            }
        }
        if !lines.is_empty() {
            self.line("## What is compared\n");
            self.line("| load | CPU time of | over that of | ratio [min..max] | target | |");
            self.line("|---|---|---|---:|---:|---|");
            for line in lines {
                self.line(&line);
            }
            self.line("");
        }
    }

    fn idle(&mut self, IdleResult { idle, servers, .. }: &IdleResult) {
        self.line(
            "| server | bytes of user memory per connection | the same, at rest | processes \
             | RSS MB, at rest | target | |",
        );
        self.line("|---|---:|---:|---:|---:|---:|---|");
        for result in servers {
            let target = idle.targets.iter().find(|(name, _)| *name == result.server);
            let target = target.map(|&(_, bytes)| Target::AtMost(bytes));
            let (target, verdict) = self.judge(target, Some(result.at_rest), "");
            self.line(&format!(
                "| {} | {:.0} | {:.0} | {} | {:.0} | {target} | {verdict} |",
                name(result.server),
                result.served,
                result.at_rest,
                result.processes,
                result.resident as f64 / 1e6,
            ));
        }
        self.line("");
    }

    fn shutdown(&mut self, ShutdownResult { shutdown, servers }: &ShutdownResult) {
        let connections = match shutdown.connections {
            0 => "none connected".to_owned(),
            count => format!("{count} silent connections"),
        };
        self.line(&format!("## Shutdown, {connections} (`{}`)\n", shutdown.name));
        self.line(
            "| server | `shutdown()`, ms [min..max] | `server_close` after it, ms [min..max] \
             | target for the longest `shutdown()` | |",
        );
        self.line("|---|---:|---:|---:|---|");
        for times in servers {
            let target = is_ours(times.server).then_some(Target::Below(shutdown.target_ms));
            let (target, verdict) = self.judge(target, Some(times.shutdown.max), " ms");
            self.line(&format!(
                "| {} | {} | {} | {target} | {verdict} |",
                name(times.server),
                spread(Some(times.shutdown), 3),
                spread(times.close, 3),
            ));
        }
        self.line("");
    }

    fn parked(&mut self, result: &ParkedResult) {
        let ParkedResult { wanted, parked, woken, began_in, each } = result;
        self.line(&format!("## {wanted} coroutines in one process (`{PARKED}`)\n"));
        let is_met = parked == wanted && woken == wanted;
        self.missed += usize::from(!is_met);
        let verdict = if is_met { "met" } else { "**missed**" };
        self.line(&format!(
            "{parked} were parked on timers at once, {woken} woke up: {verdict}. \
             All had begun after {:.2} s. Each took {each:.0} bytes of user memory.\n",
            began_in.as_secs_f64(),
        ));
    }

    /// How a target is written, and whether this figure meets it; a missing one does not.
    fn judge(
        &mut self,
        target: Option<Target>,
        figure: Option<f64>,
        unit: &str,
    ) -> (String, &'static str) {
        let Some(target) = target else { return (String::new(), "") };
        let is_met = figure.is_some_and(|figure| target.is_met_by(figure));
        self.missed += usize::from(!is_met);
        (format!("{target}{unit}"), if is_met { "met" } else { "**missed**" })
    }

    fn line(&mut self, line: &str) {
        self.markdown.push_str(line);
        self.markdown.push('\n');
    }
}

/// Where and how: what a reader needs to know before the figures.
pub(crate) fn heading(runs: &Runs<'_>) -> String {
    let busy = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let busy = busy.split(' ').next().unwrap_or("?");
    let length = if runs.options.short { ", short" } else { "" };
    machine(runs.cores, runs.roster)
        + &format!("- {} repetitions{length}; load average before: {busy}\n\n", runs.repeat())
}

/// Date, machine and versions, as a list.
pub(crate) fn machine(cores: &Cores, roster: &Roster) -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("");
    let model = model.trim_start_matches(['\t', ' ', ':']);
    let processors = cpuinfo.lines().filter(|line| line.starts_with("processor")).count();
    let date = output(Command::new("date").args(["-u", "+%Y-%m-%d %H:%M UTC"]));

    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "- {}", date.as_deref().unwrap_or("date unknown"));
    let _ = writeln!(text, "- Linux {}", read("/proc/sys/kernel/osrelease").trim());
    let _ = writeln!(text, "- {processors} x {model}");
    let _ = match cores.apart() {
        Some((client, server)) => writeln!(
            text,
            "- server on core {server}, clients on core {client}; in the loads named `all`, both \
             on every core; in those named `workers`, {}",
            if cores.has_more_than_two() {
                "the server on two cores, the clients on the others"
            } else {
                "both on both cores"
            }
        ),
        None => writeln!(text, "- server and clients share one core: the rates mean little"),
    };
    let rust = output(Command::new("rustc").arg("-V"));
    let _ = writeln!(text, "- {}", rust.as_deref().unwrap_or("rustc unknown"));
    let _ = write!(text, "{roster}");
    if cfg!(debug_assertions) {
        let _ = writeln!(text, "- **a debug build: the figures mean nothing**");
    }
    text
}

/// What the report calls a server; ours stand out.
pub(crate) fn name(server: &str) -> String {
    if is_ours(server) { format!("**{}**", title(server)) } else { title(server).to_owned() }
}

fn middle(values: &[f64], digits: usize) -> String {
    Spread::of(values.iter().copied())
        .map_or_else(String::new, |spread| format!("{:.digits$}", spread.median))
}

pub(crate) fn spread(spread: Option<Spread>, digits: usize) -> String {
    spread.map_or_else(String::new, |Spread { median, min, max }| {
        format!("{median:.digits$} [{min:.digits$}..{max:.digits$}]")
    })
}
