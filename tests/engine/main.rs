//! Property and reference tests of the engine, through its public face.
//!
//! One program for all of them: the networks are generic over their arithmetic,
//! and each test program would compile them anew.
#![allow(missing_docs, clippy::unwrap_used)]

mod ascent;
mod bounds;
mod closed_forms;
mod common;
mod compositional;
mod compositional_networks;
mod convolutions;
mod curvature;
mod descent;
mod double_double;
mod eights;
mod elementary;
mod enclosures;
mod forms;
mod frozen;
mod hessian;
mod identities;
mod intervals;
mod lanczos;
mod layer_blocks;
mod layers;
mod layers_pytorch;
mod linear_algebra;
mod lockstep;
mod network;
mod neuron;
mod proofs;
mod rates;
mod reference_networks;
mod rounding;
mod single;
mod step_rules;
mod step_rules_beside;
mod threads;
