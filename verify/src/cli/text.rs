//! Tables and headings for the terminal.

use super::console::colour;

/// A heading, bold if colours are wanted.
pub(super) fn heading(text: &str) -> String {
    if colour() { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() }
}

/// The width that the variable COLUMNS says, else that of the terminal, else 100 columns.
pub(super) fn terminal_width() -> usize {
    let said = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let seen = || terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| usize::from(width.0));
    said.or_else(seen).unwrap_or(100)
}

/// `1 claim`, `2 claims`.
pub(super) fn counted(n: usize, one: &str) -> String {
    format!("{n} {one}{}", if n == 1 { "" } else { "s" })
}

/// Rows of cells as lines, each column as wide as its widest cell;
/// the columns after the first `left` are right-aligned.
pub(super) fn columns(rows: &[Vec<String>], left: usize) -> String {
    let n = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |c: usize| rows.iter().filter_map(|row| row.get(c)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..n).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (c, (cell, &width)) in row.iter().zip(&widths).enumerate() {
            let gap = if c == 0 { "" } else { "  " };
            line += &if c < left { format!("{gap}{cell:<width$}") } else { format!("{gap}{cell:>width$}") };
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [["a", "1"], ["long", "1000"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(columns(&rows, 1), "a        1\nlong  1000\n");
    }
}
