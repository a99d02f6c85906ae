//! What earlier drills found out, drawn and listed.

use lifeboat_core::drill::DrillEnd;
use lifeboat_core::units;

use super::chart::{Bar, FAR, columns};
use super::{escaped, section, table};

/// RTO and size over time, and a table of the same; nothing while there is one drill only.
pub(super) fn drawn(history: &[DrillEnd], rto_target: Option<f64>) -> String {
    let (Some(first), Some(last)) = (history.first(), history.last()) else { return String::new() };
    if history.len() < 2 {
        return String::new();
    }
    let date = |end: &DrillEnd| end.start.started.strftime("%Y-%m-%d").to_string();
    let ends = [date(first), date(last)];
    let ends = [ends[0].as_str(), ends[1].as_str()];
    let bars = |value: fn(&DrillEnd) -> Option<f64>, unit: fn(f64) -> String| -> Vec<Bar> {
        let bar = |end: &DrillEnd| {
            let value = value(end);
            let title =
                format!("{}: {}, {}", date(end), value.map_or_else(|| "none".to_owned(), unit), end.verdict.name());
            Bar { title, value, verdict: end.verdict }
        };
        history.iter().map(bar).collect()
    };
    let longest = history.iter().filter_map(|end| end.rto_seconds).fold(0.0, f64::max);
    let target = rto_target.filter(|target| *target <= longest * FAR);
    let rto = columns("RTO", &bars(|end| end.rto_seconds, units::seconds), target, ends, units::seconds);
    let stored = |end: &DrillEnd| end.opened_backup().map(|_| end.stored_bytes as f64);
    let size = columns("Stored bytes", &bars(stored, size), None, ends, size);
    let rows: String = history.iter().rev().map(row).collect();
    let head = "<tr><th>Drill</th><th>Verdict</th><th class=\"n\">RTO</th><th class=\"n\">Stored</th>\
                <th class=\"n\">Rows</th><th>Compared</th></tr>";
    section("History", &format!("<div class=\"pair\">\n{rto}{size}</div>\n{}", table(head, &rows)))
}

fn row(end: &DrillEnd) -> String {
    let (verdict, of_backup) = (end.verdict.name(), end.opened_backup().is_some());
    let cell = |text: String| if of_backup { text } else { "-".to_owned() };
    format!(
        "<tr><td>{}</td><td class=\"{verdict}\">{verdict}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
         <td class=\"n\">{}</td><td>{}</td></tr>\n",
        escaped(end.start.drill.as_str()),
        end.rto_seconds.map_or_else(|| "-".to_owned(), units::seconds),
        cell(units::size(end.stored_bytes)),
        cell(units::count(end.rows)),
        end.proven.name(),
    )
}

fn size(bytes: f64) -> String {
    units::size(bytes.max(0.0) as u64)
}
