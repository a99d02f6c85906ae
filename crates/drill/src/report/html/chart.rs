//! Drawings in SVG, sized by their box and coloured by the page's style.

use std::fmt::Write as _;

use lifeboat_core::drill::Verdict;
use lifeboat_core::units;

use super::escaped;
use crate::report::{Phase, Rto};

/// One column of a chart.
pub(super) struct Bar {
    /// What is shown when it is pointed at.
    pub(super) title: String,
    /// `None`: it was never measured.
    pub(super) value: Option<f64>,
    /// Its colour.
    pub(super) verdict: Verdict,
}

/// Columns over time: the labels of the axis are `first` and `last`, those of the values come from `unit`.
pub(super) fn columns(
    caption: &str,
    bars: &[Bar],
    target: Option<f64>,
    ends: [&str; 2],
    unit: fn(f64) -> String,
) -> String {
    let values = bars.iter().filter_map(|bar| bar.value).chain(target);
    let highest = values.fold(0.0_f64, f64::max);
    let scale = if highest > 0.0 { HEIGHT / highest } else { 0.0 };
    let step = WIDTH / bars.len().max(1) as f64;
    let width = (step * 0.7).min(28.0);
    let mut drawn = String::new();
    for (at, bar) in bars.iter().enumerate() {
        let left = LEFT + step * at as f64 + (step - width) / 2.0;
        let height = (bar.value.unwrap_or(0.0) * scale).max(1.5);
        let class = if bar.value.is_some() { bar.verdict.name() } else { "none" };
        push(
            &mut drawn,
            format_args!(
                "<rect class=\"{class}\" x=\"{left:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{height:.1}\">\
                 <title>{}</title></rect>\n",
                TOP + HEIGHT - height,
                escaped(&bar.title)
            ),
        );
    }
    if let Some(target) = target {
        let y = TOP + HEIGHT - target * scale;
        let right = LEFT + WIDTH;
        push(
            &mut drawn,
            format_args!(
                "<line class=\"target\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\n\
                 <text x=\"{right}\" y=\"{:.1}\" text-anchor=\"end\">target {}</text>\n",
                y - 3.0,
                unit(target)
            ),
        );
    }
    let (bottom, right) = (TOP + HEIGHT, LEFT + WIDTH);
    push(
        &mut drawn,
        format_args!(
            "<line class=\"axis\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{bottom}\" y2=\"{bottom}\"/>\n\
             <text x=\"{LEFT}\" y=\"9\">{}</text>\n<text x=\"{LEFT}\" y=\"{:.1}\">{}</text>\n",
            if highest > 0.0 { unit(highest) } else { String::new() },
            bottom + 12.0,
            ends[0]
        ),
    );
    if bars.len() > 1 {
        push(
            &mut drawn,
            format_args!("<text x=\"{right}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\n", bottom + 12.0, ends[1]),
        );
    }
    figure(caption, 320, 130, &drawn)
}

/// The phases that count, one after the other, and the target across them.
pub(super) fn phases(rto: &Rto) -> String {
    let counted: Vec<&Phase> = rto.phases.iter().filter(|phase| phase.counts).collect();
    let total: f64 = counted.iter().map(|phase| phase.seconds.max(0.0)).sum();
    let target = rto.target_seconds;
    let drawn_target = target.filter(|target| *target <= total * FAR);
    let longest = total.max(drawn_target.unwrap_or(0.0));
    if longest <= 0.0 {
        return String::new();
    }
    let scale = BAND / longest;
    let (mut drawn, mut at, mut names) = (String::new(), 0.0, Vec::new());
    for (number, phase) in counted.iter().enumerate() {
        let width = phase.seconds.max(0.0) * scale;
        let title = format!("{}: {}", phase.name, units::seconds(phase.seconds));
        push(
            &mut drawn,
            format_args!(
                "<rect class=\"p{}\" x=\"{at:.1}\" y=\"3\" width=\"{width:.1}\" height=\"18\"><title>{}</title></rect>\n",
                number % SHADES,
                escaped(&title)
            ),
        );
        names.push(format!("<span class=\"p{}\"></span>{}", number % SHADES, escaped(&title)));
        at += width;
    }
    if let Some(target) = drawn_target {
        let x = (target * scale).min(BAND - 1.0);
        push(&mut drawn, format_args!("<line class=\"target\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"0\" y2=\"24\"/>\n"));
    }
    names.extend(target.map(|target| format!("┊ target: {}", units::seconds(target))));
    format!(
        "<figure>\n<figcaption class=\"key\">{}</figcaption>\n<svg class=\"band\" viewBox=\"0 0 {BAND} 24\" \
         preserveAspectRatio=\"none\" role=\"img\" aria-label=\"phases\">\n{drawn}</svg>\n</figure>\n",
        names.join(" ")
    )
}

fn figure(caption: &str, width: u32, height: u32, drawn: &str) -> String {
    format!(
        "<figure>\n<figcaption>{caption}</figcaption>\n\
         <svg viewBox=\"0 0 {width} {height}\" role=\"img\">\n{drawn}</svg>\n</figure>\n"
    )
}

fn push(drawn: &mut String, element: std::fmt::Arguments<'_>) {
    // Writing to a String does not fail.
    let _ = drawn.write_fmt(element);
}

const LEFT: f64 = 2.0;
const TOP: f64 = 14.0;
const WIDTH: f64 = 316.0;
const HEIGHT: f64 = 96.0;
const BAND: f64 = 1000.0;
const SHADES: usize = 4;
/// A target so many times as far as what was measured is told, not drawn: nothing else could be seen beside it.
pub(super) const FAR: f64 = 3.0;
