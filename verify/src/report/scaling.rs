//! The page of the scaling laws.

use std::path::{Path, PathBuf};

use super::sheet::{Sheet, Table, write_sheet};
use super::{ReportError, number, pretty};
use crate::claim::plot::{Figure, Plot, Reference, Series, Style};
use crate::lab::bench::{Along, Cost, Curve, NIGHT, Night, STEPS, Scaling};
use crate::text::number::{count, duration};

/// The same as data.
const DATA: &str = "scaling.json";

/// Writes `scaling.json`, the page `index.html`, the pictures and their data into `dir`, and returns the page. `note` is
/// what else was true of the machine, `command` measures it again.
///
/// # Errors
/// When a file cannot be written or rendered; the error names it.
pub fn write_scaling(found: &Scaling, note: Option<&str>, command: &str, dir: &Path) -> Result<PathBuf, ReportError> {
    let json = pretty(found).map_err(|error| ReportError::render(DATA, error))?;
    let mut facts = vec![
        ("processor", found.processor.clone()),
        ("threads", format!("{}, {:.2} times as fast as one", found.threads, found.speed_up)),
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
    ];
    facts.extend(note.map(|note| ("note", note.to_owned())));
    let sheet = Sheet {
        title: "Scaling laws".to_owned(),
        lead: rule(found),
        facts,
        tables: vec![nights(found), exponents(found)],
        figures: PICTURES.iter().filter_map(|picture| picture.plot(found)).map(Figure::Plot).collect(),
        command: command.to_owned(),
        files: vec![(DATA.to_owned(), json)],
        reproducible: false,
    };
    write_sheet(&sheet, dir)
}

/// From where on a cluster is needed, in words.
pub fn rule(found: &Scaling) -> String {
    let example = found.nights.iter().min_by(|a, b| {
        let apart = |night: &Night| (night.parameters / 1e3).ln().abs();
        apart(a).total_cmp(&apart(b))
    });
    let example = example.map_or_else(String::new, |night| {
        format!(
            " A network of {} parameters takes {} for a step of 128 examples: a night has room for {} cells of {} steps.",
            count(night.parameters as u64),
            time(night.step),
            number::pretty(night.cells),
            count(STEPS as u64),
        )
    });
    let of_cells = found.curves.iter().filter(|curve| curve.along == Along::Cells && curve.cost == Cost::Bytes);
    let memory = of_cells.filter_map(|curve| curve.points.iter().rfind(|point| point.measured)).next();
    let memory = memory.map_or_else(String::new, |point| {
        format!(" Memory: a sweep of {} took {} MB.", cells(point.at), number::pretty(1e-6 * point.cost))
    });
    format!(
        "The rule: go to a cluster when cells × steps × the seconds of a step is more than {} s, a night of {} hours on \
         {}.{example}{memory}",
        number::pretty(NIGHT * found.speed_up),
        NIGHT / 3600.0,
        match found.threads {
            1 => "one thread".to_owned(),
            threads => format!("{threads} threads, which are {:.2} times as fast as one", found.speed_up),
        },
    )
}

fn cells(n: f64) -> String {
    format!("{} cell{}", count(n as u64), if n == 1.0 { "" } else { "s" })
}

/// Seconds in the unit that suits them.
fn time(seconds: f64) -> String {
    match seconds {
        few if few < 1e-3 => format!("{} µs", number::pretty(1e6 * few)),
        some if some < 1.0 => format!("{} ms", number::pretty(1e3 * some)),
        many => duration(many),
    }
}

fn nights(found: &Scaling) -> Table {
    let row = |night: &Night| {
        vec![
            number::pretty(night.parameters),
            format!("{}{}", time(night.step), extrapolated(night.measured)),
            number::pretty(night.cell_steps),
            number::pretty(night.cells),
        ]
    };
    Table {
        caption: "What this machine does in a night".to_owned(),
        header: vec!["Parameters", "A step", "Cells × steps", "Cells of 10,000 steps"],
        rows: found.nights.iter().map(row).collect(),
        note: format!(
            "A step is one of SGD with 128 of 256 examples in double precision, on one thread; a night is {} hours on \
             all threads. What is beyond it needs as many machines as it is larger, by --part or --slurm. `ratecheck \
             sweep PLAN --dry-run` times the cells of a plan.",
            NIGHT / 3600.0
        ),
    }
}

