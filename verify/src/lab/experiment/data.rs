//! Where images come from.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ratecheck::data::{ChannelScales, DataError, Dataset, Images, Part, cifar10_directory, digits, idx_directory};
use ratecheck::network::{Image, NetworkError};
use ratecheck::random::Seed;

use super::plan::Plan;
use super::task::Task;
use crate::claim::instances::shuffle;

/// Where Debian's package `dataset-fashion-mnist` puts Fashion-MNIST: 60,000 + 10,000 images of 28x28 (MIT licence).
pub const FASHION_MNIST: &str = "/usr/share/datasets/fashion-mnist";

/// A data set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataSource {
    /// The 1,797 bundled digits of 8x8.
    Digits,
    /// A directory with the files of MNIST's format or of the binary version of CIFAR-10, whichever is there.
    Directory(PathBuf),
}

impl DataSource {
    /// Fashion-MNIST where it is installed, else the digits.
    pub fn found() -> Self {
        let path = Path::new(FASHION_MNIST);
        if path.is_dir() { Self::Directory(path.to_owned()) } else { Self::Digits }
    }

    /// `digits`, or the path of a directory.
    pub fn parse(text: &str) -> Self {
        if text == "digits" { Self::Digits } else { Self::Directory(text.into()) }
    }

    /// What [`DataSource::parse`] reads back.
    pub fn text(&self) -> String {
        match self {
            Self::Digits => "digits".to_owned(),
            Self::Directory(path) => path.display().to_string(),
        }
    }

    /// How many examples there are to train and to test with.
    fn read(&self) -> Result<Halves, DataError> {
        match self {
            Self::Digits => Ok(Halves::Digits(digits().standardised())),
            Self::Directory(dir) => {
                let is_cifar = ["test_batch.bin", "test_batch.bin.gz", "data_batch_1.bin", "data_batch_1.bin.gz"]
                    .iter()
                    .any(|name| dir.join(name).exists());
                let read = if is_cifar { cifar10_directory } else { idx_directory };
                Ok(Halves::Images(read(dir, Part::Train)?, read(dir, Part::Test)?))
            }
        }
    }
}

/// What is there to train and to test with.
enum Halves {
    /// Both come from one set.
    Digits(Dataset),
    /// The published halves.
    Images(Images, Images),
}

impl Plan {
    /// The task: subsets that the seed of the data determines, standardised channel by channel as the training images
    /// are, inside a margin where the plan says so.
    ///
    /// # Errors
    /// A sentence that names the file or the key, and the remedy: files that cannot be read,
    /// or more examples asked for than are there.
    pub fn task(&self) -> Result<Task, String> {
        let halves = self.source.read().map_err(|error| error.to_string())?;
        let draws = |part: &str| Seed::new(self.subset_seed).generator(&format!("experiment/{part}"));
        let some = |part: &str, wanted: usize, there: usize| {
            if wanted > there {
                let place = self.source.text();
                return Err(format!(
                    "{place} has {there} images to {part} with, {wanted} are asked for; ask for fewer"
                ));
            }
            let mut order: Vec<usize> = (0..there).collect();
            shuffle(&mut order, &mut draws(part));
            order.truncate(wanted);
            Ok(order)
        };
        let (image, train, test) = match halves {
            Halves::Digits(data) => {
                if self.side.is_some() {
                    return Err("the digits are 8x8 and have no margin; leave side out".to_owned());
                }
                let order = some("train and test", self.n_train + self.n_test, data.n_examples())?;
                let (train, test) = order.split_at(self.n_train);
                (Image { channels: 1, height: 8, width: 8 }, data.select(train), data.select(test))
            }
            Halves::Images(train, test) => {
                let image = Image {
                    channels: train.channels(),
                    height: self.side.unwrap_or(train.height()),
                    width: self.side.unwrap_or(train.width()),
                };
                let scales = ChannelScales::of(&train);
                let of = |images: &Images, part: &str, n: usize| {
                    let chosen = images.select(&some(part, n, images.len())?);
                    chosen.dataset(&scales, self.side).map_err(|error| format!("{}: {error}", self.source.text()))
                };
                (image, of(&train, "train", self.n_train)?, of(&test, "test", self.n_test)?)
            }
        };
        let largest = train.labels().iter().chain(test.labels()).fold(1.0_f64, |most, &label| most.max(label));
        let task = Task {
            image,
            n_classes: largest as usize + 1,
            train: Arc::new(train),
            test: Arc::new(test),
            width: self.width,
            batch: self.batch,
            n_epochs: self.n_epochs,
            precision: self.precision,
        };
        let remedy = "side = 32 puts images into a margin that can be halved five times";
        let unfit = |error: NetworkError| format!("{}: {error}; {remedy}", self.source.text());
        task.network(super::Setting::Sgd).map_err(unfit)?;
        Ok(task)
    }
}
