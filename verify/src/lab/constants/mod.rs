//! The smoothness constants of section 2.4 for one problem, bracketed block by block: sampled and ascended from below,
//! proved from above. What `ratecheck constants` prints; the fields are described in `docs/problem-file.md`.

mod proof;
mod sharing;

use std::fmt;

use ratecheck::curvature::{
    Ascent, AscentOptions, Constant, Proved, Sampled, Sampling, Smoothness, ascend_constants, g_bounds,
    sampled_constants,
};
use ratecheck::loss::Minibatches;
use ratecheck::parameters::{Parameters, norm};
use ratecheck::random::Seed;
use serde::Serialize;

pub use proof::Proof;

use crate::lab::budget::{self, TooLarge};
use crate::lab::problem::{Described, Problem};
use proof::prove;

/// The version of the JSON; it grows whenever a field changes its meaning.
pub const FORMAT: u32 = 1;

/// A proved bound may be below an ascended value by this share of it and still be right: closed forms are attained, and
/// the ascended norm is evaluated in floating point, through some 10^4 roundings of 2^-53 where networks are large.
pub const ROUNDING: f64 = 1e-11;

/// What one ascent may take where there are few of them.
const EVALUATIONS: usize = 2000;

/// How hard to search.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Options {
    /// The root of the seed tree.
    pub seed: u64,
    /// Random points.
    pub points: usize,
    /// Ascents per block, from the best of these points.
    pub restarts: usize,
    /// Hessian-vector products and gradients over nested duals that one ascent may take.
    pub evaluations: usize,
}

impl Options {
    /// 100 random points, and as many ascents as take seconds to a few minutes: 8 of at most 2000 evaluations for up to
    /// 100 constants, and 1 of at most 200 for more.
    pub fn for_problem(problem: &Problem, seed: u64) -> Self {
        let few = places(problem.loss.parameters()).count() <= 100;
        let (restarts, evaluations) = if few { (8, EVALUATIONS) } else { (1, EVALUATIONS / 10) };
        Self { seed, points: 100, restarts, evaluations }
    }

    /// Whether the norms of all blocks at all points fit into memory: as sampled, and as the ascents see them.
    ///
    /// # Errors
    /// If they do not.
    pub(crate) fn check_memory(&self, layout: &Parameters) -> Result<(), TooLarge> {
        let (m, n) = (layout.n_blocks() as u128, self.points);
        let constants = m * (m + 1) / 2 + m + 1;
        let bytes = size_of::<f64>() as u128 * 4 * constants * n as u128;
        budget::check(format!("the norms of {constants} blocks at {n} points (--points {n})"), bytes)
    }
}

/// All constants of a problem.
#[derive(Clone, Debug, Serialize)]
pub struct Constants {
    /// [`FORMAT`].
    pub format: u32,
    /// The problem.
    pub name: String,
    /// The architecture, if it is a network.
    pub network: Option<Described>,
    /// K of the domain ||g|| <= K; 0 if there is no g.
    pub radius: f64,
    /// Where K comes from.
    pub radius_from: RadiusFrom,
    /// Where g starts in theta.
    pub g_start: usize,
    /// The number of minibatches z, unless z is a random subset.
    pub n_minibatches: Option<usize>,
    /// The search.
    pub search: Options,
    /// Why nothing is proved, if so.
    pub unproved: Option<String>,
    /// Every block: (i, j) for i <= j, then (i, g), then (g, g).
    pub blocks: Vec<Bracket>,
}

/// Where the radius of g comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RadiusFrom {
    /// The problem says it.
    Problem,
    /// Lemma C.2: weight decay keeps g in this ball, from the problem's own g on, if eta_g lambda <= 1.
    LemmaC2,
    /// There is no g.
    NoG,
}

/// Which of the three kinds of constants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// L^vv_ij.
    Vv,
    /// L^vg_i.
    Vg,
    /// L^gg.
    Gg,
}

