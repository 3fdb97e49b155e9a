//! Local ascent of block norms: it reaches the closed forms, where plain sampling falls short, and says where.

use crate::common::{RADIUS, Visitor, minibatch, point, visit_all};
use ratecheck::curvature::{
    Ascent, AscentOptions, Domain, Exact, Functions, Part, Sampled, Sampling, Smoothness, Target, Upper, ascend_block,
    ascend_constants, block_norms, compositional_bound, sampled_constants,
};
use ratecheck::data::{Target as Labels, teacher};
use ratecheck::loss::closed::{Linear, ProblemJ, Rayleigh};
use ratecheck::loss::{Formula, Loss, Minibatches, Setting};
use ratecheck::network::{Activation, Architecture, Network, Normalisation, Objective};
use ratecheck::parameters::{Parameters, norm_sq};
use ratecheck::random::Seed;
use ratecheck::scalar::Scalar;

/// A norm of a block of at most 30 x 30 entries, each from some 100 roundings of numbers up to 16.
const ROUNDING: f64 = 1e4 * f64::EPSILON;

/// Everything found, beside what is known.
fn pairs<A: Clone, B: Clone>(found: &Smoothness<A>, known: &Smoothness<B>) -> Vec<(A, B)> {
    assert_eq!(found.l_vv.dim(), known.l_vv.dim());
    let mut pairs: Vec<(A, B)> = found.l_vv.iter().cloned().zip(known.l_vv.iter().cloned()).collect();
    pairs.extend(found.l_vg.iter().cloned().zip(known.l_vg.iter().cloned()));
    pairs.push((found.l_gg.clone(), known.l_gg.clone()));
    pairs
}

/// The same result at the reported place.
fn assert_reproduced(loss: &dyn Loss, found: &Smoothness<Ascent>) {
    let norm = |ascent: &Ascent, pick: &dyn Fn(&Smoothness<Sampled>) -> Sampled| {
        let target = ascent.z.as_ref().map_or(Target::Mean, Target::from);
        let norms = block_norms(loss, target, &ascent.theta);
        let (again, value) = (pick(&norms).0, ascent.value.0);
        assert!((again - value).abs() <= ROUNDING * value.max(1.0), "{again} {value}");
    };
    for ((i, j), ascent) in found.l_vv.indexed_iter() {
        norm(ascent, &|norms| norms.l_vv[(i, j)]);
    }
    for (i, ascent) in found.l_vg.iter().enumerate() {
        norm(ascent, &|norms| norms.l_vg[i]);
    }
    norm(&found.l_gg, &|norms| norms.l_gg);
}

/// Every constant is reached to 1e-6, but for those whose supremum lies outside |g| <= RADIUS, and none exceeded.
fn assert_reached(name: &str, loss: &dyn Loss, options: &AscentOptions, exact: &Smoothness<Exact>) {
    let found = ascend_constants(loss, options, &Seed::new(41).child(name));
    for (ascent, Exact(l)) in pairs(&found, exact) {
        let value = ascent.value.0;
        assert!(value <= l + ROUNDING * l.max(1.0), "{name}: {value} exceeds {l}");
        let inside = name != "T-indexed helix" || ascent != found.l_gg;
        assert!(value >= l * (1.0 - 1e-6) || !inside, "{name}: {value} falls short of {l}");
        assert!(ascent.converged && ascent.residual <= options.tolerance, "{name}: {ascent:?}");
        assert!(ascent.history.windows(2).all(|p| p[0].0 < p[1].0 && p[0].1 < p[1].1), "{name}: {:?}", ascent.history);
        assert!(
            ascent.history.last().is_some_and(|&(n, best)| n <= ascent.evaluations && best >= value * (1.0 - 1e-9))
        );
        let layout = loss.parameters();
        assert!((0..layout.n_blocks()).all(|i| (layout.w_norm_sq(&ascent.theta, i) - 1.0).abs() <= 1e-14));
        assert!(norm_sq(&ascent.theta[layout.g()]).sqrt() <= RADIUS * (1.0 + 1e-14));
    }
    assert_reproduced(loss, &found);
}

struct Reached;

