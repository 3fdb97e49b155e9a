//! What the statements about expectations need of a user's loss whose minibatches are finitely many: exact means over z
//! at a point, and over all paths to it.
//!
//! Bounds rise with L^vv and L^vg, and with L^gg in U, but they fall with L^gg in C_i. Where only a bracket of the
//! constants is known they are formed from the ends that make them smallest, and from those that make them largest.
//! Where nothing is known from above, L^gg in C_i is the largest that eta_g admits, 2(1-c)/eta_g, and nothing that
//! exceeds the smallest bound is decided.

use ratecheck::bounds;
use ratecheck::curvature::Smoothness;
use ratecheck::descent::Schedule;
use ratecheck::loss::{Loss, Workspace};
use ratecheck::parameters::norm_sq;

use super::Tree;
use crate::claim::evidence::{Check, Profile, Standing, Unevaluated};
use crate::claim::subject::{Known, Subject};
use crate::paper::sgd::on_subject::eta_g_is_admissible;

/// L at a point, its gradient, and how far the minibatches' gradients are from it; vectors have an entry per block.
pub(crate) struct Look<'a> {
    loss: &'a dyn Loss,
    samples: &'a [Vec<usize>],
    grad: Vec<f64>,
    mean: Vec<f64>,
    work: Workspace,
    /// L.
    pub(crate) value: f64,
    /// n_i = ||w_i||^2.
    pub(crate) n: Vec<f64>,
    /// ||grad_{v_i} L||^2.
    pub(crate) mean_v_sq: Vec<f64>,
    /// E_z ||grad_{v_i} F_z||^2.
    pub(crate) sample_v_sq: Vec<f64>,
    /// max_z ||grad_{v_i} F_z||, the largest of all looks.
    pub(crate) l_a: Vec<f64>,
    /// ||grad_g L||^2.
    pub(crate) mean_g_sq: f64,
    /// E_z ||grad_g F_z - grad_g L||^2, the largest of all looks.
    pub(crate) noise_g_sq: f64,
    /// ||g||, the largest of all looks.
    pub(crate) g_max: f64,
}

impl<'a> Look<'a> {
    /// Nothing seen yet.
    pub(crate) fn new(loss: &'a dyn Loss, samples: &'a [Vec<usize>]) -> Self {
        let (len, blank) = (loss.parameters().len(), vec![0.0; loss.parameters().n_blocks()]);
        Self {
            loss,
            samples,
            grad: vec![0.0; len],
            mean: vec![0.0; len],
            work: Workspace::default(),
            value: f64::NAN,
            n: blank.clone(),
            mean_v_sq: blank.clone(),
            sample_v_sq: blank.clone(),
            l_a: blank,
            mean_g_sq: f64::NAN,
            noise_g_sq: 0.0,
            g_max: 0.0,
        }
    }

    /// Looks at theta: a gradient for every minibatch.
    pub(crate) fn at(&mut self, theta: &[f64]) {
        let (layout, share) = (self.loss.parameters(), 1.0 / self.samples.len() as f64);
        for (i, n) in self.n.iter_mut().enumerate() {
            *n = layout.w_norm_sq(theta, i);
        }
        self.mean.fill(0.0);
        self.sample_v_sq.fill(0.0);
        self.value = 0.0;
        let mut sample_g_sq = 0.0;
        for z in self.samples {
            self.value += share * self.loss.sample_gradient(z, theta, &mut self.grad, &mut self.work);
            self.mean.iter_mut().zip(&self.grad).for_each(|(sum, x)| *sum += share * x);
            for (i, block) in layout.blocks().iter().enumerate() {
                let square = self.n[i] * norm_sq(&self.grad[block.range.clone()]); // Lemma 2.2
                self.sample_v_sq[i] += share * square;
                self.l_a[i] = self.l_a[i].max(square.sqrt());
            }
            sample_g_sq += share * norm_sq(&self.grad[layout.g()]);
        }
        for (i, block) in layout.blocks().iter().enumerate() {
            self.mean_v_sq[i] = self.n[i] * norm_sq(&self.mean[block.range.clone()]);
        }
        self.mean_g_sq = norm_sq(&self.mean[layout.g()]);
        self.noise_g_sq = self.noise_g_sq.max(sample_g_sq - self.mean_g_sq);
        self.g_max = self.g_max.max(norm_sq(&theta[layout.g()]).sqrt());
    }
}

/// Expectations at one t; vectors have an entry per block.
#[derive(Clone)]
pub(crate) struct Level {
    /// L.
    pub(crate) loss: f64,
    /// ||grad_v L||^2.
    pub(crate) v: Vec<f64>,
    /// e_t ||grad_v L||^2, e_t = eta_{w,t}/n_t.
    pub(crate) descent: Vec<f64>,
    /// e_t^2 ||grad_v F||^2.
    pub(crate) noise: Vec<f64>,
    /// ||grad_g L||^2.
    pub(crate) g: f64,
}

/// Expectations over all paths, and what bounds hold on all of them.
pub(crate) struct Expectations {
    /// At t = 0, .., T.
    pub(crate) levels: Vec<Level>,
    /// Points looked at.
    pub(crate) nodes: u64,
    /// The largest ||grad_v F_z|| of every block.
    pub(crate) l_a: Vec<f64>,
    /// The largest variance of grad_g F_z: G_g^2 on these paths.
    pub(crate) noise_g_sq: f64,
    /// The largest ||g||.
    pub(crate) g_max: f64,
}

