//! Drawings in SVG: lines, boxes, text and axes. Colours are classes, which the page gives their light and dark values.
//!
//! In: shapes in pixels. Out: an `<svg>` element. A crate for plots would be larger than the whole bench for five pictures.

use std::fmt::Write;

/// Most marks on an axis.
const MOST_TICKS: usize = 24;

/// Text that a file has a say in, for HTML and SVG: nothing in it is markup.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            _ if c.is_control() => safe.push('\u{fffd}'),
            _ => safe.push(c),
        }
    }
    safe
}

/// Where text is anchored.
#[derive(Clone, Copy, Debug)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// A drawing.
#[derive(Debug)]
pub(super) struct Svg {
    width: f64,
    height: f64,
    body: String,
}

impl Svg {
    pub(super) fn new(width: f64, height: f64) -> Self {
        Self { width, height, body: String::new() }
    }

    pub(super) fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let _ = write!(
            self.body,
            r#"<line class="{class}" x1="{:.1}" y1="{:.1}" x2="{:.1}" y2="{:.1}"/>"#,
            from.0, from.1, to.0, to.1
        );
    }

    /// A box; one that is too narrow to be seen is made a pixel wide.
    pub(super) fn area(&mut self, class: &str, (x, y): (f64, f64), width: f64, height: f64) {
        let (width, height) = (width.max(1.0), height.max(0.0));
        let _ = write!(self.body, r#"<rect class="{class}" x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}"/>"#);
    }

    pub(super) fn dot(&mut self, class: &str, (x, y): (f64, f64), radius: f64) {
        let _ = write!(self.body, r#"<circle class="{class}" cx="{x:.1}" cy="{y:.1}" r="{radius:.1}"/>"#);
    }

    /// A line through all points.
    pub(super) fn path(&mut self, class: &str, points: &[(f64, f64)]) {
        let _ = write!(self.body, r#"<polyline class="{class}" points=""#);
        for (x, y) in points {
            let _ = write!(self.body, "{x:.1},{y:.1} ");
        }
        self.body.push_str("\"/>");
    }

    pub(super) fn text(&mut self, class: &str, (x, y): (f64, f64), anchor: Anchor, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let _ =
            write!(self.body, r#"<text class="{class}" x="{x:.1}" y="{y:.1}" text-anchor="{anchor}">{}</text>"#, escaped(text));
    }

    /// The element; `about` is read out to who cannot see it.
    pub(super) fn finish(self, about: &str) -> String {
        let Self { width, height, body } = self;
        let about = escaped(about);
        format!(
            r#"<svg viewBox="0 0 {width:.0} {height:.0}" width="{width:.0}" height="{height:.0}" role="img" aria-label="{about}">{body}</svg>"#
        )
    }
}

/// A scale from values to pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) from: f64,
    pub(super) to: f64,
}

impl Scale {
    /// A scale of `low` to `high` over the pixels `from` to `to`. What is no range becomes one.
    pub(super) fn new(low: f64, high: f64, from: f64, to: f64) -> Self {
        let low = if low.is_finite() { low } else { 0.0 };
        let high = if high.is_finite() && high > low && (high - low).is_finite() { high } else { low + 1.0 };
        Self { low, high, from, to }
    }

    /// The pixel of a value, kept on the scale.
    pub(super) fn at(&self, value: f64) -> f64 {
        let share = ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
        let share = if share.is_finite() { share } else { 0.0 };
        self.from + share * (self.to - self.from)
    }

    /// Round values on the scale, about `count` of them, with their labels.
    pub(super) fn ticks(&self, count: f64) -> Vec<(f64, String)> {
        let rough = (self.high - self.low) / count.max(1.0);
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|k| k * power).find(|step| *step >= rough * 0.999).unwrap_or(rough);
        let digits = (-(step * 1.0001).log10().floor()).clamp(0.0, 6.0) as usize;
        let first = (self.low / step).ceil();
        let tick = |k: usize| {
            let value = (first + k as f64) * step;
            // -0 is 0.
            let value = if value == 0.0 { 0.0 } else { value };
            (value, format!("{value:.digits$}"))
        };
        (0..MOST_TICKS).map(tick).take_while(|(value, _)| *value <= self.high + step * 1e-6).collect()
    }
}

/// The grid and labels of a plot.
pub(super) fn axes(svg: &mut Svg, x: &Scale, y: &Scale, x_name: &str, y_name: &str) {
    for (value, label) in x.ticks(8.0) {
        let at = x.at(value);
        svg.line("grid", (at, y.from), (at, y.to));
        svg.text("label", (at, y.from + 16.0), Anchor::Middle, &label);
    }
    for (value, label) in y.ticks(5.0) {
        let at = y.at(value);
        svg.line("grid", (x.from, at), (x.to, at));
        svg.text("label", (x.from - 8.0, at + 4.0), Anchor::End, &label);
    }
    svg.line("axis", (x.from, y.from), (x.to, y.from));
    svg.text("label", (x.to, y.from + 34.0), Anchor::End, x_name);
    svg.text("label", (x.from, y.to - 10.0), Anchor::Start, y_name);
}

/// Names of what is drawn, in a row, each behind a box of its colour.
pub(super) fn legend(svg: &mut Svg, (mut x, y): (f64, f64), entries: &[(&str, &str)]) {
    for (class, name) in entries {
        svg.area(class, (x, y - 9.0), 10.0, 10.0);
        svg.text("label", (x + 15.0, y), Anchor::Start, name);
        x += 15.0 + name.chars().count() as f64 * 6.6 + 22.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_bounded() {
        let labels =
            |low, high| Scale::new(low, high, 0.0, 100.0).ticks(5.0).into_iter().map(|(_, label)| label).collect::<Vec<_>>();
        assert_eq!(labels(0.0, 1.0), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(-0.5, 2.0), ["-0.5", "0.0", "0.5", "1.0", "1.5", "2.0"]);
        assert_eq!(labels(0.0, 100.0), ["0", "20", "40", "60", "80", "100"]);
        for (low, high) in [(0.0, 0.0), (f64::NAN, 1.0), (0.0, f64::INFINITY), (-1e300, 1e300), (5.0, 1.0), (1e17, 1e17 + 4.0)] {
            let scale = Scale::new(low, high, 0.0, 100.0);
            assert!(scale.ticks(5.0).len() <= MOST_TICKS);
            assert!((0.0..=100.0).contains(&scale.at(0.5)) && (0.0..=100.0).contains(&scale.at(f64::NAN)));
        }
    }

    #[test]
    fn text_is_no_markup() {
        let mut svg = Svg::new(10.0, 10.0);
        svg.text("label", (0.0, 0.0), Anchor::Start, "<script>&\"'\x1b");
        let drawn = svg.finish("a<b");
        assert!(drawn.contains("&lt;script&gt;&amp;&quot;&#39;\u{fffd}</text>") && drawn.contains("a&lt;b"), "{drawn}");
    }
}
