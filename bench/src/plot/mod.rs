//! Charts as SVG, for light and for dark pages.

mod overview;

use std::fmt::Write as _;

pub(crate) use self::overview::{Row, overview};
use crate::statistics::Spread;

/// One bar.
#[derive(Clone, Debug)]
pub(crate) struct Bar {
    pub(crate) label: String,
    pub(crate) value: Spread,
    pub(crate) kind: Kind,
}

/// Whose bar it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Ours,
    /// What can be reached by hand; others are measured against the first of these.
    Limit,
    Peer,
}

impl Kind {
    fn class(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Limit => "limit",
            Self::Peer => "peer",
        }
    }
}

const WIDTH: f64 = 760.0;
/// Where the bars begin, and where the longest ends: what is left is for its figure.
const LEFT: f64 = 256.0;
const RIGHT: f64 = 660.0;
const TOP: f64 = 78.0;
const ROW: f64 = 28.0;
const THICK: f64 = 18.0;

/// A chart of horizontal bars, the shortest on top, each with its spread and its figure.
///
/// Bars that are many times as long as most are torn off, so that the others can be told apart.
pub(crate) fn bars(title: &str, subtitle: &str, mut bars: Vec<Bar>, digits: usize) -> String {
    bars.sort_by(|one, other| one.value.median.total_cmp(&other.value.median));
    let end = scale(&bars);
    let x = |value: f64| LEFT + (value.min(end) / end) * (RIGHT - LEFT);
    let height = TOP + ROW * bars.len() as f64 + 34.0;
    let mut svg = open(title, subtitle, height);
    let limit = bars.iter().find(|bar| bar.kind == Kind::Limit);
    for tick in ticks(end) {
        let (at, bottom) = (x(tick), height - 30.0);
        push(&mut svg, &format!(r#"<path class="grid" d="M{at:.1} {TOP}V{bottom:.1}"/>"#));
        push(
            &mut svg,
            &format!(
                r#"<text class="small" x="{at:.1}" y="{:.1}" text-anchor="middle">{tick}</text>"#,
                bottom + 16.0
            ),
        );
    }
    for (row, bar) in bars.iter().enumerate() {
        let top = TOP + ROW * row as f64 + (ROW - THICK) / 2.0;
        draw(&mut svg, bar, top, end, &x, digits);
    }
    if let Some(limit) = limit {
        let (at, bottom) = (x(limit.value.median), height - 30.0);
        push(&mut svg, &format!(r#"<path class="reach" d="M{at:.1} {TOP}V{bottom:.1}"/>"#));
    }
    push(&mut svg, "</svg>");
    svg
}

fn draw(svg: &mut String, bar: &Bar, top: f64, end: f64, x: &impl Fn(f64) -> f64, digits: usize) {
    let Spread { median, min, max } = bar.value;
    let (class, middle, baseline) = (bar.kind.class(), top + THICK / 2.0, top + THICK - 4.5);
    push(
        svg,
        &format!(
            r#"<text class="label {class}" x="{:.1}" y="{baseline:.1}" text-anchor="end">{}</text>"#,
            LEFT - 10.0,
            escape(&bar.label),
        ),
    );
    let is_torn = median > end;
    let length = x(median) - LEFT;
    push(
        svg,
        &format!(
            r#"<rect class="{class}" x="{LEFT}" y="{top:.1}" width="{length:.1}" height="{THICK}" rx="3"/>"#
        ),
    );
    let mut after = x(median);
    if is_torn {
        // Two strokes across the end say that it goes on.
        for gap in [14.0, 22.0] {
            let at = after - gap;
            push(
                svg,
                &format!(
                    r#"<path class="tear" d="M{:.1} {:.1}L{:.1} {:.1}"/>"#,
                    at - 3.0,
                    top + THICK + 1.0,
                    at + 3.0,
                    top - 1.0
                ),
            );
        }
    } else {
        let (from, to) = (x(min), x(max));
        push(
            svg,
            &format!(
                r#"<path class="spread" d="M{from:.1} {middle:.1}H{to:.1}M{from:.1} {:.1}v6M{to:.1} {:.1}v6"/>"#,
                middle - 3.0,
                middle - 3.0
            ),
        );
        after = after.max(to);
    }
    push(
        svg,
        &format!(
            r#"<text class="figure {class}" x="{:.1}" y="{baseline:.1}">{median:.digits$}</text>"#,
            after + 8.0
        ),
    );
}

fn open(title: &str, subtitle: &str, height: f64) -> String {
    let (title, subtitle) = (escape(title), escape(subtitle));
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" aria-label="{title}">
<style>
.page {{ fill: #ffffff; }}
text {{ font: 13px ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; fill: #1f2328; }}
.title {{ font-size: 17px; font-weight: 600; }}
.small {{ font-size: 11.5px; fill: #59636e; }}
.figure {{ font-variant-numeric: tabular-nums; }}
text.ours {{ font-weight: 600; }}
rect.ours {{ fill: #0d9488; }} rect.limit {{ fill: #334155; }} rect.peer {{ fill: #b3bfcd; }}
.grid {{ stroke: #e2e6ea; fill: none; }}
.reach {{ stroke: #334155; stroke-dasharray: 3 4; fill: none; opacity: 0.7; }}
.spread {{ stroke: #1f2328; opacity: 0.55; fill: none; }}
.tear {{ stroke: #ffffff; stroke-width: 3; }}
circle {{ stroke: #ffffff; stroke-width: 1.2; }}
.s0 {{ fill: #0d9488; }} .s1 {{ fill: #5eead4; }} .s2 {{ fill: #ea580c; }} .s3 {{ fill: #2563eb; }} .s4 {{ fill: #9333ea; }} .s5 {{ fill: #64748b; }} .s6 {{ fill: #eab308; }}
@media (prefers-color-scheme: dark) {{
.page {{ fill: #0d1117; }} text {{ fill: #e6edf3; }} .small {{ fill: #9198a1; }}
rect.ours {{ fill: #2dd4bf; }} rect.limit {{ fill: #cbd5e1; }} rect.peer {{ fill: #56657a; }}
.grid {{ stroke: #2b323b; }} .reach {{ stroke: #cbd5e1; }} .spread {{ stroke: #e6edf3; }} .tear {{ stroke: #0d1117; }}
circle {{ stroke: #0d1117; }}
}}
</style>
<rect class="page" width="{WIDTH}" height="{height}" rx="8"/>
<text class="title" x="24" y="34">{title}</text>
<text class="small" x="24" y="56">{subtitle}</text>
"##
    )
}

/// Where the scale ends: beyond the longest bar that is not many times as long as most.
fn scale(bars: &[Bar]) -> f64 {
    let most = Spread::of(bars.iter().map(|bar| bar.value.median)).map_or(1.0, |all| all.median);
    let shown = bars.iter().map(|bar| bar.value.median).filter(|&value| value <= 5.0 * most);
    shown.fold(f64::MIN_POSITIVE, f64::max) * 1.04
}

/// Some round values from 0 on, four to eight of them.
fn ticks(end: f64) -> Vec<f64> {
    let power = 10_f64.powf((end / 4.0).log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|step| step * power).into_iter();
    let step = step.filter(|step| end / step <= 8.0).fold(10.0 * power, f64::min);
    let count = (end / step).floor() as u32;
    // Rounded, for 3 * 0.1 is not 0.3.
    (0..=count).map(|tick| (f64::from(tick) * step * 1e6).round() / 1e6).collect()
}

fn push(svg: &mut String, element: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(svg, "{element}");
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(label: &str, median: f64, kind: Kind) -> Bar {
        let value = Spread { median, min: median * 0.9, max: median * 1.1 };
        Bar { label: label.into(), value, kind }
    }

    #[test]
    fn the_shortest_is_on_top_and_every_figure_is_shown() {
        let svg = bars(
            "Echo <64>",
            "µs",
            vec![
                bar("slow & old", 9.5, Kind::Peer),
                bar("ours", 6.25, Kind::Ours),
                bar("by hand", 6.0, Kind::Limit),
            ],
            2,
        );
        let places =
            [">by hand<", ">ours<", ">slow &amp; old<"].map(|text| svg.find(text).unwrap());
        assert!(places.is_sorted());
        for figure in [">6.00<", ">6.25<", ">9.50<", "Echo &lt;64&gt;"] {
            assert!(svg.contains(figure), "{figure}");
        }
        assert!(!svg.contains("NaN"));
    }

    #[test]
    fn one_bar_out_of_all_proportion_is_torn_off() {
        let few = [1.0, 2.0, 3.0].map(|value| bar("some", value, Kind::Peer));
        let far = [few.to_vec(), vec![bar("far", 300.0, Kind::Peer)]].concat();
        assert!(!bars("", "", few.to_vec(), 1).contains(r#"class="tear""#));
        assert_eq!(bars("", "", far.clone(), 1).matches(r#"class="tear""#).count(), 2);
        assert_eq!(scale(&far), scale(&few));
    }

    #[test]
    fn ticks_are_round_and_few() {
        assert_eq!(ticks(1.04), [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]);
        assert_eq!(ticks(30.0), [0.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0]);
        for end in [0.003, 0.7, 1.7, 9.9, 43.0, 12_345.0] {
            assert!((3..=9).contains(&ticks(end).len()), "{end}: {:?}", ticks(end));
        }
    }
}
