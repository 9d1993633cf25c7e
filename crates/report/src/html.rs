//! `report.html`: the whole run on one page that needs no network and no server, opens from a disk, and prints.

mod blocks;
mod escape;
mod facts;
mod graph_view;
mod ops;
mod pareto;
mod trials;
mod verdict;

use std::fmt::{self, Write};

use escape::Text;
use trial_store::Lever;

use crate::Run;

const STYLE: &str = include_str!("html/page.css");
const SCRIPTS: [&str; 3] =
    [include_str!("html/graph_draw.js"), include_str!("html/graph_move.js"), include_str!("html/page.js")];

/// The report of a run as one self-contained HTML page.
pub fn html(run: &Run) -> String {
    let mut page = String::new();
    // Writing to a string cannot fail.
    let _ = write_page(&mut page, run);
    page
}

fn write_page(out: &mut String, run: &Run) -> fmt::Result {
    let title = run.path.file_name().unwrap_or_default().to_string_lossy();
    out.push_str("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    out.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    out.push_str(
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; \
         script-src 'unsafe-inline'; img-src data:\">\n",
    );
    writeln!(out, "<title>npu-bisect: {}</title>\n<link rel=\"icon\" href=\"data:,\">", Text(&title))?;
    writeln!(out, "<style>\n{STYLE}</style>\n</head>\n<body>")?;
    out.push_str("<header><span class=\"brand\">npu-bisect</span> <span class=\"run\">");
    writeln!(out, "{}</span> <button type=\"button\" id=\"theme\">Dark</button></header>", Text(&title))?;
    out.push_str("<main>\n");
    verdict::write(out, run)?;
    graph_view::write(out, run)?;
    trials::write(out, run)?;
    ops::write(out, run)?;
    pareto::write(out, run)?;
    facts::write(out, run)?;
    out.push_str("</main>\n<script>\n\"use strict\";\n");
    for script in SCRIPTS {
        out.push_str(script);
    }
    out.push_str("</script>\n</body>\n</html>\n");
    Ok(())
}

/// Where a placement puts its ops, and where the others are.
fn places(lever: Lever) -> (&'static str, &'static str) {
    match lever {
        Lever::Cpu => (lever.place(), "on the NPU"),
        Lever::Float => (lever.place(), "in 8 bits"),
    }
}

/// A score as shown everywhere in the page.
fn score(score: Option<f64>) -> String {
    score.map_or_else(|| "–".to_owned(), |score| format!("{score:.4}"))
}

/// A number and its noun.
fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// A duration for people.
fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 10.0 => format!("{s:.1} s"),
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}
