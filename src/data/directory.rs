//! Data sets in directories: the files of the published names, or what is there in their place.

use std::path::{Path, PathBuf};

use super::{DataError, Images, Part, cifar, idx};

/// The training or the test set in `dir`, which holds the files of MNIST's format (see
/// [`idx_directory`](super::idx_directory)) or of the binary version of CIFAR-10 (see
/// [`cifar10_directory`](super::cifar10_directory)), whichever is there. At most `most_bytes` bytes are taken into
/// memory.
///
/// ```no_run
/// use ratecheck::data::{Part, images_directory};
/// let train = images_directory("cifar-10-batches-bin".as_ref(), Part::Train, 1 << 30)?;
/// assert_eq!(train.channels(), 3);
/// # Ok::<(), ratecheck::data::DataError>(())
/// ```
///
/// # Errors
/// As the readers of both formats, and [`DataError::TooLarge`]. Where there is neither, the message names what there is
/// instead: files whose names are spelt in another way, a directory below that holds them, CIFAR-100, pickles of
/// Python, archives.
pub fn images_directory(dir: &Path, part: Part, most_bytes: u64) -> Result<Images, DataError> {
    let both = [Part::Train, Part::Test];
    let is_cifar = both.into_iter().flat_map(cifar::names).any(|name| stored(dir, name).is_some());
    let read = if is_cifar { cifar::directory_within } else { idx::directory_within };
    read(dir, part, most_bytes)
}

/// The file `name` in `dir`, or that with `.gz` appended where there is no plain one.
fn stored(dir: &Path, name: &str) -> Option<PathBuf> {
    [dir.join(name), dir.join(format!("{name}.gz"))].into_iter().find(|path| path.exists())
}

/// For every one of `names` the file in `dir`, or that with `.gz` appended where there is no plain one.
///
/// `origin` says where such files come from, for the message about those that are missing, if nothing better is known.
pub(super) fn find(dir: &Path, names: &[&str], origin: &str) -> Result<Vec<PathBuf>, DataError> {
    let unreadable = |reason: String| DataError::Unreadable { path: dir.to_owned(), reason };
    if !dir.is_dir() {
        let what = if dir.exists() { "this is not a directory" } else { "there is no such directory" };
        let wanted = names.join(", ");
        return Err(unreadable(format!("{what}; it should hold {wanted} (plain, or gzipped as .gz): {origin}")));
    }
    let missing: Vec<&str> = names.iter().copied().filter(|name| stored(dir, name).is_none()).collect();
    if missing.is_empty() {
        let found: Vec<PathBuf> = names.iter().filter_map(|name| stored(dir, name)).collect();
        // Nobody asked for it by name, and opening it would wait for a writer without end.
        if let Some(pipe) = found.iter().find(|path| is_pipe(path)) {
            let reason = "this is a pipe where a file is expected; name the files one by one".to_owned();
            return Err(DataError::Unreadable { path: pipe.clone(), reason });
        }
        return Ok(found);
    }
    let remedy = instead(dir, &missing).unwrap_or_else(|| origin.to_owned());
    let missing = missing.join(", ");
    Err(unreadable(format!("the directory has no {missing} (looked for plain, and gzipped as .gz): {remedy}")))
}

#[cfg(unix)]
fn is_pipe(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    path.metadata().is_ok_and(|about| about.file_type().is_fifo())
}

#[cfg(not(unix))]
fn is_pipe(_: &Path) -> bool {
    false
}

/// What a directory holds in the place of the files that are missing, and what to do.
fn instead(dir: &Path, missing: &[&str]) -> Option<String> {
    let entries = entries(dir);
    if let Some((name, wanted)) = alike(&entries, missing) {
        return Some(format!(
            "there is {name}, which should be called {wanted}; rename it, or name the files one by one"
        ));
    }
    let parts = [Part::Train, Part::Test];
    let known: Vec<&str> = parts.into_iter().flat_map(|part| [idx::names(part), cifar::names(part)].concat()).collect();
    if let Some(below) = below(dir, &known, DEEPEST) {
        return Some(format!("such files are in {}; give that directory", below.display()));
    }
    let has = |name: &str| entries.iter().any(|entry| entry.eq_ignore_ascii_case(name));
    let ends = |endings: &[&str]| {
        entries.iter().find(|entry| endings.iter().any(|ending| entry.to_ascii_lowercase().ends_with(ending)))
    };
    let binary =
        "unpack the binary version of CIFAR-10 (cifar-10-binary.tar.gz) and give its directory cifar-10-batches-bin";
    if has("fine_label_names.txt") || (has("train.bin") && has("test.bin")) {
        return Some(format!("these are the files of CIFAR-100, of which only CIFAR-10 is read; {binary}"));
    }
    if has("train") && has("test") && has("meta") {
        return Some(format!("these are the Python pickles of CIFAR-100, of which only CIFAR-10 is read; {binary}"));
    }
    if has("batches.meta") || has("data_batch_1") || has("test_batch") {
        return Some(format!("these are the Python pickles of CIFAR-10; {binary}"));
    }
    if let Some(matlab) = ends(&[".mat"]) {
        return Some(format!("{matlab} is a file of Matlab; {binary}"));
    }
    if let Some(archive) = ends(&[".tar.gz", ".tgz", ".tar", ".zip", ".7z"]) {
        return Some(format!("{archive} is an archive; unpack it, and give the directory of its files"));
    }
    let other = ends(&[".npz", ".npy", ".pkl", ".pickle", ".pt", ".parquet", ".png", ".jpg", ".jpeg", ".csv"])?;
    Some(format!(
        "{other} is of another format; only the IDX files of MNIST and the binary version of CIFAR-10 are read"
    ))
}

