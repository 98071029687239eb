//! A YAML file as a tree, with lines.
//!
//! The parser gives events; this makes a tree of those of the first document, as Go's parser does,
//! which looks at no other. An alias shares the node of its anchor, so it takes no memory.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};

use crate::signatures::error::YamlProblem;

/// The most levels of nesting. A file of `registries.d` has four.
const MAX_DEPTH: usize = 32;

/// A value and its line.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) line: usize,
    pub(super) value: Value,
}

#[derive(Debug)]
pub(super) enum Value {
    Scalar {
        text: String,
        /// Whether it is without quotes, so that it may be a boolean or nothing.
        is_plain: bool,
    },
    Sequence,
    Mapping(Vec<(Rc<Node>, Rc<Node>)>),
}

/// A problem with its line.
#[derive(Debug)]
pub(super) struct At {
    pub(super) line: usize,
    pub(super) problem: YamlProblem,
}

impl Node {
    /// Whether it is a null.
    pub(super) fn is_null(&self) -> bool {
        let nulls = ["", "~", "null", "Null", "NULL"];
        matches!(&self.value, Value::Scalar { text, is_plain: true } if nulls.contains(&&**text))
    }

    /// What it is, for a message.
    pub(super) fn described(&self) -> &'static str {
        match &self.value {
            Value::Scalar { .. } => "a text",
            Value::Sequence => "a list",
            Value::Mapping(_) => "a mapping",
        }
    }

    pub(super) fn at(&self, problem: YamlProblem) -> At {
        let line = self.line;
        At { line, problem }
    }
}

/// Parses the first document of a text; `None` if there is none.
pub(super) fn parse(text: &str) -> Result<Option<Rc<Node>>, At> {
    let mut tree = Tree {
        parser: Parser::new_from_str(text.strip_prefix('\u{feff}').unwrap_or(text)),
        anchors: BTreeMap::new(),
    };
    loop {
        match tree.next()? {
            None | Some((Event::StreamEnd, _)) => return Ok(None),
            Some((Event::DocumentStart(_), _)) => break,
            Some(_) => {}
        }
    }
    match tree.next()? {
        None | Some((Event::DocumentEnd | Event::StreamEnd, _)) => Ok(None),
        Some(start) => tree.node(start, MAX_DEPTH).map(Some),
    }
}

struct Tree<'t> {
    parser: Parser<'t, StrInput<'t>>,
    /// The whole nodes with anchors.
    anchors: BTreeMap<usize, Rc<Node>>,
}

impl<'t> Tree<'t> {
    fn next(&mut self) -> Result<Option<(Event<'t>, usize)>, At> {
        let event = self.parser.next_event().transpose().map_err(syntax)?;
        Ok(event.map(|(event, span)| (event, line(&span))))
    }

    /// The node that starts with an event.
    fn node(&mut self, (event, line): (Event<'t>, usize), depth: usize) -> Result<Rc<Node>, At> {
        let at = |problem| At { line, problem };
        let Some(depth) = depth.checked_sub(1) else {
            return Err(at(YamlProblem::Depth { limit: MAX_DEPTH }));
        };
        let (value, anchor) = match event {
            Event::Alias(anchor) => {
                let what = "an alias of what it is in";
                let node = self.anchors.get(&anchor).cloned();
                return node.ok_or(at(YamlProblem::Unsupported { what }));
            }
            Event::Scalar(text, style, anchor, tag) => {
                let is_plain = style == ScalarStyle::Plain && !is_text(tag).map_err(at)?;
                let text = text.into_owned();
                (Value::Scalar { text, is_plain }, anchor)
            }
            Event::SequenceStart(anchor, _) => {
                self.skip_sequence(depth)?;
                (Value::Sequence, anchor)
            }
            Event::MappingStart(anchor, _) => (self.mapping(depth)?, anchor),
            _ => {
                let message = "a value is missing".to_owned();
                return Err(at(YamlProblem::Syntax { message }));
            }
        };
        let node = Rc::new(Node { line, value });
        if anchor != 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        Ok(node)
    }

    /// Reads the elements of a sequence: anchors in it count, and mistakes.
    fn skip_sequence(&mut self, depth: usize) -> Result<(), At> {
        while let Some(next) = self.next()? {
            if next.0 == Event::SequenceEnd {
                break;
            }
            drop(self.node(next, depth)?);
        }
        Ok(())
    }

    fn mapping(&mut self, depth: usize) -> Result<Value, At> {
        let mut pairs = Vec::new();
        while let Some(next) = self.next()? {
            if next.0 == Event::MappingEnd {
                break;
            }
            let key = self.node(next, depth)?;
            let Some(next) = self.next()? else { break };
            pairs.push((key, self.node(next, depth)?));
        }
        Ok(Value::Mapping(pairs))
    }
}

/// Whether a tag makes a scalar a text. Other tags are refused: they change what a value is.
fn is_text(tag: Option<Cow<'_, Tag>>) -> Result<bool, YamlProblem> {
    match tag {
        None => Ok(false),
        Some(tag) if tag.is_yaml_core_schema() && tag.suffix == "str" => Ok(true),
        Some(tag) if tag.handle.is_empty() && tag.suffix == "!" => Ok(true),
        Some(_) => Err(YamlProblem::Unsupported { what: "a tag" }),
    }
}

fn line(span: &Span) -> usize {
    span.start.line()
}

fn syntax(error: ScanError) -> At {
    At {
        line: error.marker().line(),
        problem: YamlProblem::Syntax {
            message: error.info().to_owned(),
        },
    }
}
