//! `kind = "images"`: a folder of pictures, one sub-folder a class; or a published set of images in a folder.

use std::ffi::OsStr;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use png::{ColorType, Decoder, Limits, Transformations};
use ratecheck::data::{Dataset, Images, Part, images_directory};

use super::data::{Labelled, known_labels};
use super::document::{Entry, Section};
use super::error::ProblemError;
use super::labels::{Labels, named_classes};
use crate::lab::budget;
use crate::text::plain::plain;
use crate::text::read_within;

/// Reads the folder that the section names.
pub(super) fn read(section: &Section<'_>, directory: &Path, labels: Labels) -> Result<Labelled, ProblemError> {
    let entry = section.required("directory", "give the path of a folder with a sub-folder for every class")?;
    let root = directory.join(entry.text()?);
    if let Some(part) = section.optional("part") {
        section.refuse("classes", "the labels of a published set are numbers")?;
        let part = part.choice(&[("train", Part::Train), ("test", Part::Test)])?;
        return published(&entry, &root, part, labels);
    }
    let pictures = listed(&entry, &root)?;
    let names: Vec<String> = pictures.iter().map(|(class, _)| class.clone()).collect();
    let classes = named_classes(section, labels)?;
    // Sub-folders are names of classes, and not numbers, whatever they are called.
    let found: Vec<&str> = {
        let mut found: Vec<&str> = names.iter().map(String::as_str).collect();
        found.dedup();
        found
    };
    let Some(n) = labels.classes() else {
        return Err(entry.fault("has classes, and one output takes numbers as labels", "choose another objective"));
    };
    if classes.is_none() && found.len() != n {
        let what =
            format!("has {} sub-folders ({}), but the network tells {n} classes apart", found.len(), shown(&found));
        return Err(entry.fault(what, "change the outputs of the network, or list all classes under data.classes"));
    }
    let classes = classes.as_deref().unwrap_or(&found);
    let numbered = labels.numbered(&names, Some(classes)).map_err(|misfit| {
        ProblemError::of_file(&pictures[misfit.at].1, misfit.what, "name every sub-folder there, or remove it")
    })?;
    let (pixels, channels) = pixels(&entry, &pictures)?;
    let n_examples = pictures.len();
    let of_one = pixels.len() / n_examples;
    let inputs = (0..of_one).flat_map(|j| (0..n_examples).map(move |i| (i, j)));
    let inputs = inputs.map(|(i, j)| pixels[i * of_one + j].into()).collect();
    let data = Dataset::new(inputs, n_examples, of_one, numbered.labels)
        .map_err(|error| entry.fault(error.to_string(), "give at least one picture"))?;
    Ok(Labelled { data, classes: numbered.classes, channels: Some(channels) })
}

fn shown(names: &[&str]) -> String {
    let some: Vec<_> = names.iter().take(5).map(|name| plain(name)).collect();
    some.join(", ") + if names.len() > 5 { ", ..." } else { "" }
}

/// IDX files, or those of CIFAR-10.
fn published(entry: &Entry<'_>, root: &Path, part: Part, labels: Labels) -> Result<Labelled, ProblemError> {
    let images = images_directory(root, part, budget::of_file())
        .map_err(|error| entry.fault(error.to_string(), "give the folder of MNIST, Fashion-MNIST or CIFAR-10"))?;
    fits(entry, images.len(), images.pixels().len())?;
    let inputs = (0..images.pixels().len() / images.len()).flat_map(|j| {
        let images = &images;
        (0..images.len()).map(move |i| f64::from(images.image(i)[j]))
    });
    let (n, channels) = (images.len(), images.channels());
    let of_one = images.pixels().len() / n;
    let data = Dataset::new(inputs.collect(), n, of_one, labels_of(&images))
        .map_err(|error| entry.fault(error.to_string(), "copy the files again"))?;
    let data = known_labels(entry, data, labels)?;
    Ok(Labelled { data, classes: Vec::new(), channels: Some(channels) })
}

fn labels_of(images: &Images) -> Vec<f64> {
    images.labels().iter().copied().map(f64::from).collect()
}

/// Whether the data fit into memory, as numbers and as a copy.
fn fits(entry: &Entry<'_>, n_images: usize, n_pixels: usize) -> Result<(), ProblemError> {
    let bytes = 2 * size_of::<f64>() as u128 * n_pixels as u128;
    budget::check(format!("{n_images} images of {} numbers", n_pixels / n_images.max(1)), bytes)
        .map_err(|error| entry.fault(error.what, error.remedy))
}

