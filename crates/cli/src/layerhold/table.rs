//! Columns of text.

use std::borrow::Cow;

use crate::streams::escape;

/// How a column is aligned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// Aligns rows below their headings. Cells are escaped, so that each row is one line. The last
/// column is not padded.
pub(crate) fn lay_out(columns: &[(&str, Align)], rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<Cow<'_, str>>> = rows
        .iter()
        .map(|row| row.iter().map(|cell| escape(cell)).collect())
        .collect();
    let widths: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(index, (heading, _))| {
            rows.iter()
                .filter_map(|row| row.get(index))
                .map(|cell| cell.chars().count())
                .chain([heading.chars().count()])
                .max()
                .unwrap_or(0)
        })
        .collect();
    let headings: Vec<Cow<'_, str>> = columns.iter().map(|(h, _)| Cow::Borrowed(*h)).collect();
    let mut text = String::new();
    for row in std::iter::once(&headings).chain(&rows) {
        let mut line = String::new();
        for ((cell, (_, align)), width) in row.iter().zip(columns).zip(&widths) {
            if !line.is_empty() {
                line.push_str("  ");
            }
            match align {
                Align::Left => line.push_str(&format!("{cell:<width$}")),
                Align::Right => line.push_str(&format!("{cell:>width$}")),
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let columns = [
            ("NAME", Align::Left),
            ("SIZE", Align::Right),
            ("ID", Align::Left),
        ];
        let rows = [
            vec!["a".to_owned(), "10 B".to_owned(), "x".to_owned()],
            vec!["länger".to_owned(), "5 B".to_owned(), String::new()],
        ];
        assert_eq!(
            lay_out(&columns, &rows),
            "NAME    SIZE  ID\na       10 B  x\nlänger   5 B\n"
        );
        assert_eq!(lay_out(&columns, &[]), "NAME  SIZE  ID\n");
        let forged = [vec!["a\nb".to_owned(), "1 B".to_owned(), "y".to_owned()]];
        assert_eq!(
            lay_out(&columns, &forged),
            "NAME  SIZE  ID\na\\nb   1 B  y\n"
        );
    }
}