/// What is said of a number that was not measured.
fn extrapolated(measured: bool) -> &'static str {
    if measured { "" } else { ", extrapolated" }
}

fn exponents(found: &Scaling) -> Table {
    let row = |curve: &Curve| {
        let [p, from] = curve.exponent.map_or([number::NONE.to_owned(), number::NONE.to_owned()], |fit| {
            let [from, to] = fit.window.map(number::pretty);
            let p = number::minus(&format!("{:.2}", fit.slope));
            [format!("{p} ± {:.2}", fit.standard_error), format!("{from} to {to}, {} sizes", fit.n_points)]
        });
        let largest = curve.points.last().map_or_else(String::new, |point| {
            let said = match curve.cost {
                Cost::Seconds => time(point.cost),
                Cost::Bytes => format!("{} MB", number::pretty(1e-6 * point.cost)),
            };
            format!("{said} at {}{}", number::pretty(point.at), extrapolated(point.measured))
        });
        vec![curve.name.clone(), along(curve.along).to_owned(), p, from, largest]
    };
    Table {
        caption: "Exponents".to_owned(),
        header: vec!["Cost of", "Against", "Exponent", "Fitted on", "The largest"],
        rows: found.curves.iter().map(row).collect(),
        note:
            "The exponent p of cost = C size^p, by least squares in logarithms on the last decade and a half of what \
               was measured, with its standard error; none where fewer than three sizes are in it. Times are the best \
               of some tenths of a second. What would have taken too long is extrapolated by the exponent, and says so."
                .to_owned(),
    }
}

fn along(of: Along) -> &'static str {
    match of {
        Along::Parameters => "parameters",
        Along::Batch => "examples in a minibatch",
        Along::Steps => "steps",
        Along::Threads => "threads",
        Along::Cells => "cells",
    }
}

/// A picture of all curves of one kind.
struct Picture {
    along: Along,
    cost: Cost,
    title: &'static str,
    caption: &'static str,
}

const PICTURES: [Picture; 7] = [
    Picture {
        along: Along::Parameters,
        cost: Cost::Seconds,
        title: "Time against parameters",
        caption: "Networks n-n-n-1 and 128 examples, on one thread. What normalisation and tanh take grows with n, the \
                  products with n². In the names, p is the exponent.",
    },
    Picture {
        along: Along::Batch,
        cost: Cost::Seconds,
        title: "Time against the minibatch",
        caption: "A gradient on one thread; p is the exponent.",
    },
    Picture {
        along: Along::Steps,
        cost: Cost::Seconds,
        title: "Time against steps",
        caption: "One run with minibatches of 32 examples, on one thread.",
    },
    Picture {
        along: Along::Threads,
        cost: Cost::Seconds,
        title: "Time against threads",
        caption: "What a step of a run takes when every thread steps eight runs of its own in lockstep: the time of all \
                  by the steps of all.",
    },
    Picture {
        along: Along::Cells,
        cost: Cost::Seconds,
        title: "Time against cells",
        caption: "The whole command `ratecheck sweep` on all threads, with its files and its page; the hundred \
                  steps of a cell take some microseconds, so this is what a cell costs besides.",
    },
    Picture {
        along: Along::Cells,
        cost: Cost::Bytes,
        title: "Memory against cells",
        caption: "The most that the process of that command had at any moment.",
    },
    Picture {
        along: Along::Parameters,
        cost: Cost::Bytes,
        title: "Memory against parameters",
        caption: "The most that a process had which runs one cell of a network n-n-n-1 on 128 examples, on one thread.",
    },
];

