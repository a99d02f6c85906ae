//! Tables of text.

/// How a column's cells stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// A table with a head line, columns two spaces apart, and no trailing spaces.
pub(crate) fn render(head: &[(&str, Align)], rows: &[Vec<String>]) -> String {
    let widths: Vec<usize> = head
        .iter()
        .enumerate()
        .map(|(at, (title, _))| rows.iter().map(|row| row[at].chars().count()).chain([title.len()]).max().unwrap_or(0))
        .collect();
    let titles: Vec<String> = head.iter().map(|(title, _)| (*title).to_owned()).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).zip(head).map(|((cell, width), (_, align))| match align {
            Align::Left => format!("{cell:<width$}"),
            Align::Right => format!("{cell:>width$}"),
        });
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    std::iter::once(&titles).chain(rows).map(line).collect()
}

/// Labels and values below each other, the values in one column.
pub(crate) fn facts(facts: &[(&str, String)]) -> String {
    let width = facts.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
    facts.iter().map(|(label, value)| format!("{label:<width$}  {value}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::{Align, facts, render};

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [vec!["shop".to_owned(), "1.2 GiB".to_owned()], vec!["billing".to_owned(), "3 B".to_owned()]];
        let table = render(&[("DATABASE", Align::Left), ("SIZE", Align::Right)], &rows);
        assert_eq!(table, "DATABASE     SIZE\nshop      1.2 GiB\nbilling       3 B\n");
    }

    #[test]
    fn facts_line_up() {
        assert_eq!(facts(&[("id", "x".to_owned()), ("class", "daily".to_owned())]), "id     x\nclass  daily\n");
    }
}
