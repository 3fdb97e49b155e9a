//! How much memory a command may take: what is larger is refused before it is made, in one clear error, and nothing
//! ends the process.
//!
//! It may take half of what the machine has left when it starts ([`allowed`]), or what [`VARIABLE`] says. What is
//! needed is an estimate of what grows with the input: data, the values that a network keeps of every example, dense
//! matrices, tables of results.

use std::fmt;
use std::path::Path;
use std::sync::OnceLock;

use ratecheck::network::{Convolution, Image, LayerKind};

/// The environment variable that sets the budget: a number of bytes, or of KiB, MiB, GiB or TiB with K, M, G or T
/// behind it.
pub const VARIABLE: &str = "RATECHECK_MEMORY";

/// The budget where the system does not say what is left: 4 GiB.
const UNKNOWN: u64 = 4 << 30;

/// A text that someone writes by hand is not longer: 64 MiB.
pub(crate) const MOST_TEXT: u64 = 64 << 20;

/// Something does not fit into the budget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TooLarge {
    /// What, how much it needs, and how much there is.
    pub what: String,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.what, self.remedy)
    }
}

impl std::error::Error for TooLarge {}

/// The budget in bytes.
pub fn allowed() -> u64 {
    static ALLOWED: OnceLock<u64> = OnceLock::new();
    *ALLOWED.get_or_init(|| asked().ok().flatten().unwrap_or_else(left))
}

/// What the environment says, if anything.
///
/// # Errors
/// If that is no number of bytes: a sentence.
pub fn asked() -> Result<Option<u64>, String> {
    let Some(text) = std::env::var_os(VARIABLE) else { return Ok(None) };
    let text = text.to_string_lossy();
    let wrong = || format!("{VARIABLE}={}: give a number of bytes above 0, as 8G or 512M", text.escape_debug());
    read(&text).map(Some).ok_or_else(wrong)
}

fn read(text: &str) -> Option<u64> {
    let text = text.trim();
    let shift = match text.chars().last()?.to_ascii_uppercase() {
        'K' => 10,
        'M' => 20,
        'G' => 30,
        'T' => 40,
        _ => 0,
    };
    let digits = if shift == 0 { text } else { &text[..text.len() - 1] };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift).filter(|&bytes| bytes > 0)
}

/// Half of what the machine, its group of processes and this process have left.
fn left() -> u64 {
    let free = [of_machine(), of_group(), of_process()].into_iter().flatten().min();
    free.map_or(UNKNOWN, |free| free / 2)
}

fn number_in(path: impl AsRef<Path>) -> Option<u64> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// The number in the line of a file of the system that begins so.
fn field(path: &str, begin: &str) -> Option<u64> {
    let text = std::fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| line.strip_prefix(begin)?.split_whitespace().next()?.parse().ok())
}

fn of_machine() -> Option<u64> {
    field("/proc/meminfo", "MemAvailable:")?.checked_mul(1024)
}

/// Linux, version 2 of control groups: of containers, and of jobs on clusters.
fn of_group() -> Option<u64> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let group = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let (root, own) = (Path::new("/sys/fs/cgroup"), Path::new("/sys/fs/cgroup").join(group));
    let left = |dir: &Path| {
        let (most, taken) = (number_in(dir.join("memory.max"))?, number_in(dir.join("memory.current"))?);
        Some(most.saturating_sub(taken))
    };
    own.ancestors().take_while(|dir| dir.starts_with(root)).filter_map(left).min()
}

/// `ulimit -v`.
fn of_process() -> Option<u64> {
    field("/proc/self/limits", "Max address space")
}

/// Whether the budget holds so many bytes, for `what`.
///
/// # Errors
/// If it does not.
///
/// ```
/// use ratecheck_verify::lab::budget::check;
/// assert!(check("a number", 8).is_ok());
/// let error = check("all numbers", 1 << 80).unwrap_err().to_string();
/// assert!(error.starts_with("all numbers would take 1 YiB of memory, more than the "), "{error}");
/// ```
pub fn check(what: impl fmt::Display, bytes: u128) -> Result<(), TooLarge> {
    let allowed = allowed();
    if bytes <= u128::from(allowed) {
        return Ok(());
    }
    let (needed, allowed) = (shown(bytes), shown(u128::from(allowed)));
    let what = format!("{what} would take {needed} of memory, more than the {allowed} that may be taken");
    Err(TooLarge { what, remedy: format!("ask for less, or allow more: {VARIABLE}={}", enough(bytes)) })
}

/// What may be read of one file of data: a quarter. What is made of it comes on top.
pub(crate) fn of_file() -> u64 {
    allowed() / 4
}

