//! All loads at a glance: what each server costs, as a multiple of a loop by hand.

use super::{WIDTH, escape, open, push};

/// A load, and the multiples of those who took part: which server of the legend, and its multiple.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) label: String,
    pub(crate) dots: Vec<(usize, f64)>,
}

const LEFT: f64 = 290.0;
const RIGHT: f64 = 726.0;
const TOP: f64 = 120.0;
const ROW: f64 = 40.0;

/// The multiples that have a line of their own.
const TICKS: [f64; 8] = [0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0];

/// A row for each load, a dot for each server, on a scale where each doubling has the same width.
pub(crate) fn overview(title: &str, subtitle: &str, legend: &[&str], rows: &[Row]) -> String {
    let all = || rows.iter().flat_map(|row| row.dots.iter().map(|&(_, multiple)| multiple));
    let (least, most) = (all().fold(0.8, f64::min) * 0.9, all().fold(2.0, f64::max) * 1.15);
    let x = |multiple: f64| LEFT + (multiple / least).ln() / (most / least).ln() * (RIGHT - LEFT);
    let bottom = TOP + ROW * rows.len() as f64;
    let mut svg = open(title, subtitle, bottom + 40.0);
    for tick in TICKS.into_iter().filter(|tick| (least..most).contains(tick)) {
        let (at, class) = (x(tick), if tick == 1.0 { "reach" } else { "grid" });
        push(&mut svg, &format!(r#"<path class="{class}" d="M{at:.1} {TOP}V{bottom:.1}"/>"#));
        push(
            &mut svg,
            &format!(
                r#"<text class="small" x="{at:.1}" y="{:.1}" text-anchor="middle">{tick} ×</text>"#,
                bottom + 18.0
            ),
        );
    }
    let mut at = 24.0;
    for (server, name) in legend.iter().enumerate() {
        dot(&mut svg, server, at + 6.0, 86.0);
        push(
            &mut svg,
            &format!(r#"<text class="small" x="{:.1}" y="90">{}</text>"#, at + 17.0, escape(name)),
        );
        // The width of text is not known here; this is what most fonts need.
        at += 34.0 + 6.1 * name.chars().count() as f64;
    }
    for (index, row) in rows.iter().enumerate() {
        let middle = TOP + ROW * (index as f64 + 0.5);
        push(
            &mut svg,
            &format!(
                r#"<text x="{:.1}" y="{:.1}" text-anchor="end">{}</text>"#,
                LEFT - 14.0,
                middle + 4.5,
                escape(&row.label)
            ),
        );
        push(&mut svg, &format!(r#"<path class="grid" d="M{LEFT} {middle}H{RIGHT}"/>"#));
        // The first of the legend are drawn last, so that none covers them.
        for &(server, multiple) in row.dots.iter().rev() {
            dot(&mut svg, server, x(multiple), middle);
        }
    }
    debug_assert!(at < WIDTH * 1.2, "the legend is too long");
    push(&mut svg, "</svg>");
    svg
}

fn dot(svg: &mut String, server: usize, x: f64, y: f64) {
    let size = if server < 2 { 6.5 } else { 5.5 };
    push(svg, &format!(r#"<circle class="s{server}" cx="{x:.1}" cy="{y:.1}" r="{size}"/>"#));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_stand_in_the_order_of_their_multiples() {
        let row = Row { label: "echo".into(), dots: vec![(0, 1.0), (1, 2.0), (2, 30.0)] };
        let svg = overview("All", "", &["ours", "theirs", "slow"], &[row]);
        let places: Vec<f64> = svg
            .split("<circle ")
            .skip(4)
            .map(|dot| dot.split("cx=\"").nth(1).unwrap().split('"').next().unwrap())
            .map(|x| x.parse().unwrap())
            .collect();
        assert_eq!(places.len(), 3);
        assert!(places.is_sorted_by(|one, other| one > other), "{places:?}");
        assert!(places[0] < RIGHT && places[2] > LEFT);
    }
}