impl Picture {
    fn plot(&self, found: &Scaling) -> Option<Plot> {
        let cost = match self.cost {
            Cost::Seconds => "seconds",
            Cost::Bytes => "bytes",
        };
        let id = format!("{cost}-{}", along(self.along).split(' ').next_back().unwrap_or_default());
        let mut plot = Plot::log_log(&id, self.title, self.caption, along(self.along), cost);
        for curve in found.curves.iter().filter(|curve| curve.along == self.along && curve.cost == self.cost) {
            let points = |measured: bool| {
                let some = curve.points.iter().filter(move |point| point.measured == measured);
                some.map(|point| [point.at, point.cost]).collect::<Vec<_>>()
            };
            let (seen, beyond) = (points(true), points(false));
            let [first, .., last] = seen[..] else { continue };
            let p = curve.exponent.map(|fit| number::minus(&format!(", p = {:.2}", fit.slope)));
            plot.series.push(Series::new(format!("{}{}", curve.name, p.unwrap_or_default()), Style::Line, seen));
            if !beyond.is_empty() {
                plot.series.push(Series::new("extrapolated", Style::Dashed, [&[last], &beyond[..]].concat()));
            }
            // Lines of slope 1, and of -1 for threads, to compare with.
            let slope = if self.along == Along::Threads { -1.0 } else { 1.0 };
            let through = if self.along == Along::Threads { first } else { last };
            if plot.references.is_empty() && self.cost == Cost::Seconds {
                let name = if slope < 0.0 { "shared without loss" } else { "in proportion" };
                plot.references.push(Reference { name: name.to_owned(), slope, through });
            }
        }
        (!plot.series.is_empty()).then_some(plot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found() -> Scaling {
        let step = [[100.0, 1e-5], [1e3, 1e-4], [1e4, 1e-3]];
        let long = [[1.0, 0.1], [10.0, 0.2], [20.0, 0.4], [40.0, 0.8]];
        Scaling {
            processor: "a processor".to_owned(),
            threads: 2,
            speed_up: 1.5,
            curves: vec![
                Curve::new(Along::Parameters, Cost::Seconds, "step", &step, &[]),
                Curve::new(Along::Threads, Cost::Seconds, "sweep", &[[1.0, 3.0], [2.0, 2.0]], &[]),
                Curve::new(Along::Cells, Cost::Seconds, "cells", &long, &[1.0, 1e4]),
                Curve::new(Along::Cells, Cost::Bytes, "cells", &long, &[]),
            ],
            nights: vec![Night { parameters: 1e3, step: 1e-4, cell_steps: 5.4e8, cells: 5.4e4, measured: true }],
        }
    }

    #[test]
    fn the_page_says_what_was_measured_and_what_was_not() {
        let directory = tempfile::tempdir().expect("a directory");
        let page =
            write_scaling(&found(), Some("a busy machine"), "ratecheck bench", directory.path()).expect("a page");
        let page = std::fs::read_to_string(page).expect("the page");
        for part in
            ["a processor", "a busy machine", "54000", "sweep</th>", "3 min 20 s at 10000, extrapolated", "1.00 ± 0.00"]
        {
            assert!(page.contains(part), "{part}: {page}");
        }
        assert!(!page.contains("bit for bit"), "times are not");
        for name in ["scaling.json", "plots/seconds-cells.svg", "data/bytes-cells.csv", "plots/seconds-threads.svg"] {
            assert!(directory.path().join(name).exists(), "{name}");
        }
    }

    #[test]
    fn the_rule_names_its_numbers() {
        let rule = rule(&found());
        // 36,000 s times 1.5.
        for part in [
            "54000 s",
            "2 threads, which are 1.50",
            "100 µs",
            "1000 parameters",
            "54000 cells",
            "40 cells took 8×10⁻⁷ MB",
        ] {
            assert!(rule.contains(part), "{part}: {rule}");
        }
    }
}
