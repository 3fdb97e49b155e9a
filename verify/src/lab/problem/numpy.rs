//! `kind = "numpy"`: features or images in one array of NumPy, and labels in another.

use std::path::{Path, PathBuf};

use ratecheck::data::{DataError, Dataset};

use super::data::Labelled;
use super::document::{Entry, Section};
use super::error::ProblemError;
use super::labels::{Labels, named_classes};
use super::npy::{Fault, NumPy};
use crate::lab::budget;
use crate::text::read_within;

/// Reads the arrays that the section names.
pub(super) fn read(section: &Section<'_>, directory: &Path, labels: Labels) -> Result<Labelled, ProblemError> {
    let inputs_at =
        section.required("inputs", "name the array of the inputs, as \"x.npy\", or as \"x\" beside file")?;
    let labels_at =
        section.required("labels", "name the array of the labels, as \"y.npy\", or as \"y\" beside file")?;
    let archive = section.optional("file").map(|entry| Archive::read(&entry, directory)).transpose()?;
    let (inputs_file, inputs) = array(&inputs_at, archive.as_ref(), directory)?;
    let (labels_file, names) = array(&labels_at, archive.as_ref(), directory)?;
    let of_inputs = |what: String, remedy: &str| ProblemError::of_file(&inputs_file, what, remedy);
    if !inputs.is_real() {
        return Err(of_inputs("holds text where numbers are expected".to_owned(), "give the array of the inputs"));
    }
    let shape = &inputs.shape;
    let (axes, channels) = axes(section, &inputs_at, &inputs)?;
    let n = shape[0];
    let of_one: usize = axes.iter().map(|&axis| shape[axis]).product();
    if n == 0 || of_one == 0 {
        return Err(of_inputs(format!("has the shape {shape:?}"), "give at least one example and one feature"));
    }
    let labelled = match names.shape[..] {
        [m] | [m, 1] if m == n => m,
        _ => {
            let what = format!("has the shape {:?}, and the inputs are {n} examples", names.shape);
            return Err(ProblemError::of_file(&labels_file, what, "give one label per example"));
        }
    };
    let last = names.shape.len() - 1;
    let at = |i: usize| if last == 0 { vec![i] } else { vec![i, 0] };
    let names: Vec<String> = (0..labelled).map(|i| names.text(&at(i)).unwrap_or_default()).collect();
    let classes = named_classes(section, labels)?;
    let numbered = labels.numbered(&names, classes.as_deref()).map_err(|misfit| ProblemError {
        key: Some(format!("label {}", misfit.at)),
        ..ProblemError::of_file(&labels_file, misfit.what, misfit.remedy)
    })?;
    // Feature by feature, in the order of the axes: the last varies fastest.
    let mut values = Vec::with_capacity(n * of_one);
    let mut place = vec![0; shape.len()];
    for feature in 0..of_one {
        let mut rest = feature;
        for &axis in axes.iter().rev() {
            place[axis] = rest % shape[axis];
            rest /= shape[axis];
        }
        for i in 0..n {
            place[0] = i;
            values.push(inputs.real(&place).unwrap_or(f64::NAN));
        }
    }
    let data = Dataset::new(values, n, of_one, numbered.labels).map_err(|error| match error {
        DataError::NotFinite { place, value } => {
            of_inputs(format!("{place} is {value}, not a finite number"), "save finite numbers")
        }
        error => of_inputs(error.to_string(), "give arrays that belong together"),
    })?;
    Ok(Labelled { data, classes: numbered.classes, channels })
}

/// An archive, read once.
struct Archive {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl Archive {
    fn read(entry: &Entry<'_>, directory: &Path) -> Result<Self, ProblemError> {
        let path = directory.join(entry.text()?);
        let bytes = bytes_of(entry, &path, "give the path of an archive of NumPy (.npz), relative to this file")?;
        Ok(Self { path, bytes })
    }
}

fn bytes_of(entry: &Entry<'_>, path: &Path, remedy: &str) -> Result<Vec<u8>, ProblemError> {
    read_within(path, budget::of_file())
        .map_err(|error| entry.fault(format!("cannot read {}: {error}", path.display()), remedy))
}

/// An array, and the file it is from.
fn array(entry: &Entry<'_>, archive: Option<&Archive>, directory: &Path) -> Result<(PathBuf, NumPy), ProblemError> {
    let name = entry.text()?;
    let about = |path: &Path, Fault { what, remedy }: Fault| ProblemError::of_file(path, what, remedy);
    if let Some(Archive { path, bytes }) = archive {
        let found = NumPy::in_archive(bytes, name, budget::of_file()).map_err(|fault| about(path, fault))?;
        return Ok((path.clone(), found));
    }
    let path = directory.join(name);
    let bytes = bytes_of(entry, &path, "give the path of an array of NumPy (.npy), relative to this file")?;
    if bytes.starts_with(b"PK") {
        let remedy = "name it in data.file, and its arrays in data.inputs and data.labels";
        return Err(ProblemError::of_file(&path, "is an archive of arrays", remedy));
    }
    let found = NumPy::parse(&bytes).map_err(|fault| about(&path, fault))?;
    Ok((path, found))
}

/// The axes of a feature in the order in which features are numbered (channel, row, column), and how many channels
/// there are where they are images.
fn axes(section: &Section<'_>, inputs: &Entry<'_>, array: &NumPy) -> Result<(Vec<usize>, Option<usize>), ProblemError> {
    let shape = &array.shape;
    if shape.len() != 4 {
        section.refuse(
            "channels",
            &format!("the inputs have the shape {shape:?}, in which there is no axis of channels"),
        )?;
    }
    match shape.len() {
        2 => Ok((vec![1], None)),
        3 => Ok((vec![1, 2], Some(1))),
        4 => {
            let first = [("first", true), ("last", false)];
            let remedy = format!(
                "the inputs have the shape {shape:?}: say channels = \"first\" for (example, channel, row, column), or \
                 \"last\""
            );
            match section.required("channels", &remedy)?.choice(&first)? {
                true => Ok((vec![1, 2, 3], Some(shape[1]))),
                false => Ok((vec![3, 1, 2], Some(shape[3]))),
            }
        }
        n => {
            let what = format!("has {n} axes, as shape {shape:?}");
            let remedy = "give (example, feature), (example, row, column), or four axes with channels";
            Err(inputs.fault(what, remedy))
        }
    }
}