/// sampled <= ascended <= the constant <= proved, for one block.
#[derive(Clone, Debug, Serialize)]
pub struct Bracket {
    /// Which constant.
    pub kind: Kind,
    /// The block of the rows, unless they are g.
    pub i: Option<usize>,
    /// The block of the columns, unless they are g.
    pub j: Option<usize>,
    /// The names of rows and columns.
    pub parts: [String; 2],
    /// The largest norm at random points; of rows that are interchangeable, as units of a hidden layer are, the largest
    /// of all.
    #[serde(with = "crate::text::real")]
    pub sampled: f64,
    /// The largest norm that local ascent found; the largest of all, too.
    #[serde(with = "crate::text::real")]
    pub ascended: f64,
    /// The proved bound.
    pub proved: Option<f64>,
    /// How it was proved.
    pub proof: Option<Proof>,
    /// proved / ascended: how wide the bracket is; nothing where what was found may be rounding.
    pub ratio: Option<f64>,
    /// The relative gradient left where it is attained; 0 at a local maximum.
    #[serde(with = "crate::text::real")]
    pub residual: f64,
    /// Whether the residual is small enough.
    pub converged: bool,
    /// Hessian-vector products and gradients over nested duals.
    pub evaluations: usize,
    /// Those of them at the random points, which all blocks share.
    pub screening: usize,
    /// Where the ascended value is attained.
    pub attained: Attained,
    /// (evaluations so far, best value so far) wherever it rose.
    #[serde(with = "crate::text::real")]
    pub history: Vec<[f64; 2]>,
}

/// A point and a minibatch.
#[derive(Clone, Debug, Serialize)]
pub struct Attained {
    /// The minibatch of F_z: its number among finitely many, from 0.
    pub minibatch: Option<usize>,
    /// Its examples, if it is one of too many.
    pub examples: Option<Vec<usize>>,
    /// theta~ = (V; g).
    #[serde(with = "crate::text::real")]
    pub theta: Vec<f64>,
}

/// Why there is nothing to search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoDomain(String);

impl fmt::Display for NoDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "domain.radius: is missing; the constants depend on K of ||g|| <= K: give it in [domain] ({})",
            self.0
        )
    }
}

impl std::error::Error for NoDomain {}

/// Brackets every constant of the problem, for every F_z of its minibatches. The same options give the same numbers for
/// any number of threads.
///
/// # Errors
/// If the loss has a g, and neither the problem nor Lemma C.2 says how large it gets.
///
/// # Panics
/// If no points or restarts are asked for.
///
/// ```
/// use ratecheck_verify::lab::constants::{Options, Proof, bracket};
/// use ratecheck_verify::lab::problem::builtin;
/// let rayleigh = builtin("rayleigh")?;
/// let found = bracket(&rayleigh, &Options::for_problem(&rayleigh, 1))?;
/// let l_vv = &found.blocks[0];
/// assert_eq!((l_vv.proved, l_vv.proof), (Some(2.0), Some(Proof::Exact)));
/// assert!((l_vv.ascended - 2.0).abs() < 1e-6 && l_vv.sampled < 1.9);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn bracket(problem: &Problem, search: &Options) -> Result<Constants, NoDomain> {
    let loss = &*problem.loss;
    let (radius, radius_from) = radius(problem)?;
    let seed = Seed::new(search.seed).child("constants");
    let sampled = sampled_constants(loss, &Sampling::new(search.points, radius), &seed);
    let options = AscentOptions {
        n_points: search.points,
        restarts: search.restarts,
        max_evaluations: search.evaluations,
        ..AscentOptions::new(radius)
    };
    let ascended = ascend_constants(loss, &options, &seed);
    let (proved, unproved) = match prove(problem, radius, search.evaluations) {
        Ok(proved) => (Some(proved), None),
        Err(reason) => (None, Some(reason)),
    };
    let (layout, z) = (loss.parameters(), loss.minibatches());
    let mut blocks: Vec<Bracket> =
        places(layout).map(|place| one(layout, z, place, &sampled, &ascended, proved.as_ref())).collect();
    if let Some(network) = &problem.network {
        sharing::share(network, layout, &mut blocks);
    }
    compare(&mut blocks);
    Ok(Constants {
        format: FORMAT,
        name: problem.name.clone(),
        network: problem.network.as_ref().map(|network| (&**network).into()),
        radius,
        radius_from,
        g_start: layout.g().start,
        n_minibatches: z.finite().map(|batches| batches.len()),
        search: *search,
        unproved,
        blocks,
    })
}

