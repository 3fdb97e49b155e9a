//! A smoothness constant, and what is known of it; closed forms say theirs, and [`crate::curvature`] finds others.

use std::ops::Range;

use ndarray::Array2;

use crate::parameters::Parameters;

/// A part of theta: the rows or the columns of a block of the Hessian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The scale-invariant block w_i.
    Block(usize),
    /// The rest, g.
    G,
}

impl Part {
    /// Its place in theta.
    pub fn range(self, layout: &Parameters) -> Range<usize> {
        match self {
            Self::Block(i) => layout.block(i),
            Self::G => layout.g(),
        }
    }
}

/// A constant in closed form: the true value, up to rounding.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Exact(pub f64);

/// The largest value a search has met: at most the true constant.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Sampled(pub f64);

/// A proved bound: at least the true constant.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Upper(pub f64);

/// A number that says how it was obtained.
///
/// On the right-hand side of an inequality a [`Sampled`] constant makes a pass sound and a failure inconclusive; where
/// a constant sets a step size, an underestimate breaks the hypothesis, and [`Exact`] or [`Upper`] is needed. An exact
/// constant can stand for either of the others; no other conversion exists.
///
/// ```
/// use ratecheck::curvature::{Constant, Exact, Upper};
/// let bound: Upper = Exact(2.0).into();
/// assert_eq!((bound.value(), Upper::KIND), (2.0, "upper"));
/// ```
///
/// ```compile_fail
/// use ratecheck::curvature::{Sampled, Upper};
/// let bound: Upper = Sampled(2.0).into(); // an estimate from below is not a bound from above
/// ```
pub trait Constant: Copy + std::fmt::Debug + PartialOrd + Send + Sync + 'static {
    /// How it was obtained, in one word.
    const KIND: &'static str;
    /// The number.
    fn value(self) -> f64;
}

macro_rules! constant {
    ($name:ident, $kind:literal) => {
        impl Constant for $name {
            const KIND: &'static str = $kind;
            fn value(self) -> f64 {
                self.0
            }
        }
    };
}
constant!(Exact, "exact");
constant!(Sampled, "sampled");
constant!(Upper, "upper");

impl From<Exact> for Upper {
    fn from(constant: Exact) -> Self {
        Self(constant.0)
    }
}

impl From<Exact> for Sampled {
    fn from(constant: Exact) -> Self {
        Self(constant.0)
    }
}

/// The constants of section 2.4: bounds on the spectral norms of the blocks of the ambient Hessian at theta~ = (V; g).
///
/// ```
/// use ratecheck::curvature::{Exact, Smoothness, Upper};
/// let exact = Smoothness::single(Exact(2.0), Exact(1.0), Exact(0.5));
/// let upper: Smoothness<Upper> = exact.clone().into();
/// assert_eq!((exact.l_vv[(0, 0)], upper.l_gg), (Exact(2.0), Upper(0.5)));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Smoothness<C> {
    /// L^vv_ij, m x m and symmetric.
    pub l_vv: Array2<C>,
    /// L^vg_i, of length m.
    pub l_vg: Vec<C>,
    /// L^gg; 0 if there is no g.
    pub l_gg: C,
}

impl<C: Clone> Smoothness<C> {
    /// One number for every block of the Hessian with m blocks of weights; `f` is asked for the blocks on the diagonal
    /// of vv and below it, for (i, g) and for (g, g).
    pub fn from_blocks(m: usize, mut f: impl FnMut(Part, Part) -> C) -> Self {
        let l_gg = f(Part::G, Part::G);
        let mut l_vv = Array2::from_elem((m, m), l_gg.clone());
        for i in 0..m {
            for j in 0..=i {
                let c = f(Part::Block(i), Part::Block(j));
                (l_vv[(i, j)], l_vv[(j, i)]) = (c.clone(), c);
            }
        }
        Self { l_vv, l_vg: (0..m).map(|i| f(Part::Block(i), Part::G)).collect(), l_gg }
    }

    /// The number of a block.
    pub fn of(&self, rows: Part, columns: Part) -> C {
        match (rows, columns) {
            (Part::Block(i), Part::Block(j)) => self.l_vv[(i, j)].clone(),
            (Part::Block(i), Part::G) | (Part::G, Part::Block(i)) => self.l_vg[i].clone(),
            (Part::G, Part::G) => self.l_gg.clone(),
        }
    }
}

impl<C> Smoothness<C> {
    /// m.
    pub fn n_blocks(&self) -> usize {
        self.l_vg.len()
    }

    /// The same arrangement of f of everything.
    pub fn map<D>(&self, f: impl Fn(&C) -> D) -> Smoothness<D> {
        Smoothness { l_vv: self.l_vv.map(&f), l_vg: self.l_vg.iter().map(&f).collect(), l_gg: f(&self.l_gg) }
    }
}

impl<C: Constant> Smoothness<C> {
    /// The constants of a loss with one block.
    pub fn single(l_vv: C, l_vg: C, l_gg: C) -> Self {
        Self { l_vv: Array2::from_elem((1, 1), l_vv), l_vg: vec![l_vg], l_gg }
    }

    /// The bare numbers, for reports.
    pub fn values(&self) -> Smoothness<f64> {
        self.map(|c| c.value())
    }
}

impl Smoothness<Sampled> {
    /// The larger of each: what both searches together have met. NaN where one is NaN.
    ///
    /// # Panics
    /// If the numbers of blocks differ.
    #[must_use]
    pub fn max(mut self, other: &Self) -> Self {
        assert_eq!(self.n_blocks(), other.n_blocks(), "constants of the same blocks");
        let raise = |a: &mut Sampled, b: &Sampled| a.0 = larger(a.0, b.0);
        self.l_vv.zip_mut_with(&other.l_vv, raise);
        self.l_vg.iter_mut().zip(&other.l_vg).for_each(|(a, b)| raise(a, b));
        raise(&mut self.l_gg, &other.l_gg);
        self
    }
}

impl From<Smoothness<Exact>> for Smoothness<Upper> {
    fn from(constants: Smoothness<Exact>) -> Self {
        constants.map(|&c| c.into())
    }
}

impl From<Smoothness<Exact>> for Smoothness<Sampled> {
    fn from(constants: Smoothness<Exact>) -> Self {
        constants.map(|&c| c.into())
    }
}

/// The larger of two numbers; NaN if one of them is NaN (unlike `f64::max`, which would hide it).
pub(crate) fn larger(a: f64, b: f64) -> f64 {
    if a.is_nan() || a >= b { a } else { b }
}
