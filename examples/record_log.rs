//! A log to be fitted: 32 runs of SGD on problem J, whose gradient falls as T^(-1/4) though the learning rate of w is
//! constant.
//!
//! ```sh
//! cargo run --release --example record_log > runs.csv
//! cargo run --release -- fit runs.csv --run seed --value grad_sq --squared --against -0.25
//! ```

use std::io::Write as _;

use ratecheck::descent::{Plan, Schedule, StepRule, run_many};
use ratecheck::loss::closed::ProblemJ;
use ratecheck::random::Seed;
use ratecheck::rates::log_spaced;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (loss, n_steps) = (ProblemJ::default(), 100_000);
    let (eta_w, eta_g) = (Schedule::constant(1.0)?, Schedule::new(0.5, 0.5)?);
    let plan = Plan::new(StepRule::Gradient, eta_w, eta_g, n_steps, log_spaced(10, n_steps, 200));
    let mut out = std::io::stdout().lock();
    writeln!(out, "seed,t,grad_sq")?;
    for (seed, trace) in run_many(&loss, &vec![loss.theta_0(); 32], &plan, &Seed::new(2019)).iter().enumerate() {
        for record in &trace.records {
            writeln!(out, "{seed},{},{}", record.t, record.grad_sq())?;
        }
    }
    Ok(())
}