/// Every picture with the class whose folder it lies in, classes and names in the order of their bytes: the same on
/// every machine. What is hidden is none.
fn listed(entry: &Entry<'_>, root: &Path) -> Result<Vec<(String, PathBuf)>, ProblemError> {
    let unread = |path: &Path, error: std::io::Error| {
        entry.fault(
            format!("cannot read {}: {error}", path.display()),
            "give the path of a folder, relative to this file",
        )
    };
    let inside = |dir: &Path| -> Result<Vec<PathBuf>, ProblemError> {
        let entries = std::fs::read_dir(dir).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let mut paths: Vec<PathBuf> = entries.map_err(|error| unread(dir, error))?.iter().map(|e| e.path()).collect();
        let hidden = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        paths.retain(|path| !hidden(path));
        paths.sort();
        Ok(paths)
    };
    let mut pictures = Vec::new();
    for folder in inside(root)? {
        if !folder.is_dir() {
            if is_png(&folder) {
                let remedy = "put every picture into the sub-folder of its class";
                return Err(ProblemError::of_file(&folder, "lies in no sub-folder", remedy));
            }
            continue;
        }
        let Some(class) = folder.file_name().and_then(OsStr::to_str) else {
            return Err(ProblemError::of_file(&folder, "has a name that is no text", "rename it"));
        };
        let files = inside(&folder)?;
        if files.is_empty() {
            return Err(ProblemError::of_file(&folder, "holds no pictures", "put some into it, or remove it"));
        }
        for file in files {
            if !is_png(&file) {
                let remedy = "convert it to PNG, as with `magick mogrify -format png`, or remove it";
                return Err(ProblemError::of_file(&file, "is no .png", remedy));
            }
            pictures.push((class.to_owned(), file));
        }
    }
    if pictures.is_empty() {
        let what = format!("{} holds no sub-folders", root.display());
        return Err(entry.fault(what, "give a folder with a sub-folder for every class, and pictures in each"));
    }
    Ok(pictures)
}

fn is_png(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png"))
}

/// The brightness 0..=255 of every picture, channel by channel, and how many channels there are: one if all pictures
/// are grey, and three otherwise, with grey ones three times the same.
fn pixels(entry: &Entry<'_>, pictures: &[(String, PathBuf)]) -> Result<(Vec<f32>, usize), ProblemError> {
    let mut decoded: Vec<Picture> = Vec::with_capacity(pictures.len());
    for (_, path) in pictures {
        let picture = Picture::read(path)?;
        match decoded.first() {
            Some(first) if first.size != picture.size => {
                let ([width, height], [others_width, others_height]) = (picture.size, first.size);
                let (name, class) = (&pictures[0].1, "all pictures have one size");
                let what = format!(
                    "is {width}x{height} pixels, but {} is {others_width}x{others_height}: {class}",
                    plain(&name.to_string_lossy())
                );
                return Err(ProblemError::of_file(path, what, "scale or cut them before"));
            }
            None => {
                fits(entry, pictures.len(), pictures.len().saturating_mul(3 * picture.size.iter().product::<usize>()))?
            }
            _ => {}
        }
        decoded.push(picture);
    }
    let channels = decoded.iter().map(Picture::channels).max().unwrap_or(1);
    let mut pixels = Vec::new();
    for picture in decoded {
        let copies = channels / picture.channels();
        for _ in 0..copies {
            pixels.extend_from_slice(&picture.planes);
        }
    }
    Ok((pixels, channels))
}

/// A decoded picture: brightness 0..=255, channel by channel; of sixteen bits a byte and its fraction, rounded to `f32`.
struct Picture {
    /// Width and height.
    size: [usize; 2],
    planes: Vec<f32>,
}

impl Picture {
    fn channels(&self) -> usize {
        self.planes.len() / (self.size[0] * self.size[1])
    }

    fn read(path: &Path) -> Result<Self, ProblemError> {
        let about = |what: String, remedy: &str| ProblemError::of_file(path, what, remedy);
        let most = budget::of_file();
        let bytes = read_within(path, most)
            .map_err(|error| about(format!("cannot be read: {error}"), "give a picture in PNG"))?;
        let damaged =
            |error: png::DecodingError| about(format!("is no picture in PNG: {error}"), "save it again as PNG");
        let mut decoder =
            Decoder::new_with_limits(Cursor::new(bytes), Limits { bytes: usize::try_from(most).unwrap_or(usize::MAX) });
        // Palettes and fewer bits than eight become bytes.
        decoder.set_transformations(Transformations::EXPAND);
        let mut reader = decoder.read_info().map_err(damaged)?;
        let size = reader.output_buffer_size().filter(|&size| size as u64 <= most);
        let size =
            size.ok_or_else(|| about("is too large for the memory that may be taken".to_owned(), "scale it down"))?;
        let mut buffer = vec![0; size];
        let info = reader.next_frame(&mut buffer).map_err(damaged)?;
        let samples = info.color_type.samples();
        let wide = info.bit_depth == png::BitDepth::Sixteen;
        let sample = |at: usize| match wide {
            // 65535 is 257 times 255.
            true => f32::from(u16::from_be_bytes([buffer[2 * at], buffer[2 * at + 1]])) / 257.0,
            false => f32::from(buffer[at]),
        };
        let n = info.width as usize * info.height as usize;
        let has_alpha = matches!(info.color_type, ColorType::GrayscaleAlpha | ColorType::Rgba);
        if has_alpha && (0..n).any(|pixel| sample(pixel * samples + samples - 1) < 255.0) {
            let remedy = "save it without an alpha channel, on the background that it is meant to have";
            return Err(about("is transparent in places".to_owned(), remedy));
        }
        let channels = samples - usize::from(has_alpha);
        let planes = (0..channels).flat_map(|c| (0..n).map(move |pixel| pixel * samples + c)).map(sample).collect();
        Ok(Self { size: [info.width as usize, info.height as usize], planes })
    }
}
