//! Checks the order of the modules in a crate: a module may only use modules listed after it.
//!
//! `lib.rs` and each `mod.rs` list their modules from the highest to the lowest. A `use` or a path
//! from a module to one listed before it goes up. A re-export stands for the file that defines the
//! name. Up to [`LARGEST_CIRCLE`] files may use each other: they are one subject.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};

use crate::Result;

/// The most files that may use each other.
pub(crate) const LARGEST_CIRCLE: usize = 3;

/// Re-exports followed one after the other at most.
const MOST_STEPS: usize = 16;

type ModulePath = Vec<String>;

/// What the modules of a crate use of each other.
#[derive(Debug)]
pub(crate) struct Floors {
    /// Files that use each other, by their module paths, the most files first.
    pub(crate) circles: Vec<Vec<String>>,
    /// Uses that go up: from, to.
    pub(crate) upward: Vec<(String, String)>,
    /// All uses: from, to.
    pub(crate) uses: Vec<(String, String)>,
}

impl Floors {
    /// Reads a crate whose sources are in a directory.
    pub(crate) fn read(sources: &Path) -> Result<Self> {
        let mut modules = Modules::default();
        modules.read_file(&sources.join("lib.rs"), sources, &mut Vec::new())?;
        Ok(modules.judge())
    }

    /// Files in the largest circle; 1 if there is none.
    pub(crate) fn largest_circle(&self) -> usize {
        self.circles.first().map_or(1, Vec::len)
    }
}

/// The modules of a crate by their paths, the root with an empty one.
#[derive(Debug, Default)]
struct Modules(BTreeMap<ModulePath, Module>);

#[derive(Debug, Default)]
struct Module {
    /// In the order in which they are listed.
    children: Vec<String>,
    items: BTreeSet<String>,
    /// Names that `use` brings in, and where from.
    imports: BTreeMap<String, ModulePath>,
    globs: Vec<ModulePath>,
    /// Absolute paths that the code names.
    uses: BTreeSet<ModulePath>,
}

impl Modules {
    fn read_file(&mut self, file: &Path, folder: &Path, path: &mut ModulePath) -> Result {
        let text = std::fs::read_to_string(file)
            .map_err(|error| format!("{}: {error}", file.display()))?;
        let parsed =
            syn::parse_file(&text).map_err(|error| format!("{}: {error}", file.display()))?;
        let mut reader = Reader::new(path);
        reader.visit_file(&parsed);
        let module = reader.finish();
        let children = module.children.clone();
        self.0.insert(path.clone(), module);
        for child in children {
            let inside = folder.join(&child);
            let beside = folder.join(format!("{child}.rs"));
            let file = if beside.is_file() {
                beside
            } else {
                inside.join("mod.rs")
            };
            path.push(child);
            self.read_file(&file, &inside, path)?;
            path.pop();
        }
        Ok(())
    }

    /// The module that defines what a path names; `None` for a path that leads out of the crate.
    fn resolve(&self, path: &[String], steps: usize) -> Option<ModulePath> {
        let mut here: ModulePath = Vec::new();
        for (position, name) in path.iter().enumerate() {
            let module = self.0.get(&here)?;
            if module.children.contains(name) {
                here.push(name.clone());
                continue;
            }
            if module.items.contains(name) {
                return Some(here);
            }
            if steps == 0 {
                return None;
            }
            let rest = path.get(position + 1..).unwrap_or_default();
            let follow = |target: &ModulePath| self.resolve(&[target, rest].concat(), steps - 1);
            if let Some(target) = module.imports.get(name) {
                return follow(target);
            }
            let by_glob = |target: &ModulePath| {
                self.resolve(
                    &[target, std::slice::from_ref(name), rest].concat(),
                    steps - 1,
                )
            };
            return module.globs.iter().find_map(by_glob);
        }
        Some(here)
    }

