//! The sheet: strokes, areas and text, in sheet units, through plotters' SVG backend.

use std::fmt::Write as _;
use std::io;

use plotters::backend::{DrawingBackend, SVGBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontStyle, RGBColor, ShapeStyle, TextStyle};

/// The backend has whole coordinates only, and a slanted line on a coarse grid is wavy: the grid is three times finer
/// than the sheet.
const FINE: f64 = 3.0;

/// A role of colour. In the file it is written as its colour on white; the page, in light or dark, finds the strokes
/// by that value and gives them its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::report) enum Colour {
    /// Names and labels.
    Ink,
    /// Tick labels and reference slopes.
    Muted,
    /// Words over the data: they get a halo.
    Note,
    /// The axes.
    Axis,
    /// The grid.
    Grid,
    /// The fit window.
    Shade,
    /// The n-th curve.
    Series(usize),
    /// The n-th of up to nine curves that have an order.
    Ordered(usize),
    /// A level of a scale from 0, dark, to 255, light. No role: the same on every paper.
    Heat(u8),
}

/// Cividis (Nunez, Anderton and Renslow 2018), at equal steps: its lightness rises evenly, and it looks nearly the same
/// to those who do not tell red from green.
const HEAT: [u32; 10] = [
    0x00_22_4E, 0x12_35_70, 0x3B_49_6C, 0x57_5D_6D, 0x70_71_73, 0x8A_86_78, 0xA5_9C_74, 0xC3_B3_69, 0xE1_CC_55,
    0xFE_E8_38,
];

/// A colour between the steps.
fn heat(level: u8) -> RGBColor {
    let place = f64::from(level) / 255.0 * (HEAT.len() - 1) as f64;
    let below = (place as usize).min(HEAT.len() - 2);
    let share = place - below as f64;
    let [_, r, g, b] = HEAT[below].to_be_bytes();
    let [_, r_next, g_next, b_next] = HEAT[below + 1].to_be_bytes();
    let between = |a: u8, b: u8| (f64::from(a) + share * (f64::from(b) - f64::from(a))).round() as u8;
    RGBColor(between(r, r_next), between(g, g_next), between(b, b_next))
}

/// (on white, in a dark page): Okabe and Ito's colours, which stay apart for colour-blind eyes, without their yellow,
/// which is lost on white; then the greys; then plasma (Smith and van der Walt 2015), whose lightness rises evenly,
/// from its dark end on white and to its light end in the dark. All values on white differ, or the page could not tell
/// the roles apart.
pub(in crate::report) const PALETTE: [(&str, &str); 22] = [
    ("#0072B2", "#3D9BE0"),
    ("#D55E00", "#F0803C"),
    ("#009E73", "#22BD92"),
    ("#CC79A7", "#E29CC3"),
    ("#E69F00", "#F2B632"),
    ("#56B4E9", "#9AD4F7"),
    ("#3A3A3A", "#E6E6E6"),
    ("#1F2328", "#E4E4E0"),
    ("#62676E", "#A2A5A8"),
    ("#565B61", "#B4B6B8"),
    ("#8A8F96", "#7C8085"),
    ("#E7E8EA", "#33363A"),
    ("#F3F2EC", "#26282B"),
    ("#0D0887", "#B12A90"),
    ("#41049D", "#C54080"),
    ("#6A00A8", "#D6556D"),
    ("#8F0DA4", "#E56C5C"),
    ("#B12A90", "#F2844B"),
    ("#CC4778", "#F99D3B"),
    ("#E16462", "#FCBA2E"),
    ("#F2844B", "#F9D924"),
    ("#FCA636", "#F0F921"),
];

impl Colour {
    /// How many curves have colours of their own.
    pub(super) const SERIES: usize = 7;
    /// How many have them in order.
    pub(super) const ORDERED: usize = 9;