impl Visitor for Reached {
    fn visit<L: Formula>(&mut self, name: &str, loss: &L, constants: &Smoothness<Exact>) {
        let options = AscentOptions::new(RADIUS);
        assert_reached(name, loss, &options, constants);
        assert_reached(name, loss, &AscentOptions { domain: Domain::Box(RADIUS), ..options }, constants);
    }
}

#[test]
fn ascent_reaches_the_closed_forms() {
    visit_all(&mut Reached);
    let loss = Rayleigh::equally_spaced(30);
    assert_reached("rayleigh 30", &loss, &AscentOptions::new(0.0), &loss.constants());
    let loss = ProblemJ::default();
    let mean = AscentOptions { functions: Functions::Mean, ..AscentOptions::new(RADIUS) };
    assert_reached("problem J, mean", &loss, &mean, &loss.constants(RADIUS));
}

#[test]
fn the_roughest_minibatch_is_found_at_the_summit() {
    // One start draws one of 32 minibatches, of which half attain the supremum.
    let loss = ProblemJ::default();
    for seed in 0..5 {
        let few = AscentOptions { n_points: 1, restarts: 1, ..AscentOptions::new(RADIUS) };
        let ascent = ascend_block(&loss, Part::Block(0), Part::Block(0), &few, &Seed::new(seed));
        let l = loss.sample_constants(RADIUS).l_vv[(0, 0)].0;
        assert!((ascent.value.0 - l).abs() <= 1e-6 * l, "{seed}: {ascent:?}");
        for k in 0..32 {
            let norm = block_norms(&loss, &minibatch(&loss, k), &ascent.theta).l_vv[(0, 0)].0;
            assert!(norm <= ascent.value.0 * (1.0 + 1e-9) + ROUNDING, "{k}: {norm} {ascent:?}");
        }
    }
}

#[test]
fn sampling_falls_short_where_ascent_does_not() {
    // 100 points give 0.83 of the truth in R^10 and 0.70 in R^30 in the median over seeds; 0.934 and 0.778 are the 99th
    // percentiles (over 4000 and 600 seeds). The seed was fixed beforehand.
    for (d, share) in [(10, 0.95), (30, 0.82)] {
        let loss = Rayleigh::equally_spaced(d);
        let seed = Seed::new(42);
        let sampled = sampled_constants(&loss, &Sampling::new(100, 0.0), &seed).l_vv[(0, 0)].0;
        assert!(sampled < share * 2.0, "{d}: {sampled}");
        let ascent = ascend_block(&loss, Part::Block(0), Part::Block(0), &AscentOptions::new(0.0), &seed);
        assert!((ascent.value.0 - 2.0).abs() <= 2e-6 && ascent.converged, "{d}: {ascent:?}");
    }
}

fn network(widths: &[usize], normalisation: Normalisation) -> Network {
    let data = teacher(12, 3, Labels::Binary, 0.1, &mut Seed::new(43).generator("data"));
    let architecture = Architecture {
        widths: widths.to_vec(),
        normalisation,
        activation: Activation::Tanh,
        objective: Objective::Logistic,
        weight_decay: 0.01,
    };
    let minibatches = Minibatches::partition((0..12).collect(), 6).expect("6 divides 12");
    Network::new(architecture, data, minibatches).expect("a sound network")
}

#[test]
fn on_a_network_no_block_is_below_its_samples_and_every_place_is_a_summit() {
    let network = network(&[3, 3, 1], Normalisation::SmoothedBatchNorm { epsilon: 0.3 });
    let (options, seed) = (AscentOptions { n_points: 30, restarts: 3, ..AscentOptions::new(1.0) }, Seed::new(44));
    let found = ascend_constants(&network, &options, &seed);
    let sampled = sampled_constants(&network, &Sampling::new(30, 1.0), &seed);
    for (ascent, Sampled(sampled)) in pairs(&found, &sampled) {
        assert!(ascent.value.0 >= sampled * (1.0 - ROUNDING), "{} {sampled}", ascent.value.0);
    }
    assert_reproduced(&network, &found);
    // Nearby points of the domain are not higher by more than the residual allows: h times tolerance,
    // over a distance h.
    let layout = network.parameters();
    let mut generator = Seed::new(45).generator("nearby");
    let h = 1e-3;
    for (ascent, i) in found.l_vv.diag().iter().zip(0..) {
        assert!(ascent.converged, "{ascent:?}");
        for _ in 0..10 {
            let step = point(&network, &mut generator);
            let mut theta: Vec<f64> = ascent.theta.iter().zip(&step).map(|(x, d)| x + h * d).collect();
            layout.normalise(&mut theta);
            let g = layout.g();
            let outside = norm_sq(&theta[g.clone()]).sqrt().max(1.0);
            theta[g].iter_mut().for_each(|g| *g /= outside);
            let z = ascent.z.as_ref().expect("a minibatch");
            let norm = block_norms(&network, z, &theta).l_vv[(i, i)].0;
            let distance = 10.0 * h;
            assert!(norm <= ascent.value.0 * (1.0 + distance * options.tolerance + ROUNDING), "{norm} {ascent:?}");
        }
    }
}

