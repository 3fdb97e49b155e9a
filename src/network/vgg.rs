//! The network of the paper's experiments.

use super::{Convolution, Convolutions, Image};

/// The paper's stages, each pooled at its end: how many layers, and how many filters in each.
const STAGES: [(usize, usize); 5] = [(2, 64), (3, 128), (3, 256), (3, 512), (3, 512)];
/// The units of the dense layer between the filters and the classes.
const DENSE: usize = 512;

impl Convolutions {
    /// The layers of appendix D: 2 x conv64, pooling, 3 x conv128, pooling, 3 x conv256, pooling, 3 x conv512, pooling,
    /// 3 x conv512, pooling, then fc512 and fc10. `width` multiplies the numbers of filters and units (1 is the
    /// paper's); of the five stages as many are built as the image can be halved, all of them for 32x32. Returns the
    /// filters, and the units of the dense layer before the classes.
    ///
    /// ```
    /// use ratecheck::network::{Convolutions, Image};
    /// let (filters, dense) = Convolutions::vgg(Image { channels: 3, height: 32, width: 32 }, 1.0);
    /// assert_eq!((filters.layers.len(), filters.layers[13].filters, dense), (14, 512, 512));
    /// // 8x8 digits, narrow: 2 x conv4, 3 x conv8, 3 x conv16, fc32.
    /// let (filters, dense) = Convolutions::vgg(Image { channels: 1, height: 8, width: 8 }, 1.0 / 16.0);
    /// assert_eq!((filters.layers.len(), filters.layers[7].filters, dense), (8, 16, 32));
    /// ```
    pub fn vgg(image: Image, width: f64) -> (Self, usize) {
        let wide = |n: usize| ((n as f64 * width).round() as usize).max(1);
        let halvings = image.height.min(image.width).max(1).ilog2() as usize;
        let layer = |(depth, filters): (usize, usize)| {
            (1..=depth).map(move |k| Convolution { filters: wide(filters), pooled: k == depth })
        };
        (Self { image, layers: STAGES.into_iter().take(halvings).flat_map(layer).collect() }, wide(DENSE))
    }
}
