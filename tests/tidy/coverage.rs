//! `docs/testing.md` and the tests agree: every rule (D1 ...) and fault (F1 ...) has its row, every test that a row
//! names exists and says so, and what a test covers isn't "not yet". Every variable that the code reads is explained.

use crate::source::{Findings, Source, identifier, is_word_byte, places};
use std::collections::BTreeMap;
use std::ops::Range;

/// One test function.
struct Test<'a> {
    name: &'a str,
    source: &'a Source,
    /// What the comment right above it covers.
    covers: Vec<String>,
}

/// The test functions of the tree, those within `proptest!` too.
fn tests(sources: &[Source]) -> Vec<Test<'_>> {
    let mut tests = Vec::new();
    for source in sources.iter().filter(|source| !source.path.starts_with("tests/tidy")) {
        for at in places(&source.code, "#[test]") {
            if let Some(function) = source.code[at..].find("fn ") {
                let name = identifier(&source.code[at + function + 3..]);
                tests.push(Test {
                    name,
                    source,
                    covers: numbers(source, comment_above(&source.text, at)..at),
                });
            }
        }
    }
    tests
}

/// Where the comment begins that stands right above the line of a byte.
fn comment_above(text: &str, at: usize) -> usize {
    let mut from = text[..at].rfind('\n').map_or(0, |end| end + 1);
    for line in text[..from].split_inclusive('\n').rev() {
        if !line.trim_start().starts_with("//") {
            break;
        }
        from -= line.len();
    }
    from
}

/// Numbers such as `F17` in the comments of a part of a file.
fn numbers(source: &Source, part: Range<usize>) -> Vec<String> {
    let mut numbers = Vec::new();
    for letter in ["D", "F"] {
        for at in places(&source.text, letter).filter(|at| part.contains(at)) {
            let digits = identifier(&source.text[at + 1..]);
            let in_comment = source.code.as_bytes()[at] == b' ' && !is_in_literal(source, at);
            if in_comment && !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
                numbers.push(format!("{letter}{digits}"));
            }
        }
    }
    numbers
}

/// Whether a blanked byte stands in a literal: no comment begins before it on its line.
fn is_in_literal(source: &Source, at: usize) -> bool {
    let from = source.text[..at].rfind('\n').map_or(0, |end| end + 1);
    let comment = source.text[from..at].find("//").map(|place| source.code.as_bytes()[from + place] == b' ');
    comment != Some(true)
}

/// The rows of a page whose first cell is a number: number and last cell.
fn rows(page: &str) -> Vec<(&str, &str)> {
    let mut rows = Vec::new();
    for line in page.lines().filter(|line| line.starts_with('|')) {
        let mut cells = line.trim().trim_matches('|').split('|').map(str::trim);
        if let (Some(number), Some(test)) = (cells.next(), cells.next_back()) {
            let digits = number.strip_prefix(['D', 'F']).unwrap_or("");
            if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
                rows.push((number, test));
            }
        }
    }
    rows
}

/// Rows that are missing or out of order, name no test or one that isn't there, or hide one that is.
pub(crate) fn check(page: &str, sources: &[Source], last: &[(char, usize)]) -> Findings {
    let rows = rows(page);
    let mut findings = Findings::new();
    let found: Vec<_> = rows.iter().map(|(number, _)| (*number).to_owned()).collect();
    let wanted = last.iter().flat_map(|(letter, last)| (1..=*last).map(move |n| format!("{letter}{n}")));
    if found != wanted.collect::<Vec<_>>() {
        findings.push(format!("docs/testing.md: the rows must be {last:?}, each once, in order"));
    }
    let tests = tests(sources);
    for &(number, cell) in &rows {
        let names: Vec<_> = cell.split('`').skip(1).step_by(2).collect();
        if names.is_empty() && cell != "not yet" && !cell.starts_with("none: ") {
            findings.push(format!(
                "docs/testing.md: {number} names no test: `name`, `not yet` or `none: reason`"
            ));
        }
        for name in &names {
            let mut homes = tests.iter().filter(|test| test.name == *name).peekable();
            if homes.peek().is_none() {
                findings.push(format!("docs/testing.md: {number} names `{name}`, which is no test"));
            } else if !homes.any(|test| all_numbers(test.source).iter().any(|other| other == number)) {
                findings.push(format!(
                    "docs/testing.md: the file of `{name}` doesn't say that it covers {number}"
                ));
            }
        }
        let covering = tests.iter().filter(|test| test.covers.iter().any(|other| other == number));
        for test in covering.filter(|test| !names.contains(&test.name)) {
            findings.push(format!("docs/testing.md: {number} doesn't name `{}`, which covers it", test.name));
        }
    }
    let cells: BTreeMap<_, _> = rows.into_iter().collect();
    let homes: BTreeMap<_, _> = tests.iter().map(|test| (&test.source.path, test.source)).collect();
    for (path, source) in homes {
        for number in all_numbers(source) {
            let covered = cells.get(number.as_str()).is_some_and(|cell| cell.contains('`'));
            if !covered && source.live.is_empty() {
                findings.push(format!("{path}: names {number}, and docs/testing.md has no test for it"));
            }
        }
    }
    findings.sort();
    findings.dedup();
    findings
}

