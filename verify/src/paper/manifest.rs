//! The map of the paper: every definition, lemma, theorem, remark, numbered equation and displayed claim, in the order
//! of print, with the claims that check it or the reason why none does.
//!
//! A claim has one home here, the statement that it is; it may also bear on others. The tests hold this map, the list
//! of claims and the numbering of the paper against each other, so that nothing is forgotten on either side.

use crate::claim::evidence::Claim;
pub use crate::claim::printed::{Chapter, Place};

/// One statement as it is printed.
#[derive(Debug)]
pub struct Printed {
    /// As the paper names it, `Lemma 2.2`; or what it is about, where it has no name.
    pub label: &'static str,
    /// The numbers of its equations.
    pub equations: &'static [u32],
    /// What it says, in a few words.
    pub gist: &'static str,
    /// The claims whose home this is, by id.
    pub claims: &'static [&'static str],
    /// Claims at home elsewhere that check it too.
    pub also: &'static [&'static str],
}

impl Printed {
    /// `Lemma 2.2 (5)`.
    ///
    /// ```
    /// let lemma = &ratecheck_verify::paper::manifest::MANIFEST[1].statements[5];
    /// assert_eq!(lemma.name(), "Lemma 2.2 (5)");
    /// ```
    pub fn name(&self) -> String {
        let numbers: Vec<String> = self.equations.iter().map(|n| format!("({n})")).collect();
        [&[self.label.to_owned()], &numbers[..]].concat().join(" ")
    }
}

/// A section of the paper.
#[derive(Debug)]
pub struct Section {
    /// Its number and title.
    pub title: &'static str,
    /// What it states, in order.
    pub statements: &'static [Printed],
}

/// A statement that is checked: label, equations, gist, claims at home here, claims from elsewhere.
const fn checked(
    label: &'static str,
    equations: &'static [u32],
    gist: &'static str,
    claims: &'static [&'static str],
    also: &'static [&'static str],
) -> Printed {
    Printed { label, equations, gist, claims, also }
}