#[test]
fn ascent_stays_below_the_proved_bounds() {
    let options = AscentOptions { n_points: 20, restarts: 2, max_evaluations: 300, ..AscentOptions::new(2.0) };
    for (widths, share) in [(vec![3, 1], 0.2), (vec![3, 3, 1], 0.005)] {
        let network = network(&widths, Normalisation::SmoothedBatchNorm { epsilon: 0.3 });
        let proved = compositional_bound(&network, 2.0).expect("a smooth network");
        let found = ascend_constants(&network, &options, &Seed::new(47));
        let mut closest = 0.0_f64;
        for (ascent, Upper(bound)) in pairs(&found, &proved) {
            assert!(ascent.value.0 <= bound, "{widths:?}: {} {bound}", ascent.value.0);
            closest = closest.max(ascent.value.0 / bound);
        }
        // The catalogue's looseness is up to 4 for one layer and 181 for two: one of the blocks comes nearer than that.
        assert!(closest >= share, "{widths:?}: {closest}");
    }
}

#[test]
fn the_same_bits_on_one_thread_and_on_three() {
    let options = AscentOptions { n_points: 9, restarts: 3, ..AscentOptions::new(RADIUS) };
    let network =
        network(&[3, 3, 1], Normalisation::BatchNorm).with_minibatches(Minibatches::subsets(12, 5).expect("5 of 12"));
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a thread pool");
        pool.install(|| {
            let sampled = sampled_constants(&network, &Sampling::new(50, RADIUS), &Seed::new(46));
            let block = ascend_block(&network, Part::Block(1), Part::G, &options, &Seed::new(46));
            (ascend_constants(&ProblemJ::default(), &options, &Seed::new(46)), block, sampled)
        })
    };
    // As text, which is the same for the same bits: without an epsilon the supremum over ||g|| <= K is infinite, where
    // gamma is 0, and an ascent that comes that far ends with NaN, which equals nothing.
    let [one, three] = [1, 3].map(|threads| format!("{:?}", run(threads)));
    assert_eq!(one, three);
}

/// Not a number on the part of the sphere where the norm is largest.
struct Broken {
    layout: Parameters,
    z: Minibatches,
}

impl Formula for Broken {
    fn layout(&self) -> &Parameters {
        &self.layout
    }
    fn distribution(&self) -> &Minibatches {
        &self.z
    }
    fn value<S: Scalar>(&self, _z: &[usize], w: &[S]) -> S {
        let share = w[0] * w[0] / (w[0] * w[0] + w[1] * w[1]);
        if share.value() > 0.999 { share.scale(f64::NAN) } else { share }
    }
}

#[test]
fn a_place_that_is_not_a_number_is_reported() {
    let loss = Broken { layout: Parameters::new([("w", 2)], 0), z: Minibatches::full(1) };
    let options = AscentOptions { n_points: 5, restarts: 5, ..AscentOptions::new(0.0) };
    let ascent = ascend_block(&loss, Part::Block(0), Part::Block(0), &options, &Seed::new(3));
    assert!(ascent.value.0.is_nan() && !ascent.converged && ascent.theta[0].powi(2) > 0.999, "{ascent:?}");
}

#[test]
fn a_block_that_is_empty_or_zero_has_the_norm_0() {
    let found = ascend_constants(&Linear::new(vec![1.0, 2.0]), &AscentOptions::new(1.0), &Seed::new(1));
    for ascent in [&found.l_vg[0], &found.l_gg] {
        assert!(ascent.value.0 == 0.0 && ascent.converged && ascent.residual == 0.0, "{ascent:?}");
    }
}
