//! Gradient descent: Lemma 3.2, equation (11), Lemma A.2, Theorem 3.1. The notation is that of the module above.

use ndarray::ArrayView2;

use super::{Constant, Factors, larger};
use crate::scalar::Scalar;

/// C_i = (1/2) sum_j Lij + m Li^2/(c Lg), Lemma 3.2; `l_vv_row` is (Li1, .., Lim).
///
/// Without coupling to g (Li = 0) the second term is 0 even where Lg = 0, as for a loss without g.
///
/// ```
/// use ratecheck::bounds::c_w;
/// assert_eq!(c_w(&[2.0, 4.0], 3.0, 6.0, 0.5), 9.0); // (2 + 4)/2 + 2 * 9/(0.5 * 6)
/// assert_eq!(c_w(&[2.0], 0.0, 0.0, 0.5), 1.0);
/// ```
pub fn c_w<S: Scalar + PartialEq>(l_vv_row: &[S], l_vg: S, l_gg: S, c_g: f64) -> S {
    Factors::ONE.c_w(l_vv_row, l_vg, l_gg, c_g)
}

fn sum<S: Scalar>(terms: impl Iterator<Item = S>) -> S {
    terms.fold(S::ZERO, |sum, term| sum + term)
}

/// 2(2-c)/((2+c)Lg): Lemma 3.2 holds for 0 < eta_g up to here.
///
/// ```
/// assert_eq!(ratecheck::bounds::eta_g_limit(3.0, 0.5), 0.4); // 2 * 1.5/(2.5 * 3)
/// ```
pub fn eta_g_limit<S: Scalar>(l_gg: S, c_g: f64) -> S {
    // 2 - c and 2 + c are divided as they are: neither need be a floating-point number.
    let c = S::from_f64(c_g);
    let two = S::from_f64(2.0);
    (two - c).scale(2.0) / ((two + c) * l_gg)
}

/// 2(1-c)/Lg, the eta_g that Theorems 3.1 and 4.2 print; below [`eta_g_limit`].
///
/// ```
/// assert_eq!(ratecheck::bounds::eta_g_printed(4.0, 0.5), 0.25);
/// ```
pub fn eta_g_printed(l_gg: f64, c_g: f64) -> f64 {
    2.0 * (1.0 - c_g) / l_gg
}

/// Lemma 3.2 (12), an upper bound of L(theta_{t+1}) - L(theta_t) for eta_g up to [`eta_g_limit`]:
/// -sum_i eta_w ||grad_{w_i} L||^2 (1 - C_i eta_w/n_i) - (c/2) eta_g ||grad_g L||^2, at theta_t.
///
/// ```
/// use ratecheck::bounds::lemma_3_2;
/// assert_eq!(lemma_3_2(2.0, 0.5, 0.5, &[4.0, 2.0], &[3.0, 1.0], &[1.0, 3.0], 8.0), 0.0); // -3 + 4 - 1
/// ```
///
/// # Panics
/// If the slices differ in length.
pub fn lemma_3_2<S: Scalar>(eta_w: f64, eta_g: f64, c_g: f64, n: &[S], grad_w_sq: &[S], c_w: &[S], grad_g_sq: S) -> S {
    Factors::ONE.lemma_3_2(eta_w, eta_g, c_g, n, grad_w_sq, c_w, grad_g_sq)
}

/// (11), a bound of sum_{t<T} ||grad_{v_i} L||^2 under a constant eta_w: n_T (n_T - n_0)/eta_w^2.
///
/// ```
/// assert_eq!(ratecheck::bounds::equation_11(0.5, 2.0, 3.0), 12.0); // 3 * 1/0.25
/// ```
pub fn equation_11<S: Scalar>(eta_w: f64, n_start: S, n_end: S) -> S {
    Factors::ONE.equation_11(eta_w, n_start, n_end)
}

/// 2C_i and LA_i^2 eta_w/n_0, whose sum (19) and K_i share.
fn first_phase<S: Scalar>(c_w: S, l_a: S, eta_w: f64, n_start: S) -> [S; 2] {
    [c_w.scale(2.0), (l_a * l_a).scale(eta_w) / n_start]
}

/// K_i = (C_i eta_w/n_0 + 1/2)(2C_i + LA_i^2 eta_w/n_0), Lemma A.2.
///
/// ```
/// assert_eq!(ratecheck::bounds::k_w(3.0, 2.0, 4.0, 2.0), 91.0); // (6 + 1/2)(6 + 8)
/// ```
pub fn k_w<S: Scalar>(c_w: S, l_a: S, eta_w: f64, n_start: S) -> S {
    Factors::ONE.k_w(c_w, l_a, eta_w, n_start)
}

