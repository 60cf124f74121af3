//! Bounds of files and functions, and folders' roots without logic.

use crate::source::{
    Findings, Source, closing, first_outside, identifier, is_library, is_test_path, line_of, words,
};

const FILE_LINES_MAX: usize = 400;
const FUNCTION_LINES_MAX: usize = 70;
const INLINE_TESTS_LINES_MAX: usize = 120;

/// Roots of a folder that may hold functions with bodies, each with the reason. Asserted both ways.
pub(crate) const ROOTS_WITH_LOGIC: &[(&str, &str)] = &[
    ("derive/src/lib.rs", "a procedural macro stands in the root of its crate"),
    ("src/medium/mod.rs", "defaults of the traits and the constructors of `Medium`"),
];

/// Functions that have a body: name, and the lines from `fn` to the closing brace.
fn functions(code: &str) -> Vec<(&str, usize, usize)> {
    let mut found = Vec::new();
    for at in words(code, "fn") {
        let name = identifier(code[at + 2..].trim_start());
        let body = first_outside(code, at, b";{").filter(|&end| code.as_bytes()[end] == b'{');
        if let (false, Some(open)) = (name.is_empty(), body) {
            found.push((name, line_of(code, at), line_of(code, closing(code, open) - 1)));
        }
    }
    found
}

/// Files, functions and inline tests over their bounds; roots of folders with logic.
pub(crate) fn check(source: &Source, roots_with_logic: &[(&str, &str)]) -> Findings {
    let path = &source.path;
    let mut findings = Findings::new();
    let lines = source.text.lines().count();
    if lines > FILE_LINES_MAX {
        findings.push(format!("{path}: {lines} lines, at most {FILE_LINES_MAX}"));
    }
    // An example is a whole program as its users write it.
    for (name, first, last) in functions(&source.code).into_iter().filter(|_| !path.starts_with("examples/"))
    {
        let lines = last - first + 1;
        if lines > FUNCTION_LINES_MAX {
            findings
                .push(format!("{path}:{first}: `{name}` has {lines} lines, at most {FUNCTION_LINES_MAX}"));
        }
    }
    for at in words(&source.code, "mod").filter(|_| !is_test_path(path)) {
        let open = first_outside(&source.code, at, b";{").filter(|&end| source.code.as_bytes()[end] == b'{');
        let Some(open) = open.filter(|_| identifier(source.code[at + 3..].trim_start()) == "tests") else {
            continue;
        };
        let lines = source.code[open..closing(&source.code, open)].matches('\n').count() + 1;
        if lines > INLINE_TESTS_LINES_MAX {
            let at = source.at(at);
            findings.push(format!(
                "{at}: {lines} lines of tests, at most {INLINE_TESTS_LINES_MAX}; move them to tests.rs"
            ));
        }
    }
    if is_library(path) && (path.ends_with("/mod.rs") || path.ends_with("src/lib.rs")) {
        let logic = functions(&source.live);
        let listed = roots_with_logic.iter().any(|(root, _)| root == path);
        if let (false, Some((name, line, _))) = (listed, logic.first()) {
            findings.push(format!("{path}:{line}: `{name}` is logic in the root of a folder"));
        }
        if listed && logic.is_empty() {
            findings.push(format!("{path}: has no logic any more; take it off ROOTS_WITH_LOGIC"));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(path: &str, text: &str) -> usize {
        check(&Source::new(path, text), ROOTS_WITH_LOGIC).len()
    }

    fn function(lines: usize) -> String {
        format!("fn long(\n    a: [u8; 4],\n) {{\n{}}}\n", "    f(\"{\");\n".repeat(lines - 4))
    }

    #[test]
    fn catches_long_files_and_functions() {
        assert_eq!(count("src/log/a.rs", &"\n".repeat(400)), 0);
        assert_eq!(count("src/log/a.rs", &"\n".repeat(401)), 1);
        assert_eq!(count("src/log/a.rs", &function(70)), 0);
        assert_eq!(count("src/log/a.rs", &function(71)), 1);
        assert_eq!(count("tests/a.rs", &function(71)), 1);
        assert_eq!(count("examples/a.rs", &function(71)), 0);
        assert_eq!(count("src/log/a.rs", &format!("trait T {{ fn f(&self);\n{} }}", "\n".repeat(80))), 0);
    }

    #[test]
    fn catches_long_inline_tests() {
        let block = |lines: usize| format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "\n".repeat(lines - 2));
        assert_eq!(count("src/log/a.rs", &block(120)), 0);
        assert_eq!(count("src/log/a.rs", &block(121)), 1);
        assert_eq!(count("src/log/a.rs", "#[cfg(test)]\nmod tests;\n"), 0);
    }

    #[test]
    fn catches_logic_in_roots() {
        assert_eq!(count("src/log/mod.rs", "pub fn f() {}"), 1);
        assert_eq!(count("src/lib.rs", "fn f() {}"), 1);
        assert_eq!(count("derive/src/model/mod.rs", "fn f() {}"), 1);
        assert_eq!(count("tests/link/src/lib.rs", "fn f() {}"), 0);
        assert_eq!(count("src/lib.rs", "mod a;\npub use a::b;\ntype F = fn() -> u8;"), 0);
        assert_eq!(
            count(
                "src/log/mod.rs",
                "trait T {\n    fn f(&self);\n}\n#[cfg(test)]\nmod tests {\n    fn f() {}\n}"
            ),
            0
        );
        assert_eq!(count("src/medium/mod.rs", "fn f() {}"), 0);
        assert_eq!(
            count("src/medium/mod.rs", "mod a;"),
            1,
            "a listed root without logic must leave the list"
        );
    }
}