    fn edges(&self) -> BTreeMap<&ModulePath, BTreeSet<&ModulePath>> {
        let mut edges: BTreeMap<&ModulePath, BTreeSet<&ModulePath>> = BTreeMap::new();
        for (from, module) in &self.0 {
            let targets = module
                .uses
                .iter()
                .filter_map(|path| self.resolve(path, MOST_STEPS));
            let known = targets.filter_map(|to| self.0.get_key_value(&to).map(|(to, _)| to));
            edges.insert(from, known.filter(|to| *to != from).collect());
        }
        edges
    }

    fn judge(&self) -> Floors {
        let edges = self.edges();
        let circles = circles(&edges);
        let is_one_subject = |from: &ModulePath, to: &ModulePath| {
            let mut small = circles
                .iter()
                .filter(|circle| circle.len() <= LARGEST_CIRCLE);
            small.any(|circle| circle.contains(&from) && circle.contains(&to))
        };
        let mut upward = Vec::new();
        for (from, targets) in &edges {
            for to in targets {
                if self.goes_up(from, to) && !is_one_subject(from, to) {
                    upward.push((shown(from), shown(to)));
                }
            }
        }
        let uses = edges
            .iter()
            .flat_map(|(from, targets)| targets.iter().map(|to| (shown(from), shown(to))));
        let uses = uses.collect();
        let circles = circles
            .iter()
            .map(|circle| circle.iter().map(|path| shown(path)).collect());
        Floors {
            circles: circles.collect(),
            upward,
            uses,
        }
    }

    fn goes_up(&self, from: &ModulePath, to: &ModulePath) -> bool {
        let common = from
            .iter()
            .zip(to)
            .take_while(|(one, other)| one == other)
            .count();
        let (Some(one), Some(other)) = (from.get(common), to.get(common)) else {
            // One contains the other; files that use each other are a circle.
            return false;
        };
        let listed = from.get(..common).and_then(|path| self.0.get(path));
        let place = |name: &String| listed?.children.iter().position(|child| child == name);
        place(one) > place(other)
    }
}

/// Groups of modules each of which leads to all others of its group, the largest first.
fn circles<'m>(
    edges: &BTreeMap<&'m ModulePath, BTreeSet<&'m ModulePath>>,
) -> Vec<Vec<&'m ModulePath>> {
    let reached = |from: &'m ModulePath| {
        let mut seen = BTreeSet::new();
        let mut open = vec![from];
        while let Some(path) = open.pop() {
            let next = edges.get(path).into_iter().flatten().copied();
            open.extend(next.filter(|next| seen.insert(*next)));
        }
        seen
    };
    let reach: BTreeMap<&ModulePath, BTreeSet<&ModulePath>> =
        edges.keys().map(|path| (*path, reached(path))).collect();
    let leads =
        |from: &ModulePath, to: &ModulePath| reach.get(from).is_some_and(|seen| seen.contains(to));
    let mut placed = BTreeSet::new();
    let mut circles = Vec::new();
    for path in edges.keys().copied() {
        if placed.contains(path) || !leads(path, path) {
            continue;
        }
        let circle: Vec<&ModulePath> = edges
            .keys()
            .copied()
            .filter(|other| leads(path, other) && leads(other, path))
            .collect();
        placed.extend(circle.iter().copied());
        circles.push(circle);
    }
    circles.sort_by_key(|circle| std::cmp::Reverse(circle.len()));
    circles
}

fn shown(path: &ModulePath) -> String {
    match path.is_empty() {
        true => "lib".to_owned(),
        false => path.join("::"),
    }
}

/// Gathers what one file defines and names. Tests are left out.
struct Reader<'p> {
    path: &'p ModulePath,
    module: Module,
    /// Names of re-exports; they count as used only where the file uses them itself.
    exported: Vec<(String, ModulePath)>,
    /// First segments of all paths in the code.
    named: BTreeSet<String>,
}

