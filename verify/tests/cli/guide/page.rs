//! A page of the guide, cut into its blocks.

use std::path::{Path, PathBuf};

/// What a fenced block of a page is for; its info string says which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `sh`: lines that are run.
    Shell,
    /// `text output`: what the last command of the block above prints.
    Output,
    /// `LANGUAGE (NAME)`: a file that commands further down need.
    /// Documentation tests take what is in parentheses for a comment.
    File(String),
    /// `rust`: an example, compiled and run as a documentation test of the engine.
    Rust,
    /// `text`: a picture or a formula.
    Text,
}

/// One fenced block.
#[derive(Debug)]
pub(super) struct Block {
    /// The page and the line of the opening fence.
    pub(super) at: String,
    pub(super) kind: Kind,
    pub(super) text: String,
}

/// A page of the guide.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) path: PathBuf,
    pub(super) text: String,
}

/// The root of the repository.
pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every page, in the order of their names.
pub(super) fn pages() -> Vec<Page> {
    let entries = std::fs::read_dir(root().join("docs/guide")).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(
        paths.iter().all(|path| path.extension().is_some_and(|end| end == "md")),
        "no page of the guide: {paths:?}"
    );
    paths.into_iter().map(|path| Page { text: std::fs::read_to_string(&path).unwrap(), path }).collect()
}

impl Page {
    pub(super) fn name(&self) -> &str {
        self.path.file_name().unwrap().to_str().unwrap()
    }

    /// The blocks, from top to bottom.
    ///
    /// # Panics
    /// If a block says nothing or something unknown about itself: then nobody would test it.
    pub(super) fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut open: Option<Block> = None;
        for (number, line) in self.text.lines().enumerate() {
            match (line.strip_prefix("```"), &mut open) {
                (Some(info), None) => {
                    let at = format!("{}:{}", self.name(), number + 1);
                    let kind = kind(info).unwrap_or_else(|| panic!("{at}: no test knows what to do with ```{info}"));
                    open = Some(Block { at, kind, text: String::new() });
                }
                (Some(_), Some(_)) => blocks.extend(open.take()),
                (None, Some(block)) => block.text += &format!("{line}\n"),
                // Documentation tests take indented lines for Rust, and nobody else would test them.
                (None, None) => assert!(!line.starts_with("    "), "{}:{}: indented", self.name(), number + 1),
            }
        }
        assert!(open.is_none(), "a block does not end: {open:?}");
        blocks
    }

    /// The text outside of the blocks.
    pub(super) fn prose(&self) -> String {
        self.text.split("\n```").step_by(2).collect()
    }
}

fn kind(info: &str) -> Option<Kind> {
    if let Some((_, name)) = info.split_once(" (") {
        return name.strip_suffix(')').map(|name| Kind::File(name.to_owned()));
    }
    match info {
        "sh" => Some(Kind::Shell),
        "text output" => Some(Kind::Output),
        "rust" => Some(Kind::Rust),
        "text" => Some(Kind::Text),
        _ => None,
    }
}