    fn rgb(self) -> RGBColor {
        let place = match self {
            Self::Series(n) => n % Self::SERIES,
            Self::Ink => 7,
            Self::Muted => 8,
            Self::Note => 9,
            Self::Axis => 10,
            Self::Grid => 11,
            Self::Shade => 12,
            Self::Ordered(n) => 13 + n % Self::ORDERED,
            Self::Heat(level) => return heat(level),
        };
        let value = u32::from_str_radix(&PALETTE[place].0[1..], 16).unwrap_or(0);
        let [_, r, g, b] = value.to_be_bytes();
        RGBColor(r, g, b)
    }

    /// As it is written in the file.
    #[cfg(test)]
    pub(super) fn hex(self) -> String {
        let RGBColor(r, g, b) = self.rgb();
        format!("#{r:02X}{g:02X}{b:02X}")
    }
}

/// How a line is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pen {
    Solid,
    Dashed,
    Dotted,
    Thin,
    Hair,
}

impl Pen {
    /// The backend knows no dashes. It would have to draw each as a line of its own; a width that no other line has
    /// marks the line instead, and [`Canvas::finish`] turns it into dashes.
    fn width(self) -> u32 {
        match self {
            Self::Solid => 6,
            Self::Dashed => 7,
            Self::Dotted => 5,
            Self::Thin => 4,
            Self::Hair => 3,
        }
    }
}

