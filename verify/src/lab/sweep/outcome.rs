//! What a run left behind, and the file it is kept in.

use ratecheck::descent::{Divergence, NotFinite, Trace};

use super::quantity::Quantity;
pub use crate::text::Damage;
pub(crate) use crate::text::seal::{hex_of, seal, unseal};

/// Numbers of a row that are not about a block: L, its squared gradients by V and g, and the running minimum and sums.
const SCALARS: usize = 6;
/// Numbers of a row for every block: the squared gradient, ||w_i||^2, the effective rate, the angle.
const PER_BLOCK: usize = 4;

/// One run: a row per horizon that was reached, and where it diverged, if it did.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    n_blocks: usize,
    divergence: Option<Divergence>,
    /// Row by row.
    values: Vec<f64>,
}

/// The numbers of a row of a run with so many blocks.
pub(super) fn row_len(n_blocks: usize) -> usize {
    SCALARS + PER_BLOCK * n_blocks
}

/// One row before it is put away. Slices have an entry per block.
pub(super) struct Row<'a> {
    pub(super) loss: f64,
    pub(super) grad_v_sq: f64,
    pub(super) grad_g_sq: f64,
    /// The minimum and the two sums; NaN where L is not looked at in every step.
    pub(super) running: [f64; 3],
    pub(super) blocks: [&'a [f64]; PER_BLOCK],
}

impl Outcome {
    pub(super) fn new(n_blocks: usize) -> Self {
        Self { n_blocks, divergence: None, values: Vec::new() }
    }

    pub(super) fn push(&mut self, row: &Row<'_>) {
        self.values.extend([row.loss, row.grad_v_sq, row.grad_g_sq]);
        self.values.extend(row.running);
        row.blocks.iter().for_each(|block| self.values.extend_from_slice(block));
    }

    pub(super) fn diverged(&mut self, divergence: Divergence) {
        self.divergence = Some(divergence);
    }

    fn row_len(&self) -> usize {
        row_len(self.n_blocks)
    }

    /// The number of blocks.
    pub fn n_blocks(&self) -> usize {
        self.n_blocks
    }

    /// The number of horizons that were reached.
    pub fn n_rows(&self) -> usize {
        self.values.len() / self.row_len()
    }

    /// Where and how the run diverged.
    pub fn divergence(&self) -> Option<Divergence> {
        self.divergence
    }

    /// A quantity at horizon number `row`: one number, or one per block; nothing if the horizon was not reached.
    pub fn at(&self, row: usize, quantity: Quantity) -> Vec<f64> {
        let Some(row) = self.values.chunks_exact(self.row_len()).nth(row) else { return Vec::new() };
        let blocks = |k: usize| row[SCALARS + k * self.n_blocks..][..self.n_blocks].to_vec();
        match quantity {
            Quantity::Loss => vec![row[0]],
            Quantity::GradSq => vec![row[1] + row[2]],
            Quantity::GradVSq => vec![row[1]],
            Quantity::GradGSq => vec![row[2]],
            Quantity::MinGradSq => vec![row[3]],
            Quantity::SumGradVSq => vec![row[4]],
            Quantity::SumGradGSq => vec![row[5]],
            Quantity::GradVSqByBlock => blocks(0),
            Quantity::WNormSq => blocks(1),
            Quantity::EffectiveLr => blocks(2),
            Quantity::AngularUpdate => blocks(3),
        }
    }
}

impl From<(&Trace, usize)> for Outcome {
    /// A trace of the engine, of a loss with this many blocks.
    fn from((trace, n_blocks): (&Trace, usize)) -> Self {
        let mut outcome = Self { divergence: trace.divergence, ..Self::new(n_blocks) };
        for record in &trace.records {
            let running = record.running.as_ref();
            outcome.push(&Row {
                loss: record.loss,
                grad_v_sq: record.grad_v_sq,
                grad_g_sq: record.grad_g_sq,
                running: running.map_or([f64::NAN; 3], |r| [r.min_grad_sq, r.sum_grad_v_sq, r.sum_grad_g_sq]),
                blocks: [&record.grad_v_sq_by_block, &record.w_norm_sq, &record.effective_lr, &record.angular_update],
            });
        }
        outcome
    }
}

