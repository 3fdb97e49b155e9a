#![allow(clippy::unwrap_used)]
use super::*;
use crate::claim::plot::{Axis, Reference};

fn plot(series: Vec<Series>) -> Plot {
    Plot {
        id: "p".into(),
        title: "Gradients <fall> & go on falling".into(),
        caption: "What to see".into(),
        x: Axis::log("steps T"),
        y: Axis::log("min ‖∇L‖²"),
        series,
        references: vec![Reference { name: "Theorem 3.1: T^(-1/2)".into(), slope: -0.5, through: [10.0, 0.1] }],
        window: Some([1e3, 1e5]),
        noise_floor: Some(1e-9),
    }
}

fn decay(name: &str, style: Style, slope: f64) -> Series {
    let points = (0..60).map(|i| 10.0_f64.powf(f64::from(i) / 10.0)).map(|t| [t, 0.3 * t.powf(slope)]).collect();
    Series::new(name, style, points)
}

fn attribute(element: &str, name: &str) -> Option<f64> {
    let (_, rest) = element.split_once(&format!(" {name}=\""))?;
    rest.split_once('"')?.0.parse().ok()
}

/// (left, right, top, bottom, text) of every text, as estimated.
fn texts(svg: &str) -> Vec<(f64, f64, f64, f64, String)> {
    svg.split("<text")
        .skip(1)
        .map(|t| {
            let (head, rest) = t.split_once('>').unwrap();
            let text = rest.split("</text").next().unwrap().trim();
            let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
            let [x, y, size] = ["x", "y", "font-size"].map(|a| attribute(head, a).unwrap());
            let width = em(&text) * size;
            let left = match head {
                h if h.contains("\"middle\"") => x - width / 2.0,
                h if h.contains("\"end\"") => x - width,
                _ => x,
            };
            (left, left + width, y - 0.5 * size, y + 0.5 * size, text)
        })
        .collect()
}

fn check(plot: &Plot) -> String {
    check_svg(&inline(plot, "one").unwrap());
    let svg = standalone(plot).unwrap();
    check_svg(&svg);
    svg
}

/// Every number is one, no text is clipped, no two texts overlap, and every tag is closed.
pub(super) fn check_svg(svg: &str) {
    assert!(!svg.contains("NaN") && !svg.contains("inf\""), "{svg}");
    let view: Vec<f64> = svg
        .split_once("viewBox=\"0 0 ")
        .unwrap()
        .1
        .split('"')
        .next()
        .unwrap()
        .split(' ')
        .map(|v| v.parse().unwrap())
        .collect();
    let texts = texts(svg);
    for (i, a) in texts.iter().enumerate() {
        assert!(a.0 >= 0.0 && a.1 <= view[0] && a.2 >= 0.0 && a.3 <= view[1], "clipped: {a:?} in {view:?}");
        for b in &texts[i + 1..] {
            let apart = a.1 <= b.0 || b.1 <= a.0 || a.3 <= b.2 + 4.0 || b.3 <= a.2 + 4.0;
            assert!(apart, "overlap: {a:?} {b:?}");
        }
    }
    assert_eq!(svg.matches("<text").count(), svg.matches("</text>").count());
    assert_eq!(svg.matches("<svg").count(), 1);
}

#[test]
fn names_beside_their_curves() {
    let svg = check(&plot(vec![decay("η = 1", Style::Line, -0.5), decay("fit: slope −0.498", Style::Dashed, -0.49)]));
    for text in
        ["η = 1", "fit: slope", "Theorem 3.1", "round-off", "fit window", "10⁴", "stroke-dasharray", "&lt;fall&gt;"]
    {
        assert!(svg.contains(text), "{text}");
    }
}

#[test]
fn many_curves_with_one_end() {
    check(&plot((0..9).map(|i| decay(&format!("learning rate 10^{i}"), Style::Line, -0.5)).collect()));
    // More than fit beside: a legend below.
    check(&plot((0..40).map(|i| decay(&format!("learning rate 10^{i}"), Style::Points, -0.5)).collect()));
    check(&plot(vec![
        decay(&"a very long name indeed ".repeat(20), Style::Line, -0.5),
        decay(&"x".repeat(300), Style::Line, -0.6),
    ]));
}

/// Rates that rise have colours that do, the first and the last of the scale among them.
#[test]
fn what_has_an_order_has_ordered_colours() {
    let svg =
        check(&plot([0.01, 0.1, 1.0, 10.0].map(|eta| decay(&format!("η_w = {eta}"), Style::Line, -0.5)).to_vec()));
    let places: Vec<_> = [0, 2, 5, 8].map(|n| svg.find(&Colour::Ordered(n).hex())).to_vec();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?}");
    for names in [["η = 1", "η = 2", "η = 3", "η = 3"], ["η = 1", "η = 2", "α = 3", "η = 4"], ["a", "b", "c", "d"]]
    {
        let svg = check(&plot(names.map(|name| decay(name, Style::Line, -0.5)).to_vec()));
        assert!(svg.contains(&Colour::Series(0).hex()) && !svg.contains(&Colour::Ordered(0).hex()), "{names:?}");
    }
}

