//! Shift and scale of the channels of images.

use super::Images;

/// Shift and scale of every channel: (x - mean) / deviation, over all pixels of all images of that channel.
///
/// With n bytes x_i in a channel, S_1 = sum x_i and S_2 = sum x_i^2, the mean is S_1 / n and the (biased) variance is
/// S_2 / n - (S_1 / n)^2. Both sums are kept as integers, and a byte x becomes (n x - S_1) / sqrt(n S_2 - S_1^2), whose
/// numerator and radicand are integers as well: the result is right up to the rounding of a conversion, a square root
/// and a quotient, and the same on every machine.
///
/// A channel with the same byte everywhere has no scale: every byte of it becomes 0.
///
/// ```
/// use ratecheck::data::{ChannelScales, Images};
/// let scales = ChannelScales::of(&Images::new(2, 1, 1, vec![1, 7, 5, 7], vec![0, 0])?);
/// assert_eq!((scales.mean(0), scales.deviation(0)), (3.0, 2.0));
/// assert_eq!((scales.mean(1), scales.deviation(1)), (7.0, 0.0));
/// assert_eq!((scales.standardised(0, 9), scales.standardised(1, 9)), (3.0, 0.0));
/// # Ok::<(), ratecheck::data::DataError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelScales {
    channels: Vec<Sums>,
}

/// n, S_1, and n S_2 - S_1^2, which is n^2 times the variance.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Sums {
    n: u64,
    sum: u64,
    spread: u128,
}

impl ChannelScales {
    /// The scales with which every channel of `images` gets mean 0 and variance 1 (0 where it is constant).
    ///
    /// Cost: one pass over the bytes.
    pub fn of(images: &Images) -> Self {
        let mut counts = vec![[0_u64; 256]; images.channels()];
        let plane = images.height() * images.width();
        for (at, pixels) in images.pixels().chunks_exact(plane).enumerate() {
            let counts = &mut counts[at % images.channels()];
            pixels.iter().for_each(|pixel| counts[usize::from(*pixel)] += 1);
        }
        Self { channels: counts.iter().map(Sums::of).collect() }
    }

    /// The number of channels.
    pub fn n_channels(&self) -> usize {
        self.channels.len()
    }

    /// The mean of channel `c`, in units of a byte: 0..=255.
    ///
    /// # Panics
    /// When there is no channel `c`.
    pub fn mean(&self, c: usize) -> f64 {
        let Sums { n, sum, .. } = self.channels[c];
        sum as f64 / n as f64
    }

    /// The square root of the biased variance of channel `c`, in units of a byte.
    ///
    /// # Panics
    /// When there is no channel `c`.
    pub fn deviation(&self, c: usize) -> f64 {
        let Sums { n, spread, .. } = self.channels[c];
        (spread as f64).sqrt() / n as f64
    }

    /// What `byte` becomes in channel `c`: (byte - mean) / deviation, or 0 in a constant channel.
    ///
    /// # Panics
    /// When there is no channel `c`.
    pub fn standardised(&self, c: usize, byte: u8) -> f64 {
        let Sums { n, sum, spread } = self.channels[c];
        if spread == 0 {
            return 0.0;
        }
        let difference = i128::from(n) * i128::from(byte) - i128::from(sum);
        difference as f64 / (spread as f64).sqrt()
    }

    /// What every byte becomes in channel `c`.
    pub(super) fn table(&self, c: usize) -> [f64; 256] {
        let mut table = [0.0; 256];
        for (value, byte) in table.iter_mut().zip(0..=u8::MAX) {
            *value = self.standardised(c, byte);
        }
        table
    }
}

impl Sums {
    /// The sums over the bytes that occur `counts` times.
    fn of(counts: &[u64; 256]) -> Self {
        // A set that fits into any memory has fewer than 2^47 bytes: S_2 is below 2^63, and n S_2 below 2^110.
        let power = |k| counts.iter().zip(0_u64..).map(|(count, byte): (&u64, u64)| count * byte.pow(k)).sum::<u64>();
        let (n, sum, sum_sq) = (power(0), power(1), power(2));
        Self { n, sum, spread: u128::from(n) * u128::from(sum_sq) - u128::from(sum).pow(2) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn scales_of_one_set_are_those_of_another() {
        let train = Images::new(2, 1, 2, vec![0, 2, 10, 10, 0, 2, 20, 20], vec![0, 0]).expect("valid");
        let scales = ChannelScales::of(&train);
        assert_eq!([scales.mean(0), scales.mean(1)], [1.0, 15.0]);
        assert_eq!([scales.deviation(0), scales.deviation(1)], [1.0, 5.0]);
        assert_eq!(scales.n_channels(), 2);
        let test = Images::new(2, 1, 2, vec![255, 0, 0, 15], vec![1]).expect("valid");
        assert_eq!(test.dataset(&scales, None).expect("fits").inputs(), [254.0, -1.0, -3.0, 0.0]);
    }

    #[test]
    fn a_constant_channel_becomes_zero() {
        let images = Images::new(1, 3, 1, vec![77; 6], vec![0, 1]).expect("valid");
        let scales = ChannelScales::of(&images);
        assert_eq!(images.dataset(&scales, Some(3)).expect("fits").inputs(), [0.0; 18]);
    }

    proptest! {
        #[test]
        fn channels_have_mean_zero_and_variance_one(
            pixels in prop::collection::vec(any::<(u8, u8)>(), 2..200),
            low in 0..255_u8,
        ) {
            // The second channel has two neighbouring values: the smallest deviations.
            let bytes = pixels.iter().flat_map(|(first, second)| [*first, low + second % 2]).collect();
            let n = pixels.len();
            let images = Images::new(2, 1, 1, bytes, vec![0; n]).expect("valid");
            let scales = ChannelScales::of(&images);
            let data = images.dataset(&scales, None).expect("fits");
            // The rounding of a sum of n numbers of size at most sqrt(n), the bound of a standardised value.
            let tolerance = 4.0 * (n as f64) * f64::EPSILON * (n as f64).sqrt();
            for c in (0..2).filter(|c| scales.deviation(*c) > 0.0) {
                let mean = data.feature(c).iter().sum::<f64>() / n as f64;
                let variance = data.feature(c).iter().map(|x| x * x).sum::<f64>() / n as f64;
                prop_assert!(mean.abs() <= tolerance, "mean {mean:e}");
                prop_assert!((variance - 1.0).abs() <= tolerance, "variance {variance}");
            }
        }
    }
}
