//! Everything that is needed to repeat the run, and the way to its raw files.

use std::fmt::{self, Write};

use trial_store::BoardNews;

use super::escape::Text;
use crate::{Run, progress::fate};

pub(super) fn write(out: &mut String, run: &Run) -> fmt::Result {
    out.push_str("<section id=\"facts\">\n<h2>To repeat this run</h2>\n<div class=\"scroll\"><table>\n<tbody>\n");
    let mut fact = |name: &str, value: &str| {
        writeln!(out, "<tr><th scope=\"row\">{}</th><td>{}</td></tr>", Text(name), Text(value))
    };
    fact("tool", &run.manifest.tool)?;
    fact("started", &run.manifest.created.to_string())?;
    fact("seed", &run.manifest.seed.to_string())?;
    if let Some(result) = &run.result {
        fact("backend", &result.backend)?;
        fact("metric", result.metric.as_deref().unwrap_or("given by the evaluator"))?;
    }
    for (name, value) in &run.manifest.configuration {
        let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        fact(name, &shown)?;
    }
    for (role, identity) in &run.manifest.identities {
        fact(&format!("content of {role}"), &identity.to_string())?;
    }
    if let Some(started) = &run.history.started {
        fact("boards", &if started.boards.is_empty() { "none".to_owned() } else { started.boards.join(", ") })?;
        fact("trials at a time", &started.workers.to_string())?;
    }
    for news in &run.history.board_news {
        match news {
            BoardNews::Fault(fault) => fact(&format!("trouble with {}", fault.board), &fault.detail)?,
            BoardNews::Changed(changed) => fact(&format!("board {}", changed.board), &fate(changed))?,
        }
    }
    out.push_str("</tbody></table></div>\n<h2>Raw files</h2>\n<ul class=\"files\">\n");
    for name in run.files() {
        writeln!(out, "<li><a href=\"./{}\">{}</a></li>", Text(url(&name)), Text(&name))?;
    }
    out.push_str("</ul>\n</section>\n");
    Ok(())
}

/// A file name as a part of an address.
fn url(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    name.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
