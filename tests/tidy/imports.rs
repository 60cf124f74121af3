//! Data flows one way: a module imports only from those above it.

use crate::source::{Findings, Source, closing, first_outside, identifier, places};
use std::collections::HashMap;

/// Each layer may use those before it, and itself. `docs/architecture.md` says why.
const LAYERS: &[&[&str]] = &[
    &["error", "limits", "position", "expected", "pending", "query"],
    &["event"],
    &["medium"],
    &["log"],
    &["index"],
    &["store"],
    &["subscribe"],
    &["dispatch"],
    &["testing"],
    &["bin"],
];

/// What `lib.rs` lends at the root of the crate: the name, and the module that it comes from.
pub(crate) type Exports = HashMap<String, String>;

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// The module right under the root that a file belongs to, and the depth of the file's own module.
fn module_of(path: &str) -> Option<(&str, usize)> {
    let inner = path.strip_prefix("src/")?.strip_suffix(".rs")?;
    let depth = inner.split('/').filter(|part| *part != "mod").count();
    inner.split('/').next().filter(|module| *module != "lib").map(|module| (module, depth))
}

/// Paths that a `use` tree stands for: `a::{b, c::d}` is `a::b` and `a::c::d`. A rename keeps the new name last.
pub(crate) fn expand(tree: &str) -> Vec<Vec<String>> {
    let tree = tree.trim();
    if let Some(inner) = tree.strip_prefix('{') {
        let (mut paths, mut from) = (Vec::new(), 0);
        let inner = &inner[..inner.rfind('}').unwrap_or(inner.len())];
        while from < inner.len() {
            let end = first_outside(inner, from, b",").unwrap_or(inner.len());
            paths.extend(expand(&inner[from..end]));
            from = end + 1;
        }
        return paths;
    }
    if let Some((first, rest)) = tree.split_once("::").filter(|(first, _)| !first.contains('{')) {
        let mut paths = expand(rest);
        paths.iter_mut().for_each(|path| path.insert(0, first.trim().to_owned()));
        return paths;
    }
    let last = tree.split_once(" as ").map_or(tree, |(_, new)| new.trim());
    if last.is_empty() { Vec::new() } else { vec![vec![last.to_owned()]] }
}

/// The full paths of every `use` in the code, with the place of each.
pub(crate) fn used_paths(code: &str) -> Vec<(usize, Vec<String>)> {
    let mut paths = Vec::new();
    for at in places(code, "use ") {
        let end = first_outside(code, at, b";").unwrap_or(code.len());
        paths.extend(expand(&code[at + 4..end]).into_iter().map(|path| (at, path)));
    }
    paths
}

/// Reads the re-exports of `lib.rs`.
pub(crate) fn exports(lib: &Source) -> Exports {
    let mut exports = Exports::new();
    for (_, path) in used_paths(&lib.code) {
        let mut path = path.iter().filter(|part| !matches!(part.as_str(), "crate" | "self"));
        if let (Some(first), Some(last)) = (path.next(), path.next_back()) {
            exports.entry(last.clone()).or_insert_with(|| first.clone());
        }
    }
    exports
}

/// Names under the root of the crate that the code speaks of, with the place of each.
fn root_names(code: &str, depth: usize) -> Vec<(usize, String)> {
    let to_root = "super::".repeat(depth);
    let mut names = Vec::new();
    for prefix in ["crate::", "orchestrix::", &to_root] {
        for at in places(code, prefix).filter(|&at| !code[..at].ends_with("super::")) {
            let rest = &code[at + prefix.len()..];
            if rest.starts_with('{') {
                let paths = expand(&rest[..closing(rest, 0)]);
                names.extend(paths.into_iter().map(|path| (at, path[0].clone())));
            } else if rest.starts_with('*') {
                names.push((at, "*".to_owned()));
            } else {
                names.push((at, identifier(rest).to_owned()));
            }
        }
    }
    names
}

/// Imports from below, and of names that no layer has.
pub(crate) fn check(source: &Source, exports: &Exports) -> Findings {
    let Some((module, depth)) = module_of(&source.path) else { return Findings::new() };
    let Some(own) = layer(module) else {
        return vec![format!("{}: `{module}` is in no layer of tests/tidy/imports.rs", source.path)];
    };
    if module == "bin" {
        return Findings::new();
    }
    let mut findings = Findings::new();
    for (at, name) in root_names(&source.live, depth) {
        let home = exports.get(&name).unwrap_or(&name);
        match layer(home) {
            Some(other) if other <= own => {}
            Some(_) => {
                findings.push(format!("{}: `{module}` uses `{name}` of `{home}` below it", source.at(at)));
            }
            None => findings.push(format!("{}: `{name}` belongs to no layer", source.at(at))),
        }
    }
    findings.dedup();
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(path: &str, text: &str) -> Findings {
        let lib = Source::new(
            "src/lib.rs",
            "mod store;\npub use error::{Error, ErrorKind};\npub use store::Store;\npub use log::{verify as check};",
        );
        check(&Source::new(path, text), &exports(&lib))
    }

    #[test]
    fn expands_trees() {
        let paths: Vec<_> =
            expand("a::{b, c::{d, e as f}, self}").iter().map(|path| path.join("::")).collect();
        assert_eq!(paths, ["a::b", "a::c::d", "a::c::f", "a::self"]);
    }

    #[test]
    fn lets_imports_from_above_pass() {
        let text = "use crate::Error;\nuse crate::medium::{Medium, bug};\nuse super::frame;\n/// See [`crate::Store`].\nfn f() { crate::event::g() }";
        assert_eq!(checked("src/log/recover.rs", text), Findings::new());
        let tests = "#[cfg(test)]\nmod tests {\n    use crate::store::Store;\n}";
        assert_eq!(checked("src/log/recover.rs", tests), Findings::new());
        assert_eq!(checked("src/bin/orchestrix/main.rs", "use orchestrix::Store;"), Findings::new());
    }

    #[test]
    fn catches_imports_from_below() {
        for text in [
            "use crate::store::Options;",
            "use crate::{Error, store::{self, Options}};",
            "use crate::{\n    Error,\n    Store,\n};",
            "fn f() -> crate::index::Tail { todo!() }",
            "use super::super::store::Options;",
            "use crate::*;",
            "fn f() { orchestrix::Store::open() }",
        ] {
            assert_eq!(checked("src/log/recover.rs", text).len(), 1, "{text}");
        }
        assert_eq!(checked("src/event/mod.rs", "use super::check;").len(), 1, "a re-export under a new name");
        assert_eq!(checked("src/helpers.rs", "").len(), 1, "a module in no layer");
    }
}