impl Constants {
    /// The blocks whose proved bound lies below what was found: then one of the two is wrong. A number that is not
    /// finite contradicts everything.
    pub fn contradictions(&self) -> impl Iterator<Item = &Bracket> {
        let sound = |bracket: &&Bracket| {
            let below = bracket.ascended.max(bracket.sampled);
            let bound = bracket.proved.unwrap_or(f64::MAX);
            !(bracket.sampled.is_finite() && bracket.ascended.is_finite() && below <= bound * (1.0 + ROUNDING))
        };
        self.blocks.iter().filter(sound)
    }
}

/// The constants of one kind for one pair of layers.
#[derive(Clone, Debug)]
pub struct Group<'a> {
    /// Which of the three.
    pub kind: Kind,
    /// The layers of rows and columns.
    pub layers: [&'a str; 2],
    /// Its blocks.
    pub blocks: Vec<&'a Bracket>,
}

impl Group<'_> {
    /// How many of them converged.
    pub fn converged(&self) -> usize {
        self.blocks.iter().filter(|bracket| bracket.converged).count()
    }

    /// The most evaluations that one of them took.
    pub fn evaluations(&self) -> usize {
        self.blocks.iter().map(|bracket| bracket.evaluations).max().unwrap_or(0)
    }

    /// The largest of something; not a number if one is not.
    pub fn largest(&self, of: impl Fn(&Bracket) -> Option<f64>) -> Option<f64> {
        let values = self.blocks.iter().filter_map(|bracket| of(bracket));
        values.reduce(|a, b| if a.is_nan() || a >= b { a } else { b })
    }
}

impl Constants {
    /// The brackets by kind and layers, in order of appearance.
    pub fn groups(&self) -> Vec<Group<'_>> {
        let mut groups: Vec<Group<'_>> = Vec::new();
        for bracket in &self.blocks {
            let layers = [layer(&bracket.parts[0]), layer(&bracket.parts[1])];
            match groups.iter_mut().find(|group| (group.kind, group.layers) == (bracket.kind, layers)) {
                Some(group) => group.blocks.push(bracket),
                None => groups.push(Group { kind: bracket.kind, layers, blocks: vec![bracket] }),
            }
        }
        groups
    }

    /// ||g|| where a constant is attained, if there is a g.
    pub fn g_norm(&self, bracket: &Bracket) -> Option<f64> {
        let g = &bracket.attained.theta[self.g_start..];
        (!g.is_empty()).then(|| norm(g))
    }
}

/// `W1` of `W1 row 3`: the layer that a block belongs to.
pub fn layer(block: &str) -> &str {
    block.split_once(" row ").or(block.split_once(" group ")).map_or(block, |(layer, _)| layer)
}

/// The ratios of proved bounds and what was found. A constant that is 0 is found as the rounding of terms as large as
/// the others, with which nothing is to be compared.
fn compare(blocks: &mut [Bracket]) {
    let floor = ROUNDING * blocks.iter().map(|bracket| bracket.ascended).fold(0.0, f64::max);
    for bracket in blocks {
        let found = bracket.ascended;
        bracket.ratio = bracket.proved.filter(|_| found > floor).map(|bound| bound / found);
    }
}