/// (mark, what it stands for)
const DASHES: [(&str, &str); 2] = [
    (r#"stroke-width="7""#, r#"stroke-width="6" stroke-dasharray="20 11""#),
    (r#"stroke-width="5""#, r#"stroke-width="5" stroke-dasharray="1 10" stroke-linecap="round""#),
];

/// A picture being drawn.
pub(super) struct Canvas {
    width: f64,
    height: f64,
    body: String,
}

impl Canvas {
    pub(super) fn new(width: f64, height: f64) -> Self {
        Self { width, height: height.ceil(), body: String::new() }
    }

    /// White paper, for a picture that stands alone.
    pub(super) fn background(&mut self) -> io::Result<()> {
        let _ = writeln!(self.body, r##"<rect width="100%" height="100%" fill="#FFFFFF"/>"##);
        Ok(())
    }

    pub(super) fn line(&mut self, points: &[[f64; 2]], pen: Pen, colour: Colour, opacity: f64) -> io::Result<()> {
        let mut points: Vec<(i32, i32)> = points.iter().map(fine).collect();
        // Points closer than the grid are one: a record of a million steps is a few thousand strokes.
        points.dedup();
        if let [point] = points[..] {
            points.push(point);
        }
        let style = ShapeStyle { color: mix(colour, opacity), filled: false, stroke_width: pen.width() };
        self.draw(|backend| backend.draw_path(points, &style))
    }

    pub(super) fn area(&mut self, outline: &[[f64; 2]], colour: Colour, opacity: f64) -> io::Result<()> {
        let mut points: Vec<(i32, i32)> = outline.iter().map(fine).collect();
        points.dedup();
        let style = ShapeStyle { color: mix(colour, opacity), filled: true, stroke_width: 0 };
        self.draw(|backend| backend.fill_polygon(points, &style))
    }

    pub(super) fn rectangle(&mut self, a: [f64; 2], b: [f64; 2], colour: Colour, opacity: f64) -> io::Result<()> {
        let style = ShapeStyle { color: mix(colour, opacity), filled: true, stroke_width: 0 };
        self.draw(|backend| backend.draw_rect(fine(&a), fine(&b), &style, true))
    }

    pub(super) fn dot(&mut self, at: [f64; 2], radius: f64, colour: Colour, filled: bool) -> io::Result<()> {
        let style = ShapeStyle { color: mix(colour, 1.0), filled, stroke_width: 4 };
        self.draw(|backend| backend.draw_circle(fine(&at), (radius * FINE).round() as u32, &style, filled))
    }

    /// Words that a pointer over this place brings up, without a script.
    pub(super) fn hint(&mut self, at: [f64; 2], words: &str) {
        let (x, y) = fine(&at);
        let words = escape(words);
        let _ = writeln!(
            self.body,
            r#"<circle class="hint" cx="{x}" cy="{y}" r="21" fill-opacity="0"><title>{words}</title></circle>"#
        );
    }

    /// Text whose middle line is at `y`; `anchor` is -1 to start at `x`, 0 to be centred there, 1 to end there.
    pub(super) fn text(&mut self, s: &str, x: f64, y: f64, size: f64, colour: Colour, anchor: i8) -> io::Result<()> {
        self.write(s, [x, y], size, colour, anchor, FontStyle::Normal)
    }

    /// A headline.
    pub(super) fn headline(&mut self, s: &str, x: f64, y: f64, size: f64) -> io::Result<()> {
        self.write(s, [x, y], size, Colour::Ink, -1, FontStyle::Bold)
    }

    fn write(
        &mut self,
        s: &str,
        at: [f64; 2],
        size: f64,
        colour: Colour,
        anchor: i8,
        font: FontStyle,
    ) -> io::Result<()> {
        let horizontal = match anchor {
            0 => HPos::Center,
            1.. => HPos::Right,
            _ => HPos::Left,
        };
        // The backend divides sizes by 1.24, which is how fonts measure them and SVG does not.
        let rgb = colour.rgb();
        let style = TextStyle::from(("sans-serif", size * FINE * 1.24, font))
            .color(&rgb)
            .pos(Pos::new(horizontal, VPos::Center));
        // XML has no characters for control codes.
        let clean: String = s.chars().filter(|c| !c.is_control()).collect();
        self.draw(|backend| backend.draw_text(&clean, &style, fine(&at)))
    }

    /// Lets the backend draw one thing, and keeps what it wrote without the frame that it puts around everything.
    fn draw<E: std::fmt::Display>(
        &mut self,
        stroke: impl FnOnce(&mut SVGBackend<'_>) -> Result<(), E>,
    ) -> io::Result<()> {
        let mut drawn = String::new();
        {
            let mut backend = SVGBackend::with_string(&mut drawn, (1, 1));
            stroke(&mut backend).map_err(|e| io::Error::other(e.to_string()))?;
            backend.present().map_err(|e| io::Error::other(e.to_string()))?;
        }
        let inner = drawn.split_once(">\n").and_then(|(_, rest)| rest.rsplit_once("</svg>"));
        let (inner, _) = inner.ok_or_else(|| io::Error::other("the SVG backend wrote no frame"))?;
        self.body.push_str(inner);
        Ok(())
    }

    /// The whole picture. With `id` it is for a page, which brings paper and colours; else it stands alone.
    pub(super) fn finish(self, title: &str, caption: &str, id: Option<&str>) -> String {
        let (w, h) = (self.width * FINE, self.height * FINE);
        let body = DASHES.iter().fold(self.body, |body, (mark, dashes)| body.replace(mark, dashes));
        let (title, caption) = (escape(title), escape(caption));
        let (prefix, attributes) = match id {
            Some(id) => (escape(id), String::new()),
            None => (
                "plot".to_owned(),
                format!(r#" xmlns="http://www.w3.org/2000/svg" width="{}" height="{}""#, self.width, self.height),
            ),
        };
        // On a page the same rule is in its style sheet, with the page's own paper.
        let halo = if id.is_none() {
            "<style>[fill=\"#565B61\"]{paint-order:stroke;stroke:#fff;stroke-width:12px;stroke-linejoin:round}\
             </style>\n"
        } else {
            ""
        };
        format!(
            "<svg{attributes} viewBox=\"0 0 {w} {h}\" role=\"img\" aria-labelledby=\"{prefix}-title {prefix}-desc\">\n\
             <title id=\"{prefix}-title\">{title}</title>\n<desc id=\"{prefix}-desc\">{caption}</desc>\n{halo}\
             <g stroke-linejoin=\"round\">\n{body}</g>\n</svg>\n"
        )
    }
}

fn fine(p: &[f64; 2]) -> (i32, i32) {
    // The casts saturate, and NaN becomes 0.
    ((p[0] * FINE).round() as i32, (p[1] * FINE).round() as i32)
}

fn mix(colour: Colour, opacity: f64) -> plotters::style::RGBAColor {
    use plotters::style::Color as _;
    colour.rgb().mix(opacity)
}

/// Text inside XML.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}