#[test]
fn a_stack_is_shown_from_its_bottom() {
    let layer = |name: &str, low: f64, high: f64| Series {
        band: vec![[low, high]; 2],
        ..Series::new(name, Style::Area, vec![[1.0, high], [10.0, high]])
    };
    let mut stack = plot(vec![layer("lower", 0.0, 5.0), layer("upper", 5.0, 6.0)]);
    stack.y.scale = Scale::Linear;
    stack.references.clear();
    let svg = check(&stack);
    // 0 is on the axis although no point is near it, and every name stands beside the middle of its layer.
    let middle = |name: &str| texts(&svg).into_iter().find(|t| t.4 == name).map(|t| 0.5 * (t.2 + t.3)).unwrap();
    let [zero, four, six] = ["0", "4", "6"].map(middle);
    let two = 0.5 * (zero + four);
    assert!(
        middle("upper") < four && middle("upper") > six && (middle("lower") - two).abs() < 0.25 * (zero - four),
        "{svg}"
    );
}

/// A pointer brings up the values of a curve, and a run that has left the numbers is marked at the upper edge.
#[test]
fn values_come_up_and_divergence_is_marked() {
    let mut diverged = decay("η = 10", Style::Line, 0.3);
    diverged.points[40..].iter_mut().for_each(|p| p[1] = f64::INFINITY);
    let svg = check(&plot(vec![decay("η = 1 & more", Style::Line, -0.5), diverged]));
    for words in ["<title>η = 1 &amp; more: 0.3 at 1</title>", "<title>η = 10: diverged at 10000</title>"] {
        assert!(svg.contains(words), "{words} in {svg}");
    }
    let hints = svg.matches("<title>η = 1 &amp;").count();
    assert!((20..=32).contains(&hints), "{hints}");
}

#[test]
fn what_cannot_be_shown_is_left_out() {
    let mut odd = decay("odd", Style::Line, -1.0);
    odd.points[3] = [f64::NAN, 1.0];
    odd.points[9] = [5.0, f64::INFINITY];
    odd.points[20] = [0.0, -1.0];
    odd.band = vec![[f64::NEG_INFINITY, f64::INFINITY]; odd.points.len()];
    odd.band[7] = [f64::NAN, 0.0];
    let mut picture = plot(vec![odd]);
    picture.references.push(Reference { name: "nowhere".into(), slope: f64::NAN, through: [0.0, -1.0] });
    picture.window = Some([f64::NAN, -1.0]);
    picture.noise_floor = Some(0.0);
    check(&picture);

    let nothing = check(&plot(vec![Series::new("none", Style::Line, vec![[0.0, 1.0], [1.0, -1.0], [f64::NAN, 1.0]])]));
    assert!(nothing.contains("nothing to draw"));
    assert!(check(&plot(Vec::new())).contains("nothing to draw"));
}

#[test]
fn an_axis_of_names() {
    let mut picture = plot(vec![Series::new("found", Style::Points, vec![[0.5, 1.0], [1.0, 2.0]])]);
    picture.x = Axis::linear("part");
    picture.y = Axis::names("instance", vec!["a long name of an instance".into(), "second".into()]);
    let drawn = texts(&check(&picture));
    let place = |name: &str| drawn.iter().find(|t| t.4 == name).map(|t| t.2);
    assert!(place("second").unwrap() < place("a long name of an instance").unwrap()); // 1 is at the bottom
    assert_eq!(drawn.iter().filter(|t| t.4 == "1" || t.4 == "2").count(), 0);
}

/// Many rows make the axes higher; lines across them, and those before all curves, have a colour of their own.
#[test]
fn lines_to_compare_with_are_of_no_series() {
    let names: Vec<String> = (0..24).map(|k| format!("instance {k}")).collect();
    let points = (0..24).map(|k| [0.5, f64::from(k) + 1.0]).collect();
    let line = |name: &str, points: Vec<[f64; 2]>| Series::new(name, Style::Dashed, points);
    let across = line("limit", vec![[1.0, 0.5], [1.0, 24.5]]);
    let mut picture = plot(vec![Series::new("found", Style::Points, points), across]);
    picture.x = Axis::linear("part");
    picture.y = Axis::names("instance", names);
    picture.noise_floor = None; // a dotted line
    let dashed = |svg: &str| {
        let lines = svg.split("<polyline").filter(|line| line.contains("stroke-dasharray"));
        lines.map(|line| line.contains(&Colour::Muted.hex())).collect::<Vec<_>>()
    };
    assert_eq!(dashed(&check(&picture)), [true, true]); // the line and its sample beside its name
    let level = line("edge", vec![[1.0, 0.1], [100.0, 0.1]]);
    let curves = vec![level, decay("η = 1", Style::Line, -0.5), decay("fit", Style::Dashed, -0.49)];
    assert_eq!(dashed(&check(&plot(curves)))[..2], [true, false]);
}

#[test]
fn any_range() {
    for scale in [Scale::Linear, Scale::Log] {
        for ys in [
            [5e-324, f64::MAX],
            [1.0, 1.0 + f64::EPSILON],
            [1e-9, 1.1e-9],
            [0.97, 1.02],
            [3.0, 3.0],
            [-f64::MAX, f64::MAX],
            [-1e-12, 0.0],
        ] {
            let mut picture = plot(vec![Series::new("s", Style::Line, vec![[1.0, ys[0]], [2.0, ys[1]]])]);
            picture.x.scale = scale;
            picture.y.scale = scale;
            check(&picture);
        }
    }
}

#[test]
fn a_million_points_stay_small() {
    let points = (1..1_000_000).map(|i| [f64::from(i), 1.0 / f64::from(i)]).collect();
    assert!(standalone(&plot(vec![Series::new("s", Style::Line, points)])).unwrap().len() < 200_000);
}

#[test]
fn roles_have_their_own_colours() {
    let values: std::collections::BTreeSet<&str> = PALETTE.iter().map(|p| p.0).collect();
    assert_eq!(values.len(), PALETTE.len());
}
