//! The slopes of the losses that come near to the best constant, around half of the circle.

use std::f64::consts::{FRAC_PI_2, PI};

use ratecheck::loss::closed::TanhCircle;
use ratecheck::loss::{Loss, Workspace};
use ratecheck::parameters::norm_sq;

use super::zones::Zone;
use super::{Harmonics, best};
use crate::claim::closed_forms::on_circle;
use crate::claim::plot::{Axis, Plot, Series, Style};

/// ||grad F|| over the angle with the first axis, where L = 1 for all of them or nearly so.
pub(super) fn around() -> Plot {
    // An even number, so that the second axis is among the angles; the ends are left out, where all slopes are 0.
    const ANGLES: u32 = 240;
    let curve = |name: &str, loss: &dyn Loss| {
        let mut grad = vec![0.0; 2];
        let at = |k: u32| {
            let angle = PI * f64::from(k) / f64::from(ANGLES);
            loss.sample_gradient(&[0], &on_circle(angle), &mut grad, &mut Workspace::default());
            [angle, norm_sq(&grad).sqrt()]
        };
        Series::new(name, Style::Line, (1..ANGLES).map(at).collect())
    };
    let mut plot = Plot::log_log(
        "slope",
        "The tanh circle climbs to tanh(π/2) and no higher; C² losses come as near as one likes",
        "‖∇F‖ at unit vectors, against their angle with the first axis, of losses whose curvature is at most 1: the \
         tanh circle, whose second derivative jumps at the top; the same rounded within 0.3 of the top, which is C²; \
         and two of its Fejér means, which are trigonometric polynomials.",
        "",
        "",
    );
    plot.x = Axis::linear("angle θ with the first axis");
    plot.y = Axis::linear("‖∇F‖");
    plot.series = vec![
        curve("tanh circle", &TanhCircle::new(1.0)),
        Series::new("tanh(π/2), derived here", Style::Dashed, vec![[0.0, best()], [PI, best()]]),
        curve("rounded, δ = 0.3", &Zone::rounded(2, FRAC_PI_2, 0.3)),
        curve("Fejér, N = 25", &Harmonics::fejer(25)),
        curve("Fejér, N = 7", &Harmonics::fejer(7)),
    ];
    plot
}