/// Where and how a run diverged, in two words.
pub(crate) fn divergence_words(divergence: Option<Divergence>) -> [u64; 2] {
    match divergence {
        None => [0, 0],
        Some(Divergence { step, what: NotFinite::Loss }) => [1, step],
        Some(Divergence { step, what: NotFinite::Gradient }) => [2, step],
        Some(Divergence { step, what: NotFinite::Parameters }) => [3, step],
    }
}

/// The same read back; nothing if the words say nothing.
pub(crate) fn divergence_of([what, step]: [u64; 2]) -> Option<Option<Divergence>> {
    let what = match what {
        0 => return Some(None),
        1 => NotFinite::Loss,
        2 => NotFinite::Gradient,
        3 => NotFinite::Parameters,
        _ => return None,
    };
    Some(Some(Divergence { step, what }))
}

/// Words as they are in memory: eight bytes each, the least significant first.
pub(crate) fn bytes_of(words: impl IntoIterator<Item = u64>) -> Vec<u8> {
    words.into_iter().flat_map(u64::to_le_bytes).collect()
}

/// The same read back; nothing if a word is cut short.
pub(crate) fn words_of(bytes: &[u8]) -> Option<Vec<u64>> {
    let (words, rest) = bytes.as_chunks::<8>();
    rest.is_empty().then(|| words.iter().map(|&word| u64::from_le_bytes(word)).collect())
}

/// The file of a cell with this outcome.
pub(super) fn encode(identity: &str, outcome: &Outcome) -> Vec<u8> {
    let [what, step] = divergence_words(outcome.divergence);
    let head = [outcome.n_blocks as u64, what, step, outcome.n_rows() as u64];
    seal(identity, &bytes_of(head.into_iter().chain(outcome.values.iter().map(|x| x.to_bits()))))
}

/// The run in a cell's file, if it is the cell called `key`.
pub(super) fn decode(bytes: &[u8], key: &str) -> Result<Outcome, Damage> {
    numbers(unseal(bytes, key)?).ok_or(Damage::Foreign)
}

fn numbers(bytes: &[u8]) -> Option<Outcome> {
    let words = words_of(bytes)?;
    let (&[n_blocks, what, step, n_rows], values) = words.split_first_chunk()?;
    let divergence = divergence_of([what, step])?;
    let n_blocks = usize::try_from(n_blocks).ok()?;
    let row_len = n_blocks.checked_mul(PER_BLOCK)?.checked_add(SCALARS)?;
    let fits = row_len.checked_mul(usize::try_from(n_rows).ok()?)? == values.len();
    fits.then(|| Outcome { n_blocks, divergence, values: values.iter().map(|&word| f64::from_bits(word)).collect() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn sample() -> Outcome {
        let mut outcome = Outcome::new(2);
        let blocks: [[f64; 2]; 4] = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, f64::NAN]];
        for loss in [0.1 + 0.2, -0.0] {
            let blocks = [&blocks[0][..], &blocks[1], &blocks[2], &blocks[3]];
            outcome.push(&Row { loss, grad_v_sq: 3.0, grad_g_sq: 0.5, running: [f64::INFINITY, 0.0, 0.0], blocks });
        }
        outcome.diverged(Divergence { step: 7, what: NotFinite::Gradient });
        outcome
    }

    #[test]
    fn a_file_reads_back_to_the_bit() {
        let outcome = sample();
        let bytes = encode("who", &outcome);
        let back = decode(&bytes, &hex_of(b"who")).unwrap();
        assert_eq!(encode("who", &back), bytes);
        assert_eq!((back.n_rows(), back.divergence()), (2, outcome.divergence()));
        assert_eq!(back.at(1, Quantity::GradSq), [3.5]);
        assert_eq!(back.at(0, Quantity::EffectiveLr), [5.0, 6.0]);
        assert_eq!(back.at(2, Quantity::Loss), [] as [f64; 0]);
        assert!(back.at(1, Quantity::Loss)[0].is_sign_negative());
    }

    #[test]
    fn a_sealed_file_of_something_else_is_foreign() {
        let bytes = encode("who", &sample());
        assert_eq!(decode(&bytes, &hex_of(b"someone else")), Err(Damage::Foreign));
        // Sealed as it should be, and a word too short.
        let short = seal("who", &bytes_of([2, 0, 0]));
        assert_eq!(decode(&short, &hex_of(b"who")), Err(Damage::Foreign));
    }
}