impl Expectations {
    /// Follows every path of T = `depth` steps.
    ///
    /// # Errors
    /// If one of them diverges.
    pub(crate) fn over_all_paths(
        loss: &dyn Loss,
        theta_0: &[f64],
        [rate_w, rate_g]: [Schedule; 2],
        depth: usize,
    ) -> Result<Self, Unevaluated> {
        let samples = samples(loss);
        let zero = vec![0.0; loss.parameters().n_blocks()];
        let level = Level { loss: 0.0, v: zero.clone(), descent: zero.clone(), noise: zero, g: 0.0 };
        let (mut levels, mut look) = (vec![level; depth + 1], Look::new(loss, &samples));
        let nodes = Tree::new(loss, rate_w, rate_g, &samples, depth).visit(theta_0, &mut |node| {
            look.at(node.theta);
            let (level, eta_w) = (&mut levels[node.t], rate_w.at(node.t as u64));
            level.loss += node.share * look.value;
            level.g += node.share * look.mean_g_sq;
            for (i, n) in look.n.iter().enumerate() {
                let rate = eta_w / n;
                level.v[i] += node.share * look.mean_v_sq[i];
                level.descent[i] += node.share * rate * look.mean_v_sq[i];
                level.noise[i] += node.share * rate * rate * look.sample_v_sq[i];
            }
            Ok(())
        })?;
        let Look { l_a, noise_g_sq, g_max, .. } = look;
        Ok(Self { levels, nodes, l_a, noise_g_sq, g_max })
    }
}

/// All minibatches; none where they are not finitely many.
pub(crate) fn samples(loss: &dyn Loss) -> Vec<Vec<usize>> {
    loss.minibatches().finite().into_iter().flatten().map(<[usize]>::to_vec).collect()
}

/// The T of the longest paths of which all can be followed with so many gradients: at least 1, and at most `most`.
pub(crate) fn depth(subject: &Subject, gradients: u64, most: usize) -> usize {
    let k = subject.n_minibatches().unwrap_or(1) as u64;
    let (mut nodes, mut layer, mut depth) = (1_u64, 1_u64, 0);
    loop {
        layer = layer.saturating_mul(k);
        nodes = nodes.saturating_add(layer);
        // A look at every node, and a step to it.
        if depth == most.max(1) || (depth > 0 && nodes.saturating_mul(k + 1) > gradients) {
            return depth;
        }
        depth += 1;
    }
}

/// How many gradients of F_z take about so many seconds of one core, whatever T was asked for.
pub(crate) fn gradients(subject: &Subject, seconds: f64, profile: Profile) -> u64 {
    let mut free = subject.clone();
    free.settings.steps = None;
    free.steps(seconds, profile)
}

/// c_g.
pub(crate) const C_G: f64 = 0.5;

/// One end of what is known of the constants.
#[derive(Clone)]
pub(crate) struct End {
    /// C_i.
    pub(crate) c_w: Vec<f64>,
    l_gg: f64,
}

/// Both ends; the upper one is missing where nothing is known from above.
pub(crate) struct Constants {
    pub(crate) least: End,
    pub(crate) most: Option<End>,
}

impl End {
    /// L^gg in the denominator of C_i is `below`, and all other constants are those of `above`.
    fn new(above: &Smoothness<f64>, below: f64) -> Self {
        let rows = above.l_vv.rows().into_iter().zip(&above.l_vg);
        let c_w = rows.map(|(row, &l_vg)| bounds::c_w(&row.to_vec(), l_vg, below, C_G)).collect();
        Self { c_w, l_gg: above.l_gg }
    }

    /// U with the variance of grad_g that was seen.
    pub(crate) fn u(&self, seen: &Expectations) -> f64 {
        bounds::u_noise(self.l_gg, C_G, seen.noise_g_sq.sqrt())
    }
}

impl Constants {
    /// Those of a subject that descends with this eta_g.
    pub(crate) fn new(subject: &Subject, eta_g: f64) -> Result<Self, Unevaluated> {
        let Known { least, most, .. } = subject.constants()?;
        Ok(match most {
            Some(most) => Self { least: End::new(least, most.l_gg), most: Some(End::new(most, least.l_gg)) },
            None => {
                let admitted = bounds::eta_g_printed(eta_g, C_G).max(least.l_gg);
                Self { least: End::new(least, admitted), most: None }
            }
        })
    }

    /// The lower end as if it were exact: what a control claims.
    pub(crate) fn claimed(self) -> Self {
        Self { most: Some(self.least.clone()), least: self.least }
    }
}

/// The hypotheses that the subject itself decides, where ||g|| was at most `g_max`.
pub(crate) fn hypotheses(check: &mut Check, subject: &Subject, eta_g: f64, g_max: f64) -> Result<(), Unevaluated> {
    let known = subject.constants()?;
    let (name, most) = (&subject.name, known.most.is_some());
    if subject.has_g() {
        let standing = match most {
            true if g_max <= known.radius => Standing::Met,
            true => Standing::NotMet,
            false => Standing::Assumed,
        };
        let detail = format!("K = {:.4}; the largest of all iterates is {g_max:.4}", known.radius);
        check.hypothesis(format!("{name}: ‖g‖ ≤ K"), standing, detail);
    }
    let standing = if most { Standing::Met } else { Standing::Assumed };
    check.hypothesis(format!("{name}: the constants bound the Hessian"), standing, known.how.clone());
    eta_g_is_admissible(check, subject, eta_g)
}
