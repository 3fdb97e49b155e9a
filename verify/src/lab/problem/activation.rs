//! The words for activations.

use ratecheck::network::Activation;

use super::described::name_of;
use super::document::Section;
use super::error::ProblemError;

/// An activation without its numbers.
#[derive(Clone, Copy, PartialEq)]
enum Shape {
    Plain(Activation),
    Leaky,
    /// The values as they are.
    Nothing,
}

const ACTIVATIONS: [(&str, Shape); 9] = [
    ("tanh", Shape::Plain(Activation::Tanh)),
    ("sigmoid", Shape::Plain(Activation::Sigmoid)),
    ("softplus", Shape::Plain(Activation::Softplus)),
    ("relu", Shape::Plain(Activation::Relu)),
    ("leaky-relu", Shape::Leaky),
    ("gelu", Shape::Plain(Activation::Gelu)),
    ("gelu-tanh", Shape::Plain(Activation::GeluTanh)),
    ("silu", Shape::Plain(Activation::Silu)),
    ("none", Shape::Nothing),
];

/// The activation in a section; `needed` says why there must be one,
/// and None stands for one that is missing or `"none"`.
pub(super) fn activation(section: &Section<'_>, needed: Option<&str>) -> Result<Option<Activation>, ProblemError> {
    let shape = match (section.optional("activation"), needed) {
        (Some(entry), _) => entry.choice(&ACTIVATIONS)?,
        (None, Some(remedy)) => return Err(section.missing("activation", remedy)),
        (None, None) => Shape::Nothing,
    };
    if let Shape::Leaky = shape {
        let slope = section.required("slope", "give the slope for negative inputs, for example 0.01")?;
        return Ok(Some(Activation::LeakyRelu { slope: slope.number()? }));
    }
    section.refuse("slope", "only leaky-relu has a slope")?;
    Ok(if let Shape::Plain(activation) = shape { Some(activation) } else { None })
}

/// The word for an activation, and its slope.
pub(super) fn described(activation: Activation) -> (&'static str, Option<f64>) {
    let (shape, slope) = match activation {
        Activation::LeakyRelu { slope } => (Shape::Leaky, Some(slope)),
        plain => (Shape::Plain(plain), None),
    };
    (name_of(&ACTIVATIONS, &shape), slope)
}