/// A file that holds more than that; how many bytes, if they are known.
pub(crate) fn file_too_large(file: &str, bytes: Option<u64>) -> TooLarge {
    let most = shown(u128::from(of_file()));
    let held = bytes.map_or_else(|| "more".to_owned(), |bytes| format!("{}, more", shown(u128::from(bytes))));
    let example = bytes.map_or_else(|| "32G".to_owned(), |bytes| enough(4 * u128::from(bytes)));
    let what = format!("{file} holds {held} than the {most} that may be taken of one file");
    TooLarge { what, remedy: format!("give a smaller one, or allow more memory: {VARIABLE}={example}") }
}

const UNITS: [&str; 9] = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"];

pub(crate) fn shown(bytes: u128) -> String {
    let unit = (bytes.max(1).ilog2() / 10).min(8) as usize;
    let value = bytes as f64 / 2.0_f64.powi(10 * unit as i32);
    // Three digits, none behind the point where it is whole.
    let text = if value >= 100.0 || value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.3}") };
    let text = if text.contains('.') { text[..4].trim_end_matches('.').to_owned() } else { text };
    format!("{text} {}", UNITS[unit])
}

/// A value of the variable that would do, in whole GiB.
pub(crate) fn enough(bytes: u128) -> String {
    format!("{}G", bytes.div_ceil(1 << 30))
}

/// What a network is made of and keeps, counted before anything is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    /// The entries of theta, at most.
    pub(crate) parameters: u128,
    /// The numbers that an evaluation keeps of every example: of every layer what is normalised, its values and slopes;
    /// and two derivatives of the widest.
    pub(crate) of_example: u128,
}

impl Size {
    /// Of a network with so many inputs.
    pub(crate) fn of(image: Option<Image>, layers: impl IntoIterator<Item = LayerKind>, inputs: usize) -> Self {
        const TAPS: u128 = 9;
        let mut inputs = inputs as u128;
        let mut positions = image.map_or(1, |image| image.height as u128 * image.width as u128);
        let mut channels = image.map_or(1, |image| image.channels as u128);
        let (mut size, mut widest) = (Self { parameters: 0, of_example: inputs }, 0);
        for layer in layers {
            let (units, row, values) = match layer {
                LayerKind::Filters(Convolution { filters, pooled }) => {
                    let (units, row, values) = (filters as u128, TAPS * channels, filters as u128 * positions);
                    positions /= if pooled { 4 } else { 1 };
                    (channels, inputs) = (units, units * positions.max(1));
                    size.of_example += if pooled { inputs } else { 0 };
                    (units, row, values)
                }
                LayerKind::Dense { units } => {
                    let units = units as u128;
                    (units, std::mem::replace(&mut inputs, units), units)
                }
            };
            size.parameters += units * (row + 3);
            size.of_example += 3 * values;
            widest = widest.max(values);
        }
        size.of_example += 2 * widest;
        size
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_bytes_read() {
        for (text, bytes) in [("1", 1), ("512K", 512 << 10), ("3m", 3 << 20), (" 8G ", 8 << 30), ("2T", 2 << 40)] {
            assert_eq!(read(text), Some(bytes), "{text}");
        }
        for text in ["", "G", "0", "-1", "1.5G", "8GB", "18446744073709551615K", "8 G"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn sizes_are_shown_with_three_digits() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (1023, "1023 bytes"),
            (1 << 20, "1 MiB"),
            ((3 << 30) / 2, "1.50 GiB"),
            (12_345_678_901, "11.4 GiB"),
            (200 << 40, "200 TiB"),
        ] {
            assert_eq!(shown(bytes), text);
        }
        assert_eq!((enough(1), enough((1 << 30) + 1)), ("1G".to_owned(), "2G".to_owned()));
    }

    /// 3-4-1: 4 (3 + 3) + 1 (4 + 3) parameters at most; 3 inputs, three numbers of each unit, two of the widest layer.
    #[test]
    fn networks_are_counted() {
        let dense = |units| LayerKind::Dense { units };
        assert_eq!(Size::of(None, [dense(4), dense(1)], 3), Size { parameters: 31, of_example: 3 + 3 * 5 + 2 * 4 });
        // Two filters on 4x4, pooled to 2x2, and two units on the eight numbers.
        let filters = LayerKind::Filters(Convolution { filters: 2, pooled: true });
        let image = Image { channels: 1, height: 4, width: 4 };
        let found = Size::of(Some(image), [filters, dense(2)], 16);
        assert_eq!(found, Size { parameters: 2 * (9 + 3) + 2 * (8 + 3), of_example: 16 + 3 * (32 + 2) + 8 + 2 * 32 });
    }
}
