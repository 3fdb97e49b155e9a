//! Where the labels beside a plot go: as near as can be to the ends of their curves, and never on each other.

use crate::text::number;

/// The centres of labels whose wished centres are `wished` (in any order) and whose heights are `heights`, within
/// `[top, bottom]`, without overlap and with the least sum of squared displacements. `None` if they do not fit.
///
/// Labels that would overlap form a block, which sits at the mean of what its members wish (pool adjacent violators).
pub(super) fn spread(wished: &[f64], heights: &[f64], top: f64, bottom: f64) -> Option<Vec<f64>> {
    if heights.iter().sum::<f64>() > bottom - top {
        return None;
    }
    let mut order: Vec<usize> = (0..wished.len()).collect();
    order.sort_by(|&a, &b| wished[a].total_cmp(&wished[b]));

    struct Block {
        members: Vec<usize>,
        height: f64,
        /// The sum of the upper edges that the members wish for the whole block.
        sum: f64,
    }
    impl Block {
        fn top(&self, top: f64, bottom: f64) -> f64 {
            let mean = self.sum / self.members.len() as f64;
            mean.min(bottom - self.height).max(top)
        }
    }
    let mut blocks: Vec<Block> = Vec::new();
    for i in order {
        let mut block = Block { members: vec![i], height: heights[i], sum: wished[i] - heights[i] / 2.0 };
        while let Some(above) = blocks.pop_if(|b| b.top(top, bottom) + b.height > block.top(top, bottom)) {
            // The members of the lower block start below the upper one.
            let sum = above.sum + block.sum - above.height * block.members.len() as f64;
            let height = above.height + block.height;
            let mut members = above.members;
            members.append(&mut block.members);
            block = Block { members, height, sum };
        }
        blocks.push(block);
    }
    let mut centres = vec![0.0; wished.len()];
    for block in &blocks {
        let mut y = block.top(top, bottom);
        for &i in &block.members {
            centres[i] = y + heights[i] / 2.0;
            y += heights[i];
        }
    }
    Some(centres)
}

/// The width of a text in em, rather too wide than too narrow: measured on a wide sans-serif face, since which one
/// will be there is not known.
pub(super) fn em(text: &str) -> f64 {
    text.chars()
        .map(|c| match c {
            'i' | 'j' | 'l' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' | ' ' => 0.36,
            'f' | 't' | 'r' | '(' | ')' | '[' | ']' | '-' | '/' => 0.42,
            'm' | 'w' | 'M' | 'W' | '@' | '%' | '—' | '…' => 1.0,
            '\u{0300}'..='\u{036f}' => 0.0,
            '⁰' | '¹' | '²' | '³' | '⁴'..='⁹' | '⁻' | '₀'..='₉' => 0.44,
            '0'..='9' => 0.64,
            'A'..='Z' => 0.74,
            c if c.is_ascii() => 0.64,
            '\u{2e80}'.. => 1.05,
            _ => 0.8,
        })
        .sum()
}

/// At most `max` lines no wider than `width` em, broken at spaces; an ellipsis where something was cut.
pub(super) fn lines(text: &str, width: f64, max: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let text = number::typeset(text);
    let words: Vec<&str> =
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()).collect();
    for (i, word) in words.iter().enumerate() {
        let full = lines.len() == max;
        match lines.last_mut() {
            Some(line) if em(line) + em(" ") + em(word) <= width => {
                line.push(' ');
                line.push_str(word);
            }
            Some(line) if full => {
                line.push(' ');
                line.push_str(&words[i..].join(" "));
                break;
            }
            _ => lines.push((*word).to_owned()),
        }
    }
    for line in &mut lines {
        *line = cut(line, width);
    }
    lines
}

/// Cut to `width` em, with an ellipsis if anything had to go.
fn cut(text: &str, width: f64) -> String {
    if em(text) <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    for c in text.chars() {
        if em(&kept) + em("…") + em(c.encode_utf8(&mut [0; 4])) > width {
            break;
        }
        kept.push(c);
    }
    kept.truncate(kept.trim_end().len());
    kept + "…"
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn labels_never_overlap_and_stay_inside() {
        let wished = [50.0, 50.0, 51.0, 0.0, 99.0, 98.0];
        let heights = [10.0, 10.0, 20.0, 10.0, 10.0, 10.0];
        let centres = spread(&wished, &heights, 0.0, 100.0).unwrap();
        let mut edges: Vec<(f64, f64)> = centres.iter().zip(heights).map(|(c, h)| (c - h / 2.0, c + h / 2.0)).collect();
        edges.sort_by(|a, b| a.0.total_cmp(&b.0));
        assert!(edges[0].0 >= 0.0 && edges[5].1 <= 100.0 + 1e-9);
        for pair in edges.windows(2) {
            assert!(pair[0].1 <= pair[1].0 + 1e-9, "{edges:?}");
        }
        assert_eq!(spread(&wished, &[20.0; 6], 0.0, 100.0), None);
        assert_eq!(spread(&[30.0, 60.0], &[10.0, 10.0], 0.0, 100.0), Some(vec![30.0, 60.0]));
    }

    #[test]
    fn long_labels_break_and_are_cut() {
        assert_eq!(lines("alpha beta", 100.0, 2), ["alpha beta"]);
        let two = lines("one long label that does not fit into two lines at all, whatever one does", 12.0, 2);
        assert_eq!(two.len(), 2);
        assert!(two[1].ends_with('…') && two.iter().all(|l| em(l) <= 12.0), "{two:?}");
        assert!(lines("‖∇L‖‖∇L‖‖∇L‖‖∇L‖‖∇L‖", 5.0, 2)[0].ends_with('…'));
        assert!(lines("", 5.0, 2).is_empty());
    }
}