impl<'p> Reader<'p> {
    fn new(path: &'p ModulePath) -> Self {
        Self {
            path,
            module: Module::default(),
            exported: Vec::new(),
            named: BTreeSet::new(),
        }
    }

    fn finish(mut self) -> Module {
        for (name, path) in self.exported {
            if self.named.contains(&name) {
                self.module.uses.insert(path);
            }
        }
        self.module
    }

    /// A path as seen from the root; `None` if it begins with another crate or a local name.
    fn absolute(&self, path: &[String]) -> Option<ModulePath> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => Some(rest.to_vec()),
            "self" => Some([self.path, rest].concat()),
            "super" => {
                let (_, parent) = self.path.split_last()?;
                let ups = rest.iter().take_while(|name| *name == "super").count();
                let parent = parent.get(..parent.len().checked_sub(ups)?)?;
                Some([parent, rest.get(ups..)?].concat())
            }
            name if self.module.children.iter().any(|child| child == name) => {
                Some([self.path, path].concat())
            }
            _ => None,
        }
    }

    fn import(&mut self, tree: &syn::UseTree, prefix: &mut ModulePath, is_exported: bool) {
        match tree {
            syn::UseTree::Path(path) => {
                prefix.push(path.ident.to_string());
                self.import(&path.tree, prefix, is_exported);
                prefix.pop();
            }
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.import(tree, prefix, is_exported);
                }
            }
            syn::UseTree::Name(name) => {
                let name = name.ident.to_string();
                self.bring_in(prefix, &name, &name, is_exported);
            }
            syn::UseTree::Rename(rename) => {
                let (ident, name) = (rename.ident.to_string(), rename.rename.to_string());
                self.bring_in(prefix, &ident, &name, is_exported);
            }
            syn::UseTree::Glob(_) => {
                if let Some(path) = self.absolute(prefix) {
                    self.module.globs.push(path.clone());
                    if !is_exported {
                        self.module.uses.insert(path);
                    }
                }
            }
        }
    }

    fn bring_in(&mut self, prefix: &[String], ident: &str, name: &str, is_exported: bool) {
        let path = match ident {
            "self" => prefix.to_vec(),
            _ => [prefix, &[ident.to_owned()]].concat(),
        };
        let name = match name {
            "self" => prefix.last().cloned().unwrap_or_default(),
            _ => name.to_owned(),
        };
        let Some(path) = self.absolute(&path) else {
            return;
        };
        self.module.imports.insert(name.clone(), path.clone());
        match is_exported {
            true => self.exported.push((name, path)),
            false => {
                self.module.uses.insert(path);
            }
        }
    }

    fn define(&mut self, name: &syn::Ident) {
        self.module.items.insert(name.to_string());
    }
}

/// Whether something is built for tests only.
fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let syn::Meta::List(list) = &attribute.meta else {
            return false;
        };
        let text = list.tokens.to_string();
        list.path.is_ident("cfg") && ["test", "doctest"].contains(&text.as_str())
    })
}

