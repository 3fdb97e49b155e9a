//! Images as bytes, and the data sets made of them.

use super::{ChannelScales, DataError, Dataset};

/// Which half of a published data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The examples to train with.
    Train,
    /// The examples that are kept back.
    Test,
}

/// Labelled images of one size, one byte per pixel and channel.
///
/// An image has C channels of H x W pixels, row by row from the top left. The byte of channel c, row y and column x of
/// image i is `pixels()[((i * C + c) * H + y) * W + x]`, the brightness 0..=255 (for MNIST the ink: 0 is paper).
/// Labels are classes, counted from 0. There is at least one image, one channel and one pixel.
///
/// This takes an eighth of the memory of a [`Dataset`], so a published set can be kept whole and a selection of it be
/// made into a data set.
///
/// ```
/// use ratecheck::data::{ChannelScales, Images};
/// // Two grey images of one row and two columns.
/// let train = Images::new(1, 1, 2, vec![0, 2, 0, 2], vec![0, 1])?;
/// let scales = ChannelScales::of(&train);
/// let data = train.dataset(&scales, None)?;
/// assert_eq!((data.feature(0), data.feature(1)), (&[-1.0, -1.0][..], &[1.0, 1.0][..]));
/// // The same shift and scale for other images, and a margin of background around them.
/// let test = Images::new(1, 1, 1, vec![4], vec![1])?;
/// assert_eq!(test.dataset(&scales, Some(3))?.inputs(), [-1.0, -1.0, -1.0, -1.0, 3.0, -1.0, -1.0, -1.0, -1.0]);
/// # Ok::<(), ratecheck::data::DataError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Images {
    channels: usize,
    height: usize,
    width: usize,
    pixels: Vec<u8>,
    labels: Vec<u8>,
}

impl Images {
    /// Images of `channels` x `height` x `width` bytes, one after another, and one label each.
    ///
    /// # Errors
    /// When a size is zero or does not fit the others.
    pub fn new(
        channels: usize,
        height: usize,
        width: usize,
        pixels: Vec<u8>,
        labels: Vec<u8>,
    ) -> Result<Self, DataError> {
        let n = labels.len();
        let what = || format!("{n} images of {channels} channels of {height}x{width} pixels");
        let shape = |reason: String| Err(DataError::Shape { reason });
        if [n, channels, height, width].contains(&0) {
            return shape(format!("{}: at least one of each is needed", what()));
        }
        if product(&[n, channels, height, width]) != Some(pixels.len()) {
            return shape(format!("{} cannot hold {} bytes", what(), pixels.len()));
        }
        Ok(Self { channels, height, width, pixels, labels })
    }

    /// The number n of images, at least 1.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// False: there is at least one image.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The number C of channels: 1 for grey images, 3 for red, green and blue.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// The number H of rows of an image.
    pub fn height(&self) -> usize {
        self.height
    }

    /// The number W of columns of an image.
    pub fn width(&self) -> usize {
        self.width
    }

    /// All bytes, image by image, then channel by channel, then row by row.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// The classes y_1..y_n.
    pub fn labels(&self) -> &[u8] {
        &self.labels
    }

    /// The C * H * W bytes of image `i`.
    ///
    /// # Panics
    /// When there is no image `i`.
    pub fn image(&self, i: usize) -> &[u8] {
        assert!(i < self.len(), "image {i} of {}", self.len());
        let size = self.size();
        &self.pixels[i * size..(i + 1) * size]
    }

    /// The images `indices`, in that order; an index may occur more than once.
    ///
    /// # Panics
    /// When `indices` is empty or an index is not below the number of images.
    pub fn select(&self, indices: &[usize]) -> Self {
        assert!(!indices.is_empty(), "a selection of no images");
        let pixels = indices.iter().flat_map(|&i| self.image(i)).copied().collect();
        let labels = indices.iter().map(|&i| self.labels[i]).collect();
        Self { pixels, labels, ..*self }
    }

    /// The data set of these images, every channel shifted and scaled by `scales`, the labels as they are.
    ///
    /// Feature (c * H + y) * W + x is channel c of the pixel in row y and column x. With `side`, every image is first
    /// put into the middle of a square of that many rows and columns, which are the H and W of the features then: 28x28
    /// in 32x32 gets two rows and columns of margin all around. The margin continues the background: it has the value
    /// that `scales` give to the byte 0. (It is no part of the pixels that `scales` were taken of, so that the data set
    /// with margin has a mean below 0 and a variance other than 1 where 0 is the darkest byte.)
    ///
    /// Cost: 8 bytes for every feature of every example: 60,000 images of 32x32 pixels are 0.5 GB.
    ///
    /// # Errors
    /// When `scales` has another number of channels, `side` is less than H or W or differs from one of them by an odd
    /// number (no margin is the same on both sides then), or there is not enough memory.
    pub fn dataset(&self, scales: &ChannelScales, side: Option<usize>) -> Result<Dataset, DataError> {
        let shape = |reason: String| DataError::Shape { reason };
        let Self { channels, height, width, .. } = *self;
        if scales.n_channels() != channels {
            let n_scales = scales.n_channels();
            return Err(shape(format!(
                "scales of {n_scales} channels for images of {channels}: take them of such images"
            )));
        }
        let (rows, columns) = (side.unwrap_or(height), side.unwrap_or(width));
        let margin =
            |whole: usize, inner: usize| whole.checked_sub(inner).filter(|both| both % 2 == 0).map(|both| both / 2);
        let (Some(top), Some(left)) = (margin(rows, height), margin(columns, width)) else {
            return Err(shape(format!(
                "images of {height}x{width} pixels cannot get the same margin on both sides in a square of \
                 {rows}x{columns}: its side must be at least as long, and differ by an even number"
            )));
        };
        let n = self.len();
        let too_large =
            || shape(format!("no memory for {n} examples of {channels} channels of {rows}x{columns} pixels"));
        let n_values = product(&[n, channels, rows, columns]).ok_or_else(too_large)?;
        let mut inputs = Vec::new();
        inputs.try_reserve_exact(n_values).map_err(|_| too_large())?;
        for c in 0..channels {
            let table = scales.table(c);
            for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
                let (y, x) = (row.wrapping_sub(top), column.wrapping_sub(left));
                if y < height && x < width {
                    let pixels = self.pixels[(c * height + y) * width + x..].iter().step_by(self.size());
                    inputs.extend(pixels.map(|pixel| table[usize::from(*pixel)]));
                } else {
                    inputs.resize(inputs.len() + n, table[0]);
                }
            }
        }
        let labels = self.labels.iter().copied().map(f64::from).collect();
        Dataset::new(inputs, n, channels * rows * columns, labels)
    }

    /// The number of bytes of one image.
    fn size(&self) -> usize {
        self.channels * self.height * self.width
    }
}

