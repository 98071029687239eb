//! The tree of `layers --tree`, drawn as the Go tool draws it (Go:
//! `cmd/containers-storage/tree.go`).

use std::collections::{BTreeMap, BTreeSet};

/// A node of the tree, with notes under it.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// The name of its parent.
    pub(crate) parent: String,
    /// Its own name.
    pub(crate) name: String,
    /// The text that is printed for it.
    pub(crate) label: String,
    /// Lines printed under it.
    pub(crate) notes: Vec<String>,
}

const BRANCH: &str = "├─";
const LAST: &str = "└─";

/// Draws all nodes, each tree under a line with the name of the parent of its roots, unless that is
/// empty.
///
/// If there are several such names (a record names a missing parent), the one with the fewest
/// children comes first. Of equal ones the smaller name comes first; the Go tool leaves that to
/// chance.
pub(crate) fn draw(nodes: &[Node]) -> Vec<String> {
    let mut children: BTreeMap<&str, Vec<&Node>> = BTreeMap::new();
    for node in nodes {
        children.entry(&node.parent).or_default().push(node);
    }
    let names: BTreeSet<&str> = nodes.iter().map(|node| node.name.as_str()).collect();
    let mut roots: Vec<(&str, usize)> = children
        .iter()
        .filter(|(parent, _)| !names.contains(*parent))
        .map(|(parent, below)| (*parent, below.len()))
        .collect();
    roots.sort_by_key(|(_, count)| *count);
    let mut lines = Vec::new();
    for (root, _) in roots {
        if !root.is_empty() {
            lines.push(root.to_owned());
        }
        draw_below(&mut lines, root, &children);
    }
    lines
}

/// Draws the nodes below `root`, without recursion: chains of layers can be long.
fn draw_below(lines: &mut Vec<String>, root: &str, children: &BTreeMap<&str, Vec<&Node>>) {
    let mut pending: Vec<(&Node, String, bool)> = Vec::new();
    push_children(&mut pending, root, "", children);
    while let Some((node, indent, last)) = pending.pop() {
        let (header, rail) = if last { (LAST, ' ') } else { (BRANCH, '│') };
        lines.push(format!("{indent}{header}{}", node.label));
        for note in &node.notes {
            lines.push(format!("{indent}{rail} {note}"));
        }
        let deeper = format!("{indent}{rail} ");
        push_children(&mut pending, &node.name, &deeper, children);
    }
}

/// Puts the children on the stack so that the first is drawn first.
fn push_children<'a>(
    pending: &mut Vec<(&'a Node, String, bool)>,
    parent: &str,
    indent: &str,
    children: &BTreeMap<&str, Vec<&'a Node>>,
) {
    let below = children.get(parent).map_or(&[][..], Vec::as_slice);
    for (at, node) in below.iter().enumerate().rev() {
        pending.push((node, indent.to_owned(), at + 1 == below.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(parent: &str, name: &str, notes: &[&str]) -> Node {
        Node {
            parent: parent.into(),
            name: name.into(),
            label: name.into(),
            notes: notes.iter().map(|n| (*n).to_owned()).collect(),
        }
    }

    #[test]
    fn branches_and_notes_line_up() {
        let drawn = draw(&[
            node("(base)", "a", &["name: x"]),
            node("a", "b", &["image: i"]),
            node("a", "c", &[]),
            node("b", "d", &["name: y"]),
            node("(base)", "e", &[]),
        ]);
        assert_eq!(
            drawn.join("\n"),
            "(base)\n├─a\n│ name: x\n│ ├─b\n│ │ image: i\n│ │ └─d\n│ │   name: y\n│ └─c\n└─e"
        );
    }

    #[test]
    fn a_missing_parent_is_a_root_and_a_loop_ends() {
        assert_eq!(draw(&[node("gone", "a", &[])]), ["gone", "└─a"]);
        assert_eq!(draw(&[node("a", "b", &[]), node("b", "a", &[])]), [""; 0]);
        assert_eq!(draw(&[]), [""; 0]);
    }
}