/// (19), Lemma A.2: with t_i the last tau < T at which n_i <= 2 C_i eta_w, a bound of n_i one step later,
/// n_0 + eta_w (2C_i + LA_i^2 eta_w/n_0).
///
/// ```
/// assert_eq!(ratecheck::bounds::lemma_a2_norm_sq(3.0, 2.0, 4.0, 2.0), 58.0); // 2 + 4 (6 + 8)
/// ```
pub fn lemma_a2_norm_sq<S: Scalar>(c_w: S, l_a: S, eta_w: f64, n_start: S) -> S {
    Factors::ONE.lemma_a2_norm_sq(c_w, l_a, eta_w, n_start)
}

/// The left-hand side of (20), at most [`lemma_a2`]: sum_i (n_T - n_0)/(2 eta_w) + (c/2) eta_g sum_{t<T} ||grad_g
/// L||^2.
///
/// ```
/// use ratecheck::bounds::lemma_a2_left;
/// assert_eq!(lemma_a2_left(0.5, &[1.0, 2.0], &[2.0, 4.0], 0.5, 2.0, 3.0), 4.5); // (1 + 2)/1 + 0.25 * 2 * 3
/// ```
///
/// # Panics
/// If the slices differ in length.
pub fn lemma_a2_left<S: Scalar>(eta_w: f64, n_start: &[S], n_end: &[S], c_g: f64, eta_g: f64, sum_grad_g_sq: S) -> S {
    Factors::ONE.lemma_a2_left(eta_w, n_start, n_end, c_g, eta_g, sum_grad_g_sq)
}

/// A = Delta + sum_i K_i: the right-hand side of (20), and the A of Theorem 3.1.
///
/// ```
/// assert_eq!(ratecheck::bounds::lemma_a2(1.0, &[2.0, 3.0]), 6.0);
/// ```
pub fn lemma_a2<S: Scalar>(gap: S, k_w: &[S]) -> S {
    Factors::ONE.lemma_a2(gap, k_w)
}

/// Theorem 3.1, a bound of sum_{t<T} ||grad_V L||^2 for every T: 4A(A + sum_i n_0/eta_w), with A from [`lemma_a2`].
///
/// ```
/// assert_eq!(ratecheck::bounds::theorem_3_1_sum_v(3.0, 0.5, &[1.0, 2.0]), 108.0); // 12 (3 + 6)
/// ```
pub fn theorem_3_1_sum_v<S: Scalar>(a: S, eta_w: f64, n_start: &[S]) -> S {
    Factors::ONE.theorem_3_1_sum_v(a, eta_w, n_start)
}

/// The tighter form that the same proof gives: 2A(2A + max_i n_0/eta_w).
///
/// ```
/// assert_eq!(ratecheck::bounds::theorem_3_1_sum_v_tight(3.0, 0.5, &[1.0, 2.0]), 60.0); // 6 (6 + 4)
/// ```
pub fn theorem_3_1_sum_v_tight<S: Scalar + PartialOrd>(a: S, eta_w: f64, n_start: &[S]) -> S {
    Factors::ONE.theorem_3_1_sum_v_tight(a, eta_w, n_start)
}

/// Theorem 3.1, a bound of sum_{t<T} ||grad_g L||^2 for every T: 2A/(c eta_g).
///
/// ```
/// assert_eq!(ratecheck::bounds::theorem_3_1_sum_g(3.0, 0.5, 4.0), 3.0);
/// ```
pub fn theorem_3_1_sum_g(a: f64, c_g: f64, eta_g: f64) -> f64 {
    Factors::ONE.theorem_3_1_sum_g(a, c_g, eta_g)
}

/// Theorem 3.1 (10), a bound of min_{t<T} ||grad L(V_t; g_t)||^2: (1/T)(4A(A + sum_i n_0/eta_w) + 2A/(c eta_g)).
///
/// ```
/// assert_eq!(ratecheck::bounds::theorem_3_1_min(3, 3.0, 0.5, &[1.0, 2.0], 0.5, 4.0), 37.0); // (108 + 3)/3
/// ```
pub fn theorem_3_1_min(n_steps: u64, a: f64, eta_w: f64, n_start: &[f64], c_g: f64, eta_g: f64) -> f64 {
    Factors::ONE.theorem_3_1_min(n_steps, a, eta_w, n_start, c_g, eta_g)
}

