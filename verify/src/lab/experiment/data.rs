//! Where images come from.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ratecheck::data::{ChannelScales, DataError, Dataset, Images, Part, digits, idx_within, images_directory};
use ratecheck::network::{Image, NetworkError};
use ratecheck::random::Seed;

use super::fault::Fault;
use super::plan::Plan;
use super::task::Task;
use crate::claim::instances::shuffle;
use crate::lab::budget;

/// Where Debian's package `dataset-fashion-mnist` puts Fashion-MNIST: 60,000 + 10,000 images of 28x28 (MIT licence).
pub const FASHION_MNIST: &str = "/usr/share/datasets/fashion-mnist";

/// A data set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataSource {
    /// The 1,797 bundled digits of 8x8.
    Digits,
    /// A directory with the files of MNIST's format or of the binary version of CIFAR-10, whichever is there.
    Directory(PathBuf),
    /// IDX files of any name: training images and labels, test images and labels.
    Files([PathBuf; 4]),
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

    /// The same from any working directory.
    ///
    /// # Errors
    /// If the working directory is unknown.
    pub(super) fn absolute(self) -> std::io::Result<Self> {
        Ok(match self {
            Self::Digits => Self::Digits,
            Self::Directory(path) => Self::Directory(std::path::absolute(path)?),
            Self::Files([a, b, c, d]) => {
                let whole = |path: PathBuf| std::path::absolute(path);
                Self::Files([whole(a)?, whole(b)?, whole(c)?, whole(d)?])
            }
        })
    }

    /// For people: `digits`, or the paths.
    pub fn text(&self) -> String {
        match self {
            Self::Digits => "digits".to_owned(),
            Self::Directory(path) => path.display().to_string(),
            Self::Files(files) => files.each_ref().map(|path| path.display().to_string()).join(", "),
        }
    }

    /// The line of a plan.
    pub(super) fn toml(&self) -> String {
        let text = |path: &Path| toml::Value::from(path.display().to_string()).to_string();
        match self {
            Self::Digits => "source = \"digits\"".to_owned(),
            Self::Directory(path) => format!("source = {}", text(path)),
            Self::Files(files) => format!("files = [{}]", files.each_ref().map(|path| text(path)).join(", ")),
        }
    }

    /// How many examples there are to train and to test with.
    fn read(&self) -> Result<Halves, DataError> {
        let most = budget::of_file();
        match self {
            Self::Digits => Ok(Halves::Digits(digits().standardised())),
            Self::Directory(dir) => {
                let [train, test] = [Part::Train, Part::Test].map(|part| images_directory(dir, part, most));
                Ok(Halves::Images(train?, test?))
            }
            Self::Files([images, labels, test_images, test_labels]) => {
                Ok(Halves::Images(idx_within(images, labels, most)?, idx_within(test_images, test_labels, most)?))
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
    /// Files that cannot be read, halves or labels that do not fit together, more examples asked for than are there, or
    /// more memory needed than may be taken.
    pub fn task(&self) -> Result<Task, Fault> {
        let halves = self.source.read()?;
        let draws = |part: &str| Seed::new(self.subset_seed).generator(&format!("experiment/{part}"));
        let some = |part: &str, key: &'static str, wanted: usize, there: usize| {
            if wanted > there {
                let what = format!("{} has {there} images to {part} with, {wanted} are asked for", self.source.text());
                return Err(Fault::new(["data", key], what, "ask for fewer"));
            }
            let mut order: Vec<usize> = (0..there).collect();
            shuffle(&mut order, &mut draws(part));
            order.truncate(wanted);
            Ok(order)
        };
        let (image, n_classes, train, test) = match halves {
            Halves::Digits(data) => {
                if self.side.is_some() {
                    let what = "the digits are 8x8 and have no margin";
                    return Err(Fault::new(["data", "side"], what, "leave side out"));
                }
                let image = Image { channels: 1, height: 8, width: 8 };
                self.check_memory(image, 10)?;
                let order = some("train and test", "train", self.n_train + self.n_test, data.n_examples())?;
                let (train, test) = order.split_at(self.n_train);
                (image, 10, data.select(train), data.select(test))
            }
            Halves::Images(train, test) => {
                same_size(&train, &test)?;
                let image = Image {
                    channels: train.channels(),
                    height: self.side.unwrap_or(train.height()),
                    width: self.side.unwrap_or(train.width()),
                };
                let n_classes = self.classes(&train, &test)?;
                let scales = ChannelScales::of(&train);
                let chosen = [
                    some("train", "train", self.n_train, train.len())?,
                    some("test", "test", self.n_test, test.len())?,
                ];
                self.check_memory(image, n_classes)?;
                let of = |images: &Images, chosen: &[usize]| {
                    images.select(chosen).dataset(&scales, self.side).map_err(|error| {
                        let what = format!("{}: {error}", self.source.text());
                        Fault::new(["data", "side"], what, "change side, or leave it out")
                    })
                };
                (image, n_classes, of(&train, &chosen[0])?, of(&test, &chosen[1])?)
            }
        };
        let task = Task {
            image,
            n_classes,
            train: Arc::new(train),
            test: Arc::new(test),
            width: self.width,
            batch: self.batch,
            n_epochs: self.n_epochs,
            precision: self.precision,
        };
        let remedy = "side = 32 puts images into a margin that can be halved five times";
        let unfit =
            |error: NetworkError| Fault::new(["data", "source"], format!("{}: {error}", self.source.text()), remedy);
        task.network(super::Setting::Sgd).map_err(unfit)?;
        for (key, value) in [("train", task.guess().loss), ("test", 1.0 - task.guess().accuracy)] {
            if !(value > 0.0) {
                let what =
                    format!("the images chosen to {key} with are all of one class: there is nothing to tell apart");
                return Err(Fault::new(["data", key], what, "take more of them, or other images"));
            }
        }
        Ok(task)
    }

    /// Whether the data sets and one training fit into the budget.
    fn check_memory(&self, image: Image, n_classes: usize) -> Result<(), Fault> {
        let Image { channels, height, width } = image;
        let numbers = (self.n_train as u128 + self.n_test as u128)
            * [channels, height, width].map(|n| n as u128).iter().product::<u128>();
        let what = format!("{} images of {channels} x {height} x {width}", self.n_train + self.n_test);
        let images = size_of::<f64>() as u128 * numbers;
        budget::check(what, images)?;
        let training = Task::bytes(image, n_classes, self.width, self.batch);
        let what = format!("a training at {} times the paper's width, with minibatches of {},", self.width, self.batch);
        budget::check(what, images + training)
            .map_err(|error| Fault::new(["experiment", "width"], error.what, error.remedy))
    }

    /// The classes 0..K-1, each of which has training images: a label that is far above the others is a damaged one.
    fn classes(&self, train: &Images, test: &Images) -> Result<usize, Fault> {
        let place = self.source.text();
        let mut counts = [0; 256];
        train.labels().iter().for_each(|&label| counts[usize::from(label)] += 1);
        let labels = [("training", train), ("test", test)].map(|(half, of)| {
            let at = (0..of.len()).rev().max_by_key(|&i| of.labels()[i]).unwrap_or(0);
            (of.labels()[at], format!("{half} image {at}"))
        });
        let (largest, image) = if labels[1].0 > labels[0].0 { &labels[1] } else { &labels[0] };
        let seen = usize::from(*largest) + 1;
        let n_classes = self.n_classes.unwrap_or(seen);
        if seen > n_classes {
            let what = format!(
                "{image} of {place} has the label {largest}, which is none of the classes 0 to {}",
                n_classes - 1
            );
            return Err(Fault::new(["data", "classes"], what, "correct the label, or count more classes"));
        }
        if counts.iter().filter(|&&n| n > 0).count() < 2 {
            let what = format!(
                "every training image of {place} has the label {}: there is nothing to tell apart",
                train.labels()[0]
            );
            return Err(Fault::new(["data", "source"], what, "give images of two classes or more"));
        }
        let empty = counts[..n_classes].iter().filter(|&&n| n == 0).count();
        if empty > 0 && self.n_classes.is_none() {
            let what = format!(
                "{image} of {place} has the label {largest}, but {empty} of the classes 0 to {largest} have no \
                 training image"
            );
            let remedy = format!(
                "correct the labels; if they are meant, write classes = {seen} in [data] of a plan (--print-plan \
                 prints one)"
            );
            return Err(Fault::new(["data", "source"], what, remedy));
        }
        Ok(n_classes)
    }
}

/// Both halves show what was taken in the same way.
fn same_size(train: &Images, test: &Images) -> Result<(), Fault> {
    let sizes = [train, test].map(|of| (of.channels(), of.height(), of.width()));
    if sizes[0] == sizes[1] {
        return Ok(());
    }
    let [of_train, of_test] = sizes.map(|(channels, height, width)| format!("{channels} x {height} x {width}"));
    let what = format!("the training images are {of_train} (channels, rows, columns), and the test images {of_test}");
    Err(Fault::new(["data", "source"], what, "take both from one data set"))
}
