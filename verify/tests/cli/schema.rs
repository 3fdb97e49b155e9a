//! `ratecheck schema`: the schema and the files it describes, held against each other.
//!
//! The validator knows the words that the schema uses and no others, so that the schema cannot say what nobody checks.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::{code, ratecheck};

/// Holds values against a schema.
struct Validator<'a> {
    root: &'a Value,
    /// The properties that were met, as `claim.margin`.
    met: BTreeSet<String>,
}

impl<'a> Validator<'a> {
    /// What is wrong with the value, if anything.
    fn check(&mut self, value: &Value, schema: &'a Value, name: &str, at: &str) -> Result<(), String> {
        let wrong = |what: String| Err(format!("{at}: {what}"));
        let items = value.as_array();
        for (word, rule) in schema.as_object().unwrap() {
            match word.as_str() {
                "description" | "title" | "$schema" | "$defs" | "required" | "additionalProperties" => {}
                "$ref" => {
                    let name = rule.as_str().unwrap().strip_prefix("#/$defs/").unwrap();
                    self.check(value, &self.root["$defs"][name], name, at)?;
                }
                "type" => {
                    let fits = match rule.as_str().unwrap() {
                        "object" => value.is_object(),
                        "array" => value.is_array(),
                        "string" => value.is_string(),
                        "number" => value.is_number(),
                        "integer" => value.is_u64() || value.is_i64(),
                        "null" => value.is_null(),
                        other => unreachable!("{other}"),
                    };
                    if !fits {
                        return wrong(format!("{value} is no {rule}"));
                    }
                }
                "const" if value != rule => return wrong(format!("{value} is not {rule}")),
                "enum" if !rule.as_array().unwrap().contains(value) => {
                    return wrong(format!("{value} is none of {rule}"));
                }
                "const" | "enum" => {}
                "minimum" if value.as_f64().is_some_and(|x| x < rule.as_f64().unwrap()) => {
                    return wrong(format!("{value} is below {rule}"));
                }
                "minItems" if items.is_some_and(|items| items.len() < rule.as_u64().unwrap() as usize) => {
                    return wrong("too few".to_owned());
                }
                "maxItems" if items.is_some_and(|items| items.len() > rule.as_u64().unwrap() as usize) => {
                    return wrong("too many".to_owned());
                }
                "minimum" | "minItems" | "maxItems" => {}
                "anyOf" => {
                    let found: Vec<_> =
                        rule.as_array().unwrap().iter().map(|one| self.check(value, one, name, at)).collect();
                    if found.iter().all(Result::is_err) {
                        return wrong(format!("none of {found:?}"));
                    }
                }
                "items" => {
                    for (i, item) in items.into_iter().flatten().enumerate() {
                        self.check(item, rule, name, &format!("{at}[{i}]"))?;
                    }
                }
                "properties" => self.properties(value, schema, name, at)?,
                other => panic!("the schema says `{other}`, which this validator does not know"),
            }
        }
        Ok(())
    }

    fn properties(&mut self, value: &Value, schema: &'a Value, name: &str, at: &str) -> Result<(), String> {
        assert_eq!(schema["additionalProperties"], Value::Bool(false), "{name}: what is not described is not there");
        let Some(object) = value.as_object() else { return Err(format!("{at}: no object")) };
        let required = schema["required"].as_array().unwrap().iter().map(|key| key.as_str().unwrap());
        if let Some(missing) = required.into_iter().find(|key| !object.contains_key(*key)) {
            return Err(format!("{at}: `{missing}` is missing"));
        }
        for (key, value) in object {
            let Some(rule) = schema["properties"].get(key) else {
                return Err(format!("{at}: `{key}` is undocumented"));
            };
            self.met.insert(format!("{name}.{key}"));
            self.check(value, rule, key, &format!("{at}.{key}"))?;
        }
        Ok(())
    }
}