/// The sketch of Theorem 3.1, a bound of sum_{t<T} ||grad_g L||^2: (2/(c eta_g))(L_0 - L_T + sum_i C_i n_T/n_0), where
/// `decrease` is L_0 - L_T.
///
/// ```
/// use ratecheck::bounds::sketch_sum_g;
/// assert_eq!(sketch_sum_g(1.0, 0.5, 4.0, &[2.0, 1.0], &[1.0, 4.0], &[3.0, 8.0]), 9.0); // 1 + 6 + 2
/// ```
///
/// # Panics
/// If the slices differ in length.
pub fn sketch_sum_g(decrease: f64, c_g: f64, eta_g: f64, c_w: &[f64], n_start: &[f64], n_end: &[f64]) -> f64 {
    Factors::ONE.sketch_sum_g(decrease, c_g, eta_g, c_w, n_start, n_end)
}

/// Q_t in the proof of Lemma B.2 (and of Lemma 3.2), a bound of L(theta_{t+1}) - L(theta_t) - <grad L, Delta>: (1/2)
/// sum_ij Lij |Dw_i||Dw_j|/(|w_i||w_j|) + sum_i Li |Dw_i||Dg|/|w_i| + (1/2) Lg |Dg|^2, where `turn[i]` is |Dw_i|/|w_i|
/// and `move_g` is |Dg|.
///
/// ```
/// use ratecheck::bounds::taylor_remainder;
/// let l_vv = ndarray::array![[2.0, 1.0], [1.0, 4.0]];
/// assert_eq!(taylor_remainder(l_vv.view(), &[1.0, 0.0], 6.0, &[1.0, 2.0], 0.5), 12.25); // 1 + 2 + 8 + 0.5 + 0.75
/// ```
///
/// # Panics
/// If the lengths differ.
pub fn taylor_remainder<S: Scalar>(l_vv: ArrayView2<'_, f64>, l_vg: &[f64], l_gg: f64, turn: &[S], move_g: S) -> S {
    Factors::ONE.taylor_remainder(l_vv, l_vg, l_gg, turn, move_g)
}

/// The same bounds with every constant times its factor.
impl Factors {
    /// [`c_w`].
    pub fn c_w<S: Scalar + PartialEq>(&self, l_vv_row: &[S], l_vg: S, l_gg: S, c_g: f64) -> S {
        // Without its m the term is that of one block.
        let m = 1.0 + self.of(Constant::CBlocks) * (l_vv_row.len() as f64 - 1.0);
        let coupling = if l_vg == S::ZERO { S::ZERO } else { l_vg.square().scale(m) / l_gg.scale(c_g) };
        let curvature = sum(l_vv_row.iter().copied()).scale(0.5);
        self.times(Constant::C, self.times(Constant::CCurvature, curvature) + self.times(Constant::CCoupling, coupling))
    }

    /// [`lemma_3_2`].
    #[allow(clippy::too_many_arguments)] // the formula has that many ingredients
    pub fn lemma_3_2<S: Scalar>(
        &self,
        eta_w: f64,
        eta_g: f64,
        c_g: f64,
        n: &[S],
        grad_w_sq: &[S],
        c_w: &[S],
        grad_g_sq: S,
    ) -> S {
        assert!(n.len() == grad_w_sq.len() && n.len() == c_w.len(), "one entry per block");
        let blocks = n
            .iter()
            .zip(grad_w_sq)
            .zip(c_w)
            .map(|((&n, &sq), &c)| sq.scale(eta_w) * (self.times(Constant::StepW, S::ONE) - c.scale(eta_w) / n));
        -sum(blocks) - self.times(Constant::StepG, grad_g_sq.scale(eta_g).scale(0.5 * c_g))
    }

    /// [`equation_11`].
    pub fn equation_11<S: Scalar>(&self, eta_w: f64, n_start: S, n_end: S) -> S {
        self.times(Constant::Growth, n_end * (n_end - n_start) / S::from_f64(eta_w).square())
    }

    /// [`k_w`].
    pub fn k_w<S: Scalar>(&self, c_w: S, l_a: S, eta_w: f64, n_start: S) -> S {
        let half = self.times(Constant::KHalf, S::from_f64(0.5));
        let rise = self.times(Constant::KRatio, c_w.scale(eta_w) / n_start) + half;
        let parts = first_phase(c_w, l_a, eta_w, n_start);
        let phase = self.times(Constant::KPhaseC, parts[0]) + self.times(Constant::KGradient, parts[1]);
        self.times(Constant::K, rise * phase)
    }

