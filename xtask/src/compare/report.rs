//! The results for programs, as JSON, and for the documentation, as a chart.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::table::Row;
use crate::Result;

/// The rows of a run.
#[derive(Debug)]
pub(super) struct Report {
    about: String,
    rows: Vec<Value>,
    /// Names, and our time in parts of the peer's.
    bars: Vec<(String, f64)>,
}

impl Report {
    pub(super) fn new(about: String) -> Self {
        Report {
            about,
            rows: Vec::new(),
            bars: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, row: &Row) {
        let contestants: serde_json::Map<String, Value> = row
            .all()
            .into_iter()
            .map(|(who, outcome)| {
                let value = match outcome {
                    Err(why) => json!({ "failed": why }),
                    Ok(taken) => json!({
                        "seconds": taken.samples.iter().map(|sample| sample.wall).collect::<Vec<_>>(),
                        "peak_kib": taken.samples.iter().map(|sample| sample.peak_kib).max(),
                        "calls": taken.calls,
                    }),
                };
                (who.to_owned(), value)
            })
            .collect();
        let of_peer = row.of_peer();
        self.rows.push(json!({
            "name": row.name,
            "of_peer": of_peer,
            "contestants": contestants,
        }));
        if let Some(of_peer) = of_peer {
            self.bars.push((row.name.clone(), of_peer));
        }
    }

    pub(super) fn write_json(&self, path: &Path) -> Result {
        let value = json!({ "about": self.about, "rows": self.rows });
        write(path, format!("{value:#}\n"))
    }

    /// Writes bars, one for each row: our time in parts of the peer's.
    pub(super) fn write_chart(&self, path: &Path) -> Result {
        write(path, chart(&self.about, &self.bars))
    }
}

fn write(path: &Path, text: String) -> Result {
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

/// The width of a bar that is as long as the peer's time.
const WHOLE: f64 = 400.0;
/// Longer bars end here.
const LONGEST: f64 = 1.25;
const LEFT: f64 = 240.0;
const LINE: f64 = 20.0;
const TOP: f64 = 44.0;

fn chart(about: &str, bars: &[(String, f64)]) -> String {
    let height = TOP + LINE * bars.len() as f64 + 12.0;
    let width = LEFT + WHOLE * LONGEST + 80.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <text x=\"8\" y=\"16\" font-weight=\"bold\">Time in parts of the Go tool's (shorter is faster)</text>\n\
         <text x=\"8\" y=\"32\" fill=\"#555555\">{}</text>\n",
        escape(about)
    );
    for (number, (name, of_peer)) in bars.iter().enumerate() {
        let y = TOP + LINE * number as f64;
        let length = of_peer.min(LONGEST) * WHOLE;
        let fill = if *of_peer < 1.0 { "#2f7d4f" } else { "#b3452c" };
        let (text, end) = (y + 13.0, LEFT + length + 6.0);
        // Writing to a string cannot fail.
        let _written = write!(
            svg,
            "<text x=\"{}\" y=\"{text}\" text-anchor=\"end\">{}</text>\n\
             <rect x=\"{LEFT}\" y=\"{}\" width=\"{length:.1}\" height=\"14\" fill=\"{fill}\"/>\n\
             <text x=\"{end:.1}\" y=\"{text}\">{of_peer:.2}</text>\n",
            LEFT - 8.0,
            escape(name),
            y + 2.0,
        );
    }
    let whole = LEFT + WHOLE;
    let bottom = height - 8.0;
    let _written = write!(
        svg,
        "<line x1=\"{whole}\" y1=\"{TOP}\" x2=\"{whole}\" y2=\"{bottom}\" stroke=\"#555555\" \
         stroke-dasharray=\"3 3\"/>\n</svg>\n"
    );
    svg
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_has_a_bar_for_each_row() {
        let bars = [("a & b".to_owned(), 0.5), ("slow".to_owned(), 3.0)];
        let svg = chart("1 < 2", &bars);
        assert!(
            svg.contains("1 &lt; 2") && svg.contains("a &amp; b"),
            "{svg}"
        );
        assert!(svg.contains("width=\"200.0\""), "{svg}");
        // A bar that is too long ends at the edge, and its number tells how long it is.
        assert!(
            svg.contains("width=\"500.0\"") && svg.contains(">3.00</text>"),
            "{svg}"
        );
        assert!(
            svg.starts_with("<svg ") && svg.ends_with("</svg>\n"),
            "{svg}"
        );
    }
}