/// L^gg, exact or proved from above, on the ball in which g stays. Where it sets a step size nothing less will do.
pub(crate) fn l_gg_upper(problem: &Problem) -> Result<f64, String> {
    let (radius, _) = radius(problem).map_err(|error| error.to_string())?;
    prove(problem, radius, EVALUATIONS).map(|proved| proved.upper.l_gg.value())
}

/// K.
fn radius(problem: &Problem) -> Result<(f64, RadiusFrom), NoDomain> {
    if problem.loss.parameters().g().is_empty() {
        return Ok((0.0, RadiusFrom::NoG));
    }
    if let Some(radius) = problem.radius {
        return Ok((radius, RadiusFrom::Problem));
    }
    let Some(network) = &problem.network else {
        return Err(NoDomain("nothing else bounds g".to_owned()));
    };
    let Some(theta) = &problem.theta else {
        return Err(NoDomain("or give the parameters, so that Lemma C.2 can bound g".to_owned()));
    };
    // The scales and shifts of all layers, whether they are g or blocks of their own.
    let largest = theta[network.n_weights()..].iter().fold(0.0_f64, |m, x| m.max(x.abs()));
    match g_bounds(network, largest) {
        Ok(bounds) => Ok((bounds.radius, RadiusFrom::LemmaC2)),
        Err(reason) => Err(NoDomain(reason.to_string())),
    }
}

/// A constant's place: the rows, and the columns unless they are g; `None` for (g, g).
type Place = Option<(usize, Option<usize>)>;

fn places(layout: &Parameters) -> impl Iterator<Item = Place> + use<> {
    let (m, has_g) = (layout.n_blocks(), !layout.g().is_empty());
    let vv = (0..m).flat_map(move |i| (i..m).map(move |j| Some((i, Some(j)))));
    let with_g = (0..m).map(|i| Some((i, None))).chain([None]);
    vv.chain(with_g.take(if has_g { m + 1 } else { 0 }))
}

fn at<T>(all: &Smoothness<T>, place: Place) -> &T {
    match place {
        Some((i, Some(j))) => &all.l_vv[(i, j)],
        Some((i, None)) => &all.l_vg[i],
        None => &all.l_gg,
    }
}

fn one(
    layout: &Parameters,
    z: &Minibatches,
    place: Place,
    sampled: &Smoothness<Sampled>,
    ascended: &Smoothness<Ascent>,
    proved: Option<&Proved>,
) -> Bracket {
    let ascent = at(ascended, place);
    let value = ascent.value.value();
    let bound = proved.map(|proved| at(&proved.upper, place).value());
    let proof = proved.map(|proved| Proof::from(*at(&proved.method, place)));
    let (i, j) = place.map_or((None, None), |(i, j)| (Some(i), j));
    let name = |block: Option<usize>| block.map_or_else(|| "g".to_owned(), |i| layout.blocks()[i].name.clone());
    let number = |examples: &Vec<usize>| z.finite()?.position(|batch| batch == examples.as_slice());
    let minibatch = ascent.z.as_ref().and_then(number);
    Bracket {
        kind: match (i, j) {
            (Some(_), Some(_)) => Kind::Vv,
            (Some(_), None) => Kind::Vg,
            (None, _) => Kind::Gg,
        },
        i,
        j,
        parts: [name(i), name(j)],
        sampled: at(sampled, place).value(),
        ascended: value,
        proved: bound,
        proof,
        ratio: None,
        residual: ascent.residual,
        converged: ascent.converged,
        evaluations: ascent.evaluations,
        screening: ascent.screening,
        attained: Attained {
            minibatch,
            examples: ascent.z.clone().filter(|_| minibatch.is_none()),
            theta: ascent.theta.clone(),
        },
        history: ascent.history.iter().map(|&(evaluations, value)| [evaluations as f64, value]).collect(),
    }
}
