//! Text of any kind: white space, banners, paths of one machine, links that lead nowhere.

use crate::source::{Findings, root};
use std::fs;
use std::path::Path;

/// White space at the end of a line, tabs, a missing or doubled newline at the end, banners in comments.
pub(crate) fn check_text(path: &str, text: &str) -> Findings {
    let mut findings = Findings::new();
    for (number, line) in (1..).zip(text.lines()) {
        let mut found = |what: &str| findings.push(format!("{path}:{number}: {what}"));
        if line.trim_end() != line {
            found("white space at the end of the line");
        }
        if line.contains('\t') {
            found("a tab");
        }
        if !path.ends_with(".md") && is_banner(line) {
            found("a banner: comments have no decorations");
        }
        if machine_paths().iter().any(|machine| line.contains(machine.as_str())) {
            found("a path of one machine");
        }
    }
    if !text.ends_with('\n') || text.ends_with("\n\n") {
        findings.push(format!("{path}: ends with one newline"));
    }
    findings
}

/// Put together here, so that this file doesn't hold them.
fn machine_paths() -> [String; 4] {
    ["home", "Users", "work", "root"].map(|folder| format!("/{folder}/"))
}

/// A comment that repeats one punctuation mark four times and more, as rules and boxes do.
fn is_banner(line: &str) -> bool {
    let line = line.trim_start();
    let comment = ["//", "#", "/*", "*"].iter().any(|start| line.starts_with(start));
    let is_rule = |mark: &str| line.strip_prefix("//").unwrap_or(line).contains(&mark.repeat(4));
    comment && !line.contains('|') && ["-", "=", "*", "#", "~", "_", "/", "+"].into_iter().any(is_rule)
}

/// Relative links of a page of Markdown that lead to no file, or to no heading of it.
pub(crate) fn check_links(path: &str, text: &str) -> Findings {
    let mut findings = Findings::new();
    let mut fenced = false;
    for (number, line) in (1..).zip(text.lines()) {
        fenced ^= line.trim_start().starts_with("```");
        for target in targets(line).filter(|_| !fenced) {
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let folder = Path::new(path).parent().expect("a file has a folder");
            let page = match file {
                "" => Some(text.to_owned()),
                _ => fs::read_to_string(root().join(folder).join(file)).ok(),
            };
            let is_there = page.is_some() || root().join(folder).join(file).exists();
            let headings = page.as_deref().map(headings).unwrap_or_default();
            if !is_there || !(anchor.is_empty() || headings.iter().any(|heading| heading == anchor)) {
                findings.push(format!("{path}:{number}: the link `{target}` leads nowhere"));
            }
        }
    }
    findings
}

/// Targets of the links of a line that stay within the tree.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    let after = line.split("](").skip(1);
    let targets = after.filter_map(|rest| rest.split_once(')').map(|(target, _)| target));
    targets.filter(|target| !target.contains("://") && !target.starts_with("mailto:"))
}

/// Names under which the headings of a page are linked to.
fn headings(page: &str) -> Vec<String> {
    let lines = page.lines().filter(|line| line.starts_with('#'));
    lines.map(|line| slug(line.trim_start_matches('#'))).collect()
}

fn slug(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn catches_untidy_text() {
        let count = |text: &str| check_text("src/a.rs", text).len();
        assert_eq!(count("//! A page.\n\nuse a;\n/// | a | b |\n/// |----|----|\n"), 0);
        assert_eq!(count("let a = 1; \n"), 1);
        assert_eq!(count("\tlet a = 1;\n"), 1);
        assert_eq!(count("no newline"), 1);
        assert_eq!(count("two newlines\n\n"), 1);
        for banner in ["// ---- Part two ----\n", "    //////////\n", "# ====\n", "/****** a\n"] {
            assert_eq!(count(banner), 1, "{banner}");
        }
        let path = format!("let a = \"{}\";\n", machine_paths()[0]);
        assert_eq!(count(&path), 1);
    }

    #[test]
    fn catches_dead_links() {
        let count = |text: &str| check_links("docs/page.md", text).len();
        let good = "# The page, part 1\n[a](../Cargo.toml) [b](https://example.org/x) [c](#the-page-part-1)\n```\n[d](nowhere)\n```\n";
        assert_eq!(count(good), 0);
        assert_eq!(count("[a](nowhere.md)"), 1);
        assert_eq!(count("[a](../Cargo.toml) and [b](../nowhere.md)"), 1);
        assert_eq!(count("# Heading\n[a](#other)"), 1);
        assert_eq!(count("[a](format.md#no-such-heading)"), 1);
        assert_eq!(count("[a](format.md#store-file-store-512-bytes)"), 0);
    }
}
