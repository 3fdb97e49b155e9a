//! The rows in a whole JSON document.
//!
//! Known are a list of objects (pandas' `orient="records"`, MLflow's metrics), one inside of an object (`log_history`
//! of Hugging Face's `trainer_state.json`), the triples that TensorBoard downloads, and tables by column: pandas'
//! `to_json()`, `orient="index"` and `orient="split"`, or lists of equal lengths. Anything else is one row.

use std::borrow::Cow;

use super::file::Text;
use super::json::{Kind, Node};
use crate::lab::problem::ProblemError;
use crate::text::plain::listed;

const REMEDY: &str = "give a list of objects with a step and a value each, or CSV";

/// Finds the rows, objects all of them.
///
/// # Errors
/// When a list holds no objects, or several lists do and no telling which is meant.
pub(super) fn rows<'a>(file: &Text, document: Node<'a>) -> Result<Vec<Node<'a>>, ProblemError> {
    if let Some(items) = document.items() {
        if items.iter().all(|item| item.entries().is_some()) {
            return Ok(into_items(document));
        }
        let triple =
            |item: &Node<'_>| item.items().is_some_and(|list| list.len() == 3 && list.iter().all(Node::is_plain));
        if items.iter().all(triple) {
            return Ok(triples(document));
        }
        return Err(file.fault(document.at, None, "a list in JSON whose entries are no objects", REMEDY));
    }
    if document.entries().is_none() {
        return Err(file.fault(document.at, None, "a single value in JSON", REMEDY));
    }
    if let Some(table) = split(&document).or_else(|| by_columns(&document)) {
        return Ok(table);
    }
    let mut lists = Vec::new();
    lists_of_objects(&document, "", &mut lists);
    let history = lists.iter().position(|(name, _)| name == "log_history");
    match (history, lists.len()) {
        (Some(place), _) => Ok(lists.swap_remove(place).1.to_vec()),
        (None, 0) => Ok(vec![document]),
        (None, 1) => Ok(lists.remove(0).1.to_vec()),
        (None, _) => {
            let names = listed(lists.iter().map(|(name, _)| name.as_str()));
            let what = format!("several lists of objects, and no telling which is the log: {names}");
            Err(file.fault(document.at, None, &what, "save the one that is meant as a document of its own"))
        }
    }
}

fn into_items(list: Node<'_>) -> Vec<Node<'_>> {
    match list.kind {
        Kind::List(items) => items,
        _ => Vec::new(),
    }
}

/// [[wall time, step, value], ...]
fn triples(document: Node<'_>) -> Vec<Node<'_>> {
    let mut rows = into_items(document);
    for row in &mut rows {
        if let Kind::List(fields) = &mut row.kind {
            let names = ["Wall time", "Step", "Value"].map(Cow::Borrowed);
            row.kind = Kind::Object(names.into_iter().zip(std::mem::take(fields)).collect());
        }
    }
    rows
}

/// {"columns": [...], "index": [...], "data": [[...], ...]}
fn split<'a>(document: &Node<'a>) -> Option<Vec<Node<'a>>> {
    let find = |name: &str| document.entries()?.iter().find(|(key, _)| key == name)?.1.items();
    let (columns, data) = (find("columns")?, find("data")?);
    let names: Vec<Cow<'a, str>> = columns.iter().map(scalar).collect::<Option<_>>()?;
    let row = |item: &Node<'a>| {
        let fields = item.items().filter(|fields| fields.len() == names.len())?;
        let entries = names.iter().cloned().zip(fields.iter().cloned()).collect();
        Some(Node { at: item.at, kind: Kind::Object(entries) })
    };
    data.iter().map(row).collect()
}

fn scalar<'a>(node: &Node<'a>) -> Option<Cow<'a, str>> {
    match &node.kind {
        Kind::Scalar(text) => Some(text.clone()),
        _ => None,
    }
}

/// Columns as objects from an index, rows under their index, or columns as lists.
fn by_columns<'a>(document: &Node<'a>) -> Option<Vec<Node<'a>>> {
    let entries = document.entries()?;
    let index = |key: &str| !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_digit());
    if entries.iter().all(|(key, node)| index(key) && node.entries().is_some()) && !entries.is_empty() {
        return Some(entries.iter().map(|(_, node)| node.clone()).collect());
    }
    let indexed = |node: &Node<'_>| {
        node.entries()
            .is_some_and(|column| !column.is_empty() && column.iter().all(|(key, cell)| index(key) && cell.is_plain()))
    };
    if entries.len() > 1 && entries.iter().all(|(_, node)| indexed(node)) {
        let columns = entries.iter().map(|(name, node)| {
            (name.clone(), node.entries().unwrap_or_default().iter().map(|(_, cell)| cell).collect::<Vec<_>>())
        });
        return transposed(columns.collect());
    }
    let columns: Vec<_> = entries
        .iter()
        .filter_map(|(name, node)| Some((name.clone(), node.items()?)))
        .filter(|(_, items)| items.len() > 1 && items.iter().all(Node::is_plain))
        .map(|(name, items)| (name, items.iter().collect::<Vec<_>>()))
        .collect();
    if columns.len() > 1 { transposed(columns) } else { None }
}

/// Rows from columns; none if their lengths differ.
fn transposed<'a>(columns: Vec<(Cow<'a, str>, Vec<&Node<'a>>)>) -> Option<Vec<Node<'a>>> {
    let length = columns.first()?.1.len();
    if columns.iter().any(|(_, cells)| cells.len() != length) {
        return None;
    }
    let row = |k: usize| {
        let entries: Vec<_> = columns.iter().map(|(name, cells)| (name.clone(), cells[k].clone())).collect();
        Node { at: entries[0].1.at, kind: Kind::Object(entries) }
    };
    Some((0..length).map(row).collect())
}

/// The lists of objects within objects, with their names.
fn lists_of_objects<'n, 'a>(node: &'n Node<'a>, name: &str, found: &mut Vec<(String, &'n [Node<'a>])>) {
    for (key, node) in node.entries().unwrap_or_default() {
        let name = if name.is_empty() { key.to_string() } else { format!("{name}.{key}") };
        match node.items() {
            Some(items) if !items.is_empty() && items.iter().all(|item| item.entries().is_some()) => {
                found.push((name, items))
            }
            _ => lists_of_objects(node, &name, found),
        }
    }
}