fn all_numbers(source: &Source) -> Vec<String> {
    numbers(source, 0..source.text.len())
}

/// Variables of the environment that the code names and the page doesn't. Those with `_CHILD` in their name are between
/// a test and its own child process.
pub(crate) fn check_variables(page: &str, sources: &[Source]) -> Findings {
    let mut findings = Findings::new();
    for source in sources.iter().filter(|source| !source.path.starts_with("tests/tidy")) {
        for at in places(&source.text, "\"ORCHESTRIX_") {
            let name = identifier(&source.text[at + 1..]);
            let explained = page
                .match_indices(name)
                .any(|(at, _)| !page.as_bytes().get(at + name.len()).is_some_and(|&next| is_word_byte(next)));
            if !explained && !name.contains("_CHILD") {
                findings.push(format!("{}: docs/testing.md doesn't explain {name}", source.at(at)));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAST: &[(char, usize)] = &[('D', 1), ('F', 2)];

    fn count(page: &str) -> usize {
        let covers = "//! Covers F1.\n\n/// Cuts it off. D1\n#[test]\nfn cut() {}\nproptest! {\n    #[test]\n    fn random(x in 0..1u8) { \"F2\" }\n}\n";
        let other = "// F2 is met elsewhere.\n#[cfg(test)]\nmod tests {\n    #[test]\n    fn other() {}\n}\nfn cut_off() {}\n";
        let sources = [Source::new("tests/crash.rs", covers), Source::new("src/log/a.rs", other)];
        check(page, &sources, LAST).len()
    }

    #[test]
    fn catches_rows_and_tests_that_disagree() {
        let good = "| n | outcome | test |\n|---|---|---|\n| D1 | a | `cut` |\n| F1 | b | `cut`, `random` |\n| F2 | c | not yet |\n";
        assert_eq!(count(good), 0);
        assert_eq!(count(&good.replace("not yet", "none: out of scope")), 0);
        assert_eq!(count(&good.replace("`random`", "`cut_off`")), 1, "not a test");
        assert_eq!(
            count(&good.replace("`random`", "`other`")),
            1,
            "a test whose file doesn't name the number"
        );
        assert_eq!(
            count(&good.replace("a | `cut`", "a | `random`")),
            1,
            "a test that covers it, and isn't named"
        );
        assert_eq!(count(&good.replace("`cut`, `random`", "not yet")), 1, "a file that names it");
        assert_eq!(count(&good.replace("not yet", "soon")), 1);
        assert_eq!(count(&good.replace("| F2 | c | not yet |\n", "")), 1, "a row is missing");
        assert!(count(&good.replace("F2", "F1")) > 0, "a row stands twice");
    }

    #[test]
    fn catches_variables_that_are_not_explained() {
        let source = [Source::new("tests/crash.rs", "fn f() { cases(\"ORCHESTRIX_CASES\") }")];
        assert_eq!(check_variables("`ORCHESTRIX_CASES` is the number of cases.", &source).len(), 0);
        assert_eq!(check_variables("`ORCHESTRIX_CASES_MAX` is another.", &source).len(), 1);
        let child = [Source::new("tests/kill.rs", "fn f() { var(\"ORCHESTRIX_CHILD_DIR\") }")];
        assert_eq!(check_variables("", &child).len(), 0);
    }
}