/// Every object of the schema, by name.
fn objects(schema: &Value) -> Vec<(&str, &Value)> {
    let definitions = schema["$defs"].as_object().unwrap().iter().map(|(name, one)| (name.as_str(), one));
    std::iter::once(("root", schema)).chain(definitions).filter(|(_, one)| one.get("properties").is_some()).collect()
}

fn schema() -> Value {
    let output = ratecheck(&["schema"], Path::new("."));
    assert_eq!(code(&output), 0);
    let committed = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/results.schema.json");
    assert_eq!(output.stdout, std::fs::read(committed).unwrap());
    serde_json::from_slice(&output.stdout).unwrap()
}

fn results(claims: &[&str]) -> Value {
    let directory = tempfile::tempdir().unwrap();
    let arguments = [&["verify", "--json"][..], claims].concat();
    let output = ratecheck(&arguments, directory.path());
    assert_eq!(code(&output), 0);
    let written = std::fs::read(directory.path().join("reports/latest/results.json")).unwrap();
    assert_eq!(written, output.stdout, "--json prints what is written");
    serde_json::from_slice(&written).unwrap()
}

pub(super) fn describes_what_is_written() {
    let schema = schema();
    // A run with replays, premises, slopes, bands, windows and noise floors.
    let results =
        results(&["lemma-b.1", "lemma-b.4", "theorem-3.1", "theorem-3.1-rate", "theorem-4.2-rate", "lemma-c.2"]);
    let mut validator = Validator { root: &schema, met: BTreeSet::new() };
    assert_eq!(validator.check(&results, &schema, "root", "results"), Ok(()));
    // And one of a problem.
    let of_problem = self::results(&["--instance", "rayleigh", "lemma-2.2", "--out", "reports/latest"]);
    assert_eq!(validator.check(&of_problem, &schema, "root", "results"), Ok(()));
    // Everything that is described is met, but for what such a run has not.
    // `appendix-d` alone is measured in a reduced setting, and takes too long here.
    let absent = ["claim.reason", "claim.reduced", "axis.names", "root.pending"];
    for (name, object) in objects(&schema) {
        for (key, rule) in object["properties"].as_object().unwrap() {
            let full = format!("{name}.{key}");
            assert!(rule["description"].as_str().is_some_and(|text| text.ends_with('.')), "{full} is not explained");
            assert!(validator.met.contains(&full) || absent.contains(&full.as_str()), "{full} is never written");
        }
    }
}

/// Whether results are as the schema says.
pub(super) fn describes(results: &Value) -> bool {
    let schema = schema();
    Validator { root: &schema, met: BTreeSet::new() }.check(results, &schema, "root", "results").is_ok()
}

pub(super) fn refuses_what_is_not() {
    let schema = schema();
    let good = results(&["lemma-2.2"]);
    let verdict =
        |results: &Value| Validator { root: &schema, met: BTreeSet::new() }.check(results, &schema, "root", "results");
    assert_eq!(verdict(&good), Ok(()));
    for (pointer, value, part) in [
        ("/format", Value::from(2), "is not 1"),
        ("/provenance/profile", Value::from("huge"), "none of"),
        ("/provenance/seed", Value::from(-1), "below"),
        ("/provenance/seconds", Value::from("fast"), "none of"),
        ("/claims/0/worst/margin", Value::Null, "none of"),
        ("/claims/0/instances", Value::from("none"), "is no"),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap() = value;
        let error = verdict(&bad).unwrap_err();
        assert!(error.contains(part), "{error}");
    }
    let mut missing = good.clone();
    missing["claims"][0].as_object_mut().unwrap().remove("tolerance");
    assert!(verdict(&missing).unwrap_err().contains("`tolerance` is missing"));
    let mut more = good.clone();
    more["claims"][0]["later"] = Value::Null;
    assert!(verdict(&more).unwrap_err().contains("`later` is undocumented"));
    let mut not_finite = good;
    not_finite["claims"][0]["worst"]["margin"] = Value::from("NaN");
    assert_eq!(verdict(&not_finite), Ok(()));
}