impl<'a> Visit<'a> for Reader<'_> {
    fn visit_file(&mut self, file: &'a syn::File) {
        for item in &file.items {
            match item {
                syn::Item::Mod(module)
                    if module.content.is_none() && !is_for_tests(&module.attrs) =>
                {
                    self.module.children.push(module.ident.to_string());
                }
                syn::Item::Struct(item) => self.define(&item.ident),
                syn::Item::Enum(item) => self.define(&item.ident),
                syn::Item::Trait(item) => self.define(&item.ident),
                syn::Item::Type(item) => self.define(&item.ident),
                syn::Item::Const(item) => self.define(&item.ident),
                syn::Item::Static(item) => self.define(&item.ident),
                syn::Item::Fn(item) => self.define(&item.sig.ident),
                syn::Item::Macro(item) => {
                    if let Some(name) = &item.ident {
                        self.define(name);
                    }
                }
                _ => {}
            }
        }
        visit::visit_file(self, file);
    }

    fn visit_item_mod(&mut self, module: &'a syn::ItemMod) {
        if !is_for_tests(&module.attrs) {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_use(&mut self, item: &'a syn::ItemUse) {
        if !is_for_tests(&item.attrs) {
            let is_exported = !matches!(item.vis, syn::Visibility::Inherited);
            self.import(&item.tree, &mut Vec::new(), is_exported);
        }
    }

    fn visit_item_fn(&mut self, item: &'a syn::ItemFn) {
        if !is_for_tests(&item.attrs) {
            visit::visit_item_fn(self, item);
        }
    }

    fn visit_item_impl(&mut self, item: &'a syn::ItemImpl) {
        if !is_for_tests(&item.attrs) {
            visit::visit_item_impl(self, item);
        }
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        let names: ModulePath = path
            .segments
            .iter()
            .map(|part| part.ident.to_string())
            .collect();
        self.named.extend(names.first().cloned());
        // `Self::…` and locals are no modules; a child module's name is one.
        if names.len() > 1
            && let Some(path) = self.absolute(&names)
        {
            self.module.uses.insert(path);
        }
        visit::visit_path(self, path);
    }
}

/// The sources of a crate, if it has a library.
pub(crate) fn sources(directory: &Path) -> Option<PathBuf> {
    let sources = directory.join("src");
    sources.join("lib.rs").is_file().then_some(sources)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Judges modules that are given as path and source, the root first.
    fn judge(files: &[(&str, &str)]) -> Floors {
        let mut modules = Modules::default();
        for (path, source) in files {
            let path: ModulePath = path
                .split("::")
                .filter(|part| !part.is_empty())
                .map(str::to_owned)
                .collect();
            let mut reader = Reader::new(&path);
            reader.visit_file(&syn::parse_file(source).unwrap());
            let module = reader.finish();
            modules.0.insert(path, module);
        }
        modules.judge()
    }

    fn upward(files: &[(&str, &str)]) -> Vec<String> {
        let upward = judge(files).upward.into_iter();
        upward.map(|(from, to)| format!("{from} -> {to}")).collect()
    }

    #[test]
    fn a_module_uses_those_after_it_only() {
        let high = ("high", "use crate::low::Low; struct High;");
        assert!(upward(&[("", "mod high; mod low;"), high, ("low", "struct Low;")]).is_empty());
        let reversed = [("", "mod low; mod high;"), high, ("low", "struct Low;")];
        assert_eq!(upward(&reversed), ["high -> low"]);
    }

    #[test]
    fn a_re_export_stands_for_what_it_names() {
        let files = [
            ("", "mod engine; mod records; pub use engine::Engine;"),
            ("engine", "mod inner; pub use inner::Engine;"),
            ("engine::inner", "pub struct Engine;"),
            ("records", "fn f(_: crate::Engine) {}"),
        ];
        assert_eq!(upward(&files), ["records -> engine::inner"]);
    }

    #[test]
    fn four_files_that_use_each_other_are_a_circle() {
        let files = [
            ("", "mod a;"),
            ("a", "mod b; struct A(b::B);"),
            ("a::b", "pub struct B; fn f(_: super::A) {}"),
        ];
        // Two files are one subject; four are not.
        assert!(upward(&files).is_empty());
        let many = [
            ("", "mod a;"),
            ("a", "mod b; mod c; mod d; struct A(b::B);"),
            ("a::b", "pub struct B(super::c::C);"),
            ("a::c", "pub struct C(super::d::D);"),
            ("a::d", "pub struct D; fn f(_: super::A) {}"),
        ];
        assert_eq!(judge(&many).largest_circle(), 4);
    }

    #[test]
    fn tests_may_use_everything() {
        let tests = "#[cfg(test)] mod tests { use crate::high::High; }";
        assert!(
            upward(&[
                ("", "mod high; mod low;"),
                ("high", "struct High;"),
                ("low", tests)
            ])
            .is_empty()
        );
    }
}