    /// [`lemma_a2_norm_sq`].
    pub fn lemma_a2_norm_sq<S: Scalar>(&self, c_w: S, l_a: S, eta_w: f64, n_start: S) -> S {
        let parts = first_phase(c_w, l_a, eta_w, n_start);
        let phase = self.times(Constant::PhaseC, parts[0]) + self.times(Constant::PhaseGradient, parts[1]);
        n_start + phase.scale(eta_w)
    }

    /// [`lemma_a2`].
    pub fn lemma_a2<S: Scalar>(&self, gap: S, k_w: &[S]) -> S {
        self.times(Constant::Gap, gap) + sum(k_w.iter().copied())
    }

    /// [`lemma_a2_left`].
    pub fn lemma_a2_left<S: Scalar>(
        &self,
        eta_w: f64,
        n_start: &[S],
        n_end: &[S],
        c_g: f64,
        eta_g: f64,
        sum_grad_g_sq: S,
    ) -> S {
        assert_eq!(n_start.len(), n_end.len(), "one entry per block");
        let growth = n_start.iter().zip(n_end).map(|(&start, &end)| (end - start) / S::from_f64(2.0 * eta_w));
        let paid_g = sum_grad_g_sq.scale(eta_g).scale(0.5 * c_g);
        self.times(Constant::PaidW, sum(growth)) + self.times(Constant::PaidG, paid_g)
    }

    /// [`theorem_3_1_sum_v`].
    pub fn theorem_3_1_sum_v<S: Scalar>(&self, a: S, eta_w: f64, n_start: &[S]) -> S {
        let start = sum(n_start.iter().copied()) / S::from_f64(eta_w);
        a.scale(self.times(Constant::SumV, 4.0))
            * (self.times(Constant::SumVA, a) + self.times(Constant::SumVStart, start))
    }

    /// [`theorem_3_1_sum_v_tight`].
    pub fn theorem_3_1_sum_v_tight<S: Scalar + PartialOrd>(&self, a: S, eta_w: f64, n_start: &[S]) -> S {
        let start = n_start.iter().fold(S::ZERO, |x, &y| larger(x, y)) / S::from_f64(eta_w);
        a.scale(self.times(Constant::Tight, 2.0))
            * (self.times(Constant::TightA, a.scale(2.0)) + self.times(Constant::TightStart, start))
    }

    /// [`theorem_3_1_sum_g`].
    pub fn theorem_3_1_sum_g(&self, a: f64, c_g: f64, eta_g: f64) -> f64 {
        self.times(Constant::SumG, 2.0 * a / (c_g * eta_g))
    }

    /// [`theorem_3_1_min`].
    pub fn theorem_3_1_min(&self, n_steps: u64, a: f64, eta_w: f64, n_start: &[f64], c_g: f64, eta_g: f64) -> f64 {
        let sums = self.theorem_3_1_sum_v(a, eta_w, n_start) + self.theorem_3_1_sum_g(a, c_g, eta_g);
        self.times(Constant::Min31, sums / n_steps as f64)
    }

    /// [`sketch_sum_g`].
    pub fn sketch_sum_g(
        &self,
        decrease: f64,
        c_g: f64,
        eta_g: f64,
        c_w: &[f64],
        n_start: &[f64],
        n_end: &[f64],
    ) -> f64 {
        assert!(c_w.len() == n_start.len() && c_w.len() == n_end.len(), "one entry per block");
        let growth: f64 = c_w.iter().zip(n_start).zip(n_end).map(|((c, start), end)| c * end / start).sum();
        2.0 / (c_g * eta_g) * (self.times(Constant::SketchGap, decrease) + self.times(Constant::SketchGrowth, growth))
    }

    /// [`taylor_remainder`].
    pub fn taylor_remainder<S: Scalar>(
        &self,
        l_vv: ArrayView2<'_, f64>,
        l_vg: &[f64],
        l_gg: f64,
        turn: &[S],
        move_g: S,
    ) -> S {
        assert!(l_vv.dim() == (turn.len(), turn.len()) && l_vg.len() == turn.len(), "one entry per block");
        let pairs = sum(l_vv.indexed_iter().map(|((i, j), l)| turn[i].scale(0.5 * l) * turn[j]));
        let mixed = sum(l_vg.iter().zip(turn).map(|(&l, turn)| turn.scale(l) * move_g));
        self.times(Constant::TaylorVv, pairs)
            + self.times(Constant::TaylorVg, mixed)
            + self.times(Constant::TaylorGg, move_g.scale(0.5 * l_gg) * move_g)
    }
}
