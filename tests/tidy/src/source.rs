//! The size of files and functions, banned names, and what every file begins with.

use std::path::Path;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// Lines of a file, tests in files of their own apart.
pub const FILE_LINES_MAX: usize = 700;
/// Lines of a function, its signature included; one that is nothing but a struct's fields has as many as they are.
pub const FUNCTION_LINES_MAX: usize = 70;
/// Arguments beside `self`.
pub const FUNCTION_ARGS_MAX: usize = 6;
/// Words that say nothing as a whole name (design/architecture.md section 3).
const BANNED_NAMES: &[&str] = &["Session", "Manager", "Handler", "Helper", "Util", "Utils", "Data", "Info", "Service"];

/// Everything in one file that breaks the rules. `shown` is how the file is named in the report.
#[must_use]
pub fn source_breaks(shown: &str, text: &str) -> Vec<String> {
    let mut breaks = Vec::new();
    let tests_only = is_test_file(shown);
    let lines = text.lines().count();
    if lines > FILE_LINES_MAX && !tests_only {
        breaks.push(format!("{shown}: {lines} lines, at most {FILE_LINES_MAX}: split it by purpose"));
    }
    if !text.trim_start().starts_with("//!") {
        breaks.push(format!("{shown}: begin with `//!` saying what it is for"));
    }
    match syn::parse_file(text) {
        Ok(file) => {
            let mut visitor = Rules { shown, tests_only, breaks: &mut breaks };
            visitor.visit_file(&file);
        }
        Err(error) => breaks.push(format!("{shown}: does not parse: {error}")),
    }
    breaks
}

fn is_test_file(shown: &str) -> bool {
    let path = Path::new(shown);
    let in_tests = path.components().any(|c| matches!(c.as_os_str().to_str(), Some("tests" | "benches" | "examples")));
    in_tests || path.file_stem().is_some_and(|s| s == "tests" || s == "test")
}

struct Rules<'a> {
    shown: &'a str,
    tests_only: bool,
    breaks: &'a mut Vec<String>,
}

impl Rules<'_> {
    fn function(&mut self, signature: &syn::Signature, body: &syn::Block) {
        let lines = body.span().end().line - signature.span().start().line + 1;
        let (shown, name) = (self.shown, &signature.ident);
        if lines > FUNCTION_LINES_MAX && !self.tests_only && !is_table(body) {
            self.breaks.push(format!("{shown}: fn {name} has {lines} lines, at most {FUNCTION_LINES_MAX}"));
        }
        let args = signature.inputs.iter().filter(|a| matches!(a, syn::FnArg::Typed(_))).count();
        if args > FUNCTION_ARGS_MAX {
            self.breaks.push(format!("{shown}: fn {name} takes {args} arguments, at most {FUNCTION_ARGS_MAX}"));
        }
    }

    fn name(&mut self, ident: &syn::Ident) {
        if BANNED_NAMES.iter().any(|banned| ident == banned) {
            self.breaks.push(format!("{}: `{ident}` says nothing as a whole name: use the field's word", self.shown));
        }
    }
}

/// Whether a body is one struct with its fields, each a plain value.
fn is_table(body: &syn::Block) -> bool {
    let [syn::Stmt::Expr(syn::Expr::Struct(table), None)] = body.stmts.as_slice() else { return false };
    table.fields.iter().all(|field| !matches!(field.expr, syn::Expr::Block(_) | syn::Expr::Closure(_)))
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|a| {
        a.path().is_ident("test")
            || (a.path().is_ident("cfg") && a.parse_args::<syn::Ident>().is_ok_and(|ident| ident == "test"))
    })
}

impl<'ast> Visit<'ast> for Rules<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        if !is_test(&item.attrs) {
            self.function(&item.sig, &item.block);
        }
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.function(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.name(&item.ident);
        visit::visit_item_struct(self, item);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.name(&item.ident);
        visit::visit_item_enum(self, item);
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.name(&item.ident);
        visit::visit_item_trait(self, item);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_test(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_finds_what_breaks_it() {
        let long = format!("//! x\nfn f() {{\n{}}}\n", "    let _ = 1;\n".repeat(80));
        assert_eq!(source_breaks("a.rs", &long).len(), 1);
        let table = long.replace("    let _ = 1;\n", "a: 1,\n").replace("{\n", "{ A {\n").replace("}\n", "}}\n");
        assert_eq!(source_breaks("a.rs", &table), Vec::<String>::new());
        assert_eq!(source_breaks("a.rs", "fn f() {}").len(), 1, "no module doc");
        assert_eq!(source_breaks("a.rs", "//! x\nstruct Manager;").len(), 1);
        assert_eq!(source_breaks("a.rs", "//! x\nfn f(a:u8,b:u8,c:u8,d:u8,e:u8,f:u8,g:u8) {}").len(), 1);
        assert_eq!(source_breaks("a.rs", &format!("//! x\n{}", "\n".repeat(800))).len(), 1);
        assert_eq!(source_breaks("a/tests/a.rs", &format!("//! x\n{}", "\n".repeat(800))).len(), 0);
        assert_eq!(source_breaks("a.rs", "//! x\nstruct CallManager;"), Vec::<String>::new());
    }
}