/// The paper, from start to end.
pub static MANIFEST: &[Section] = &[
    Section {
        title: "1 Introduction",
        statements: &[
            checked("BN of a neuron", &[1], "normalise, scale by γ, shift by β", &[], &["equation-8"]),
            checked(
                "BN forgets the scale",
                &[],
                "BN(w·x) = BN(cw·x), and the gradient is divided by c",
                &[],
                &["definition-2.1", "lemma-2.2"],
            ),
            checked(
                "Other normalisations",
                &[],
                "lp-BN, weight, layer and group normalisation",
                &[],
                &["definition-2.1"],
            ),
            checked(
                "Contribution 1",
                &[],
                "gradient descent: T^(-1/2) whatever the learning rate of W",
                &[],
                &["theorem-3.1-rate", "auto-tuning-gd"],
            ),
            checked(
                "Contribution 2",
                &[],
                "SGD: T^(-1/4) up to logarithms, whatever the learning rate of W",
                &[],
                &["theorem-4.2-rate", "auto-tuning-sgd"],
            ),
        ],
    },
    Section {
        title: "2 General framework",
        statements: &[
            checked("Definition 2.1", &[], "F(w, θ′) = F(cw, θ′) for all c > 0", &["definition-2.1"], &[]),
            checked(
                "The network Φ",
                &[2, 3],
                "fully normalised layers; BN over the minibatch",
                &[],
                &["definition-2.1", "equation-8"],
            ),
            checked("Rows and filters", &[], "each row before a BN is scale invariant", &[], &["definition-2.1"]),
            checked(
                "(γ, β) under ReLU",
                &[],
                "those of an inner BN are scale invariant",
                &["section-2.1-gamma-beta"],
                &[],
            ),
            checked("SGD", &[4], "separate learning rates for W and g", &[], &["lemma-2.4.2", "theorem-2.5"]),
            checked("Lemma 2.2", &[5], "∇_w F = ∇_v F/‖w‖", &["lemma-2.2"], &[]),
            checked(
                "Definition 2.3",
                &[6],
                "the intrinsic problem, on unit blocks",
                &[],
                &["lemma-2.2", "theorem-2.5"],
            ),
            checked(
                "Assumptions",
                &[],
                "L^vv, L^vg, L^gg bound the Hessian's blocks, G_g the noise",
                &["section-2.4"],
                &["lemma-3.2", "theorem-4.2", "theorem-c.3"],
            ),
            checked(
                "Smoothed BN",
                &[7, 8],
                "ε‖w‖² keeps the invariance, ε alone does not",
                &["equation-8"],
                &["definition-2.1"],
            ),
            checked("Footnote 1", &[], "the constants may be as large as M^O(L)", &["footnote-1"], &["theorem-c.3"]),
            checked(
                "Lemma 2.4",
                &[],
                "w ⟂ ∇_w F; ‖w‖² grows by the squared step",
                &["lemma-2.4.1", "lemma-2.4.2"],
                &[],
            ),
            checked("Theorem 2.5", &[9], "an adaptive method on the spheres, with rate η/G", &["theorem-2.5"], &[]),
            checked(
                "Remark 2.6",
                &[],
                "WNGrad with projection, for every normalisation",
                &["remark-2.6"],
                &["theorem-2.5"],
            ),
            checked("Initialisation", &[], "scaling w₀ by C is dividing η by C²", &["section-2.5-initialisation"], &[]),
        ],
    },
    Section {
        title: "3 Full-batch gradient descent",
        statements: &[
            checked("Learning rates", &[], "η_g from L^gg, any η_w > 0", &[], &["lemma-3.2", "theorem-3.1"]),
            checked(
                "Theorem 3.1",
                &[10],
                "min‖∇L‖ = Õ(T^(-1/2))",
                &["theorem-3.1", "theorem-3.1-rate", "auto-tuning-gd"],
                &[],
            ),
            checked("Sum over W", &[11], "Σ‖∇_v L‖² ≤ n_T(n_T - n₀)/η_w²", &["equation-11"], &[]),
            checked(
                "Lemma 3.2",
                &[12],
                "the descent of one step",
                &["lemma-3.2", "lemma-3.2-proved", "largest-eta-g"],
                &[],
            ),
            checked(
                "Two phases",
                &[],
                "half of the first-order decrease once η_w/‖w‖² is small",
                &["two-phases"],
                &["lemma-3.2", "lemma-a.2"],
            ),
            checked("Sum over g", &[], "Σ‖∇_g L‖² ≤ (2/(cη_g))(L₀ - L_T + ΣC n_T/n₀)", &[], &["theorem-3.1"]),
        ],
    },
    Section {
        title: "4 Stochastic gradient descent",
        statements: &[
            checked("Learning rates", &[], "η_w(t+1)^(-α), η_g(t+1)^(-1/2)", &[], &["theorem-4.2", "remark-4.1"]),
            checked("Remark 4.1", &[], "α > 1/2 cannot be made up for", &["remark-4.1"], &[]),
            checked(
                "Theorem 4.2",
                &[13],
                "min E‖∇L‖² = Õ(T^(-1/2))",
                &["theorem-4.2", "theorem-4.2-rate", "effective-rate-law", "auto-tuning-sgd"],
                &[],
            ),
            checked(
                "Sketch, one step",
                &[14],
                "the Taylor step for one block without g, and its sum",
                &["equation-14"],
                &["lemma-b.2"],
            ),
            checked("Sketch, the rate", &[], "η_{w,T}/‖w_T‖² = Ω̃(T^(-1/2))", &[], &["lemma-b.3"]),
            checked("Sketch, second order", &[], "Σ(η²L^vv/‖w‖²)‖∇_w F‖² = Õ(log T)", &[], &["lemma-b.4"]),
        ],
    },
    Section {
        title: "5 Conclusions",
        statements: &[checked("Momentum", &[], "norms grow with momentum, too", &["section-5-momentum"], &[])],
    },
    Section {
        title: "A Full-batch gradient descent, proofs",
        statements: &[
            checked(
                "Identities",
                &[15, 16, 17],
                "the Hessian's blocks at W and at V",
                &["euler-identities", "appendix-a-identities"],
                &[],
            ),
            checked("Lemma A.1", &[18], "‖∇_w L‖ ≤ πL^vv/‖w‖", &["lemma-a.1", "lemma-a.1-sharp", "tanh-pi-half"], &[]),
            checked("Lemma A.2", &[19, 20], "the norms stay bounded", &["lemma-a.2"], &[]),
            checked("Proof of Theorem 3.1", &[], "the explicit bounds behind (10)", &[], &["theorem-3.1"]),
        ],
    },
    Section {
        title: "B Stochastic gradient descent, proofs",
        statements: &[
            checked(
                "Lemma B.1",
                &[],
                "Σa_t/A_{t-1} ≤ log₂(A_{T-1}/a₀) + 1 + 2B/a₀",
                &["lemma-b.1", "lemma-b.1-sharp"],
                &[],
            ),
            checked("Lemma B.2", &[21], "E L_T - L₀ ≤ ΣE S_i + E R", &["lemma-b.2"], &[]),
            checked("Lemma B.3", &[], "η_{w,T}/‖w_T‖² = Ω̃(T^(-1/2))", &["lemma-b.3"], &[]),
            checked("Lemma B.4", &[22, 23], "bounds of S_i and R", &["lemma-b.4"], &[]),
            checked("Proof of Theorem 4.2", &[], "the explicit bound behind (13)", &[], &["theorem-4.2"]),
        ],
    },
    Section {
        title: "C Smoothness of the network",
        statements: &[
            checked("Lemma C.1", &[], "back-propagation through a unit", &["lemma-c.1", "lemma-c.1-sharp"], &[]),
            checked("Lemma C.2", &[], "weight decay keeps g bounded", &["lemma-c.2"], &[]),
            checked("Theorem C.3", &[], "the constants of section 2.4 exist", &["theorem-c.3"], &[]),
        ],
    },
    Section {
        title: "D Experiments",
        statements: &[
            checked("Setting", &[], "VGG: SGD, projected SGD, no BN", &["appendix-d"], &[]),
            checked("D.1 Separate rates", &[], "η_g = 0.1, η_w from 10⁻² to 10²", &[], &["appendix-d"]),
            checked("D.2 Unified rate", &[], "one learning rate for W and g", &[], &["appendix-d"]),
            checked("D.3 Generalisation", &[], "test accuracy", &[], &["appendix-d"]),
        ],
    },
];

/// What the claims that are at home nowhere in the map stand under: the theorems that come next.
pub const BEYOND: &str = "Beyond the paper";

/// The map as plain data.
pub fn chapters() -> Vec<Chapter> {
    let place = |printed: &Printed| Place {
        name: printed.name(),
        gist: printed.gist.to_owned(),
        claims: printed.claims.iter().chain(printed.also).map(|&id| id.to_owned()).collect(),
        excluded: None,
    };
    MANIFEST
        .iter()
        .map(|section| Chapter {
            title: section.title.to_owned(),
            statements: section.statements.iter().map(place).collect(),
        })
        .collect()
}

/// The ids of the claims of a list that are at home nowhere in the map.
pub fn homeless<'a>(claims: &'a [&'static dyn Claim]) -> impl Iterator<Item = &'static str> + 'a {
    let ids = claims.iter().map(|claim| claim.statement().id);
    ids.filter(|id| !statements().any(|printed| printed.claims.contains(id)))
}

/// Every statement, in the order of print.
pub fn statements() -> impl Iterator<Item = &'static Printed> {
    MANIFEST.iter().flat_map(|section| section.statements)
}