/// The product, unless it overflows.
fn product(factors: &[usize]) -> Option<usize> {
    factors.iter().try_fold(1, |product: usize, factor| product.checked_mul(*factor))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two images of two channels of 2 x 3 pixels; the bytes count up.
    fn counting() -> Images {
        Images::new(2, 2, 3, (0..24).collect(), vec![4, 9]).expect("valid")
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        let message = |result: Result<Images, DataError>| result.expect_err("must be refused").to_string();
        let zero = "0 images of 1 channels of 2x2 pixels: at least one of each is needed";
        assert_eq!(message(Images::new(1, 2, 2, vec![], vec![])), zero);
        assert!(message(Images::new(1, 2, 0, vec![], vec![0])).ends_with("at least one of each is needed"));
        let bytes = "2 images of 1 channels of 2x2 pixels cannot hold 7 bytes";
        assert_eq!(message(Images::new(1, 2, 2, vec![0; 7], vec![0; 2])), bytes);
        assert!(message(Images::new(usize::MAX, 2, 2, vec![0; 8], vec![0])).ends_with("cannot hold 8 bytes"));
    }

    #[test]
    fn a_pixel_is_the_feature_of_its_channel_row_and_column() {
        let images = counting();
        let scales = ChannelScales::of(&images);
        let data = images.dataset(&scales, None).expect("fits");
        assert_eq!((data.n_examples(), data.n_features()), (2, 12));
        assert_eq!(data.labels(), [4.0, 9.0]);
        for (c, y, x) in [(0, 0, 0), (0, 1, 2), (1, 0, 1), (1, 1, 0)] {
            let at = (c * 2 + y) * 3 + x;
            let expected = [0, 12].map(|image| scales.standardised(c, (image + at) as u8));
            assert_eq!(data.feature(at), expected, "channel {c}, row {y}, column {x}");
        }
    }

    #[test]
    fn images_are_taken_whole() {
        let images = counting();
        assert_eq!((images.len(), images.is_empty(), images.image(1)), (2, false, &images.pixels()[12..]));
        let picked = images.select(&[1, 0, 1]);
        assert_eq!((picked.channels(), picked.height(), picked.width()), (2, 2, 3));
        assert_eq!(picked.labels(), [9, 4, 9]);
        assert_eq!(picked.image(0), images.image(1));
        assert_eq!(picked.image(1), images.image(0));
        assert_eq!(images.select(&[0, 1]), images);
    }

    #[test]
    fn a_margin_continues_the_background_on_all_sides() {
        let images = counting();
        let scales = ChannelScales::of(&images);
        let error = |side| images.dataset(&scales, Some(side)).expect_err("refused").to_string();
        // One size differs by an odd number whatever the side, or the square is too small.
        for side in [0, 1, 2, 3, 4, 5] {
            assert!(
                error(side).contains(&format!("in a square of {side}x{side}: its side must be")),
                "{}",
                error(side)
            );
        }
        let tall = Images::new(2, 1, 3, (0..12).collect(), vec![4, 9]).expect("valid");
        let data = tall.dataset(&scales, Some(5)).expect("fits");
        assert_eq!(data.n_features(), 50);
        for at in 0..50 {
            let (c, y, x) = (at / 25, at / 5 % 5, at % 5);
            let byte = |image: usize| if y == 2 && (1..4).contains(&x) { (image * 2 + c) * 3 + x - 1 } else { 0 };
            assert_eq!(data.feature(at), [0, 1].map(|image| scales.standardised(c, byte(image) as u8)), "feature {at}");
        }
        assert_eq!(tall.dataset(&scales, Some(3)).expect("fits").n_features(), 18);
        let huge = tall.dataset(&scales, Some(usize::MAX)).expect_err("refused").to_string();
        assert!(huge.starts_with("no memory for 2 examples of 2 channels of "), "{huge}");
        let grey = ChannelScales::of(&Images::new(1, 1, 1, vec![0], vec![0]).expect("valid"));
        assert!(
            images
                .dataset(&grey, None)
                .expect_err("refused")
                .to_string()
                .starts_with("scales of 1 channels for images of 2")
        );
    }
}