/// Directories are looked through down to this depth: `DIR/MNIST/raw` has two.
const DEEPEST: usize = 3;
/// And so many entries of each.
const MOST_ENTRIES: usize = 1000;

/// The names in a directory, in their order.
fn entries(dir: &Path) -> Vec<String> {
    let names = std::fs::read_dir(dir).into_iter().flatten().take(MOST_ENTRIES).flatten();
    let mut names: Vec<String> = names.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}

/// The first name that is one of those wanted, but for its dots, dashes and capitals.
fn alike<'a>(entries: &'a [String], wanted: &[&'a str]) -> Option<(&'a str, &'a str)> {
    let plain = |name: &str| {
        let name = name.to_ascii_lowercase().replace(['.', '_', ' '], "-");
        name.strip_suffix("-gz").map(str::to_owned).unwrap_or(name)
    };
    let twin = |entry: &'a String| Some((entry.as_str(), *wanted.iter().find(|name| plain(name) == plain(entry))?));
    entries.iter().find_map(twin)
}

/// The first directory below that holds one of the files, whatever way its name is spelt.
fn below(dir: &Path, wanted: &[&str], depth: usize) -> Option<PathBuf> {
    let mut inner = entries(dir).into_iter().map(|name| dir.join(name)).filter(|path| path.is_dir());
    inner.find_map(|path| match alike(&entries(&path), wanted) {
        Some(_) => Some(path),
        None if depth > 1 => below(&path, wanted, depth - 1),
        None => None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::stored::testing::Scratch;
    use super::*;

    #[test]
    fn missing_files_are_named() {
        let scratch = Scratch::new("directory");
        let b = scratch.write("b.gz", &[]);
        scratch.write("c.gz", &[]);
        let c = scratch.write("c", &[]);
        assert_eq!(find(&scratch.0, &["b", "c"], ""), Ok(vec![b, c.clone()]));
        let dir = scratch.0.display();
        let error = |dir: &Path| find(dir, &["a", "b", "d"], "get them").expect_err("missing").to_string();
        let expected = "the directory has no a, d (looked for plain, and gzipped as .gz): get them";
        assert_eq!(error(&scratch.0), format!("{dir}: {expected}"));
        let expected = "there is no such directory; it should hold a, b, d (plain, or gzipped as .gz): get them";
        assert_eq!(error(&scratch.0.join("none")), format!("{dir}/none: {expected}"));
        assert!(error(&c).contains("/c: this is not a directory; it should hold a, b, d"));
    }

    #[test]
    fn what_is_there_instead_is_named() {
        let said = |files: &[&str]| {
            let scratch = Scratch::new(&format!("instead-{}", files[0].replace('/', "-")));
            for file in files {
                let path = scratch.0.join(file);
                std::fs::create_dir_all(path.parent().expect("a directory")).expect("writable");
                std::fs::write(path, [0]).expect("writable");
            }
            let error = images_directory(&scratch.0, Part::Train, u64::MAX).expect_err("refused").to_string();
            error.replace(&scratch.0.display().to_string(), "DIR")
        };
        for (files, expected) in [
            (
                &["train-images.idx3-ubyte", "train-labels.idx1-ubyte"][..],
                "there is train-images.idx3-ubyte, which should be called train-images-idx3-ubyte; rename it",
            ),
            (&["MNIST/raw/train-images-idx3-ubyte.gz"], "such files are in DIR/MNIST/raw; give that directory"),
            (&["data/cifar-10-batches-bin/test_batch.bin"], "in DIR/data/cifar-10-batches-bin; give that directory"),
            (&["train.bin", "test.bin"], "these are the files of CIFAR-100"),
            (&["train", "test", "meta", "file.txt~"], "the Python pickles of CIFAR-100"),
            (&["data_batch_1", "batches.meta"], "these are the Python pickles of CIFAR-10; unpack the binary version"),
            (&["data_batch_1.mat"], "data_batch_1.mat is a file of Matlab"),
            (&["cifar-10-binary.tar.gz"], "cifar-10-binary.tar.gz is an archive; unpack it"),
            (&["mnist.npz"], "mnist.npz is of another format"),
            (&["notes.txt"], "or name them one by one"),
        ] {
            let said = said(files);
            assert!(said.starts_with("DIR: the directory has no train-images-idx3-ubyte,"), "{said}");
            assert!(said.contains(expected), "{said}");
        }
    }
}
