//! Output: everything that a command prints passes through here and is escaped.
//!
//! Names come from images: a path may hold the sequences that move a terminal's cursor, or a
//! newline that makes one line look like two. [`Streams::line`] and [`Streams::note`] write one
//! line each, and escape such characters ([`escape`]). Archives, big data items and JSON must
//! arrive byte for byte; they have methods of their own.

use std::borrow::Cow;
use std::fmt::{self, Display, Write as _};
use std::io::{self, BufRead, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::failure::{Failure, stream};

/// The length of a line beyond which it is no answer to a question.
const LONGEST_ANSWER: usize = 100;

/// The streams of a command.
pub struct Streams<'a> {
    out: Sink<'a>,
    err: Sink<'a>,
    /// Standard input.
    pub input: Box<dyn Read + Send>,
}

/// A stream that is written to.
struct Sink<'a> {
    to: &'a mut dyn Write,
    is_terminal: bool,
    /// Whether lines are escaped.
    escapes: bool,
    /// The line that is being made, kept for its memory.
    line: String,
}

impl<'a> Streams<'a> {
    /// Takes the streams for results and for errors and notes; neither is a terminal.
    pub fn new(
        out: &'a mut dyn Write,
        err: &'a mut dyn Write,
        input: Box<dyn Read + Send>,
    ) -> Self {
        let sink = |to| Sink {
            to,
            is_terminal: false,
            escapes: false,
            line: String::new(),
        };
        Self {
            out: sink(out),
            err: sink(err),
            input,
        }
    }

    /// Sets which streams are terminals. Lines are escaped there.
    #[must_use]
    pub fn on_terminals(mut self, out: bool, err: bool) -> Self {
        for (sink, is_terminal) in [(&mut self.out, out), (&mut self.err, err)] {
            sink.is_terminal = is_terminal;
            sink.escapes |= is_terminal;
        }
        self
    }

    /// Escapes lines on all streams.
    pub(crate) fn escape_everywhere(&mut self) {
        self.out.escapes = true;
        self.err.escapes = true;
    }

    /// Writes a line of the result.
    pub(crate) fn line(&mut self, text: impl Display) -> io::Result<()> {
        self.out.line(0, text)
    }

    /// Writes a line of the result behind tabs.
    pub(crate) fn indented(&mut self, tabs: usize, text: impl Display) -> io::Result<()> {
        self.out.line(tabs, text)
    }

    /// Writes a note, which is not part of the result.
    pub(crate) fn note(&mut self, text: impl Display) -> io::Result<()> {
        self.err.line(0, text)
    }

    /// Asks a question and reads a line as the answer. There is none at the end of the input.
    pub(crate) fn ask(&mut self, question: impl Display) -> io::Result<Option<String>> {
        let answer = self.ask_for(question, LONGEST_ANSWER)?;
        Ok(answer.map(|answer| String::from_utf8_lossy(&answer).into_owned()))
    }

    /// Asks a question and reads a line of up to `longest` bytes as the answer. There is none at
    /// the end of the input.
    pub(crate) fn ask_for(
        &mut self,
        question: impl Display,
        longest: usize,
    ) -> io::Result<Option<Vec<u8>>> {
        let question = question.to_string();
        self.err.to.write_all(escape(&question).as_bytes())?;
        self.err.to.flush()?;
        // Enough for most answers, so that growing leaves no copies of a secret behind.
        let mut answer = Vec::with_capacity(longest.min(4096));
        // One byte at a time: what follows the line is not part of the answer.
        let mut byte = [0];
        while answer.len() < longest && self.input.read(&mut byte)? > 0 {
            match byte {
                [b'\n'] => return Ok(Some(answer)),
                [byte] => answer.push(byte),
            }
        }
        Ok(None)
    }

    /// Writes several lines of the result, each of which ends in a newline.
    pub(crate) fn lines(&mut self, text: &str) -> io::Result<()> {
        text.lines().try_for_each(|line| self.line(line))
    }

    /// Writes several lines of notes, each of which ends in a newline.
    pub(crate) fn notes(&mut self, text: &str) -> io::Result<()> {
        text.lines().try_for_each(|line| self.note(line))
    }

    /// Writes JSON, which keeps its values. Where lines are escaped, strings in it are escaped as
    /// JSON does.
    pub(crate) fn json(&mut self, text: impl AsRef<[u8]>) -> io::Result<()> {
        self.out.json(text.as_ref())?;
        self.out.to.write_all(b"\n")
    }

    /// Writes a list of JSON texts as [`json`](Self::json) writes one, without keeping them.
    pub(crate) fn json_list(
        &mut self,
        items: impl Iterator<Item = impl AsRef<[u8]>>,
    ) -> io::Result<()> {
        let mut separator = "[";
        for item in items {
            self.out.to.write_all(separator.as_bytes())?;
            self.out.json(item.as_ref())?;
            separator = ",";
        }
        let end = if separator == "[" { "[]\n" } else { "]\n" };
        self.out.to.write_all(end.as_bytes())
    }

    /// The stream for archives and other contents, byte for byte.
    pub(crate) fn exact(&mut self) -> &mut dyn Write {
        self.out.to
    }

    /// Whether results go to a terminal.
    pub(crate) fn out_is_terminal(&self) -> bool {
        self.out.is_terminal
    }

    /// Whether notes go to a terminal.
    pub(crate) fn err_is_terminal(&self) -> bool {
        self.err.is_terminal
    }

    /// Flushes the buffers.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.out.to.flush()
    }
}

impl fmt::Debug for Streams<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streams").finish_non_exhaustive()
    }
}

impl Sink<'_> {
    /// One call writes the line, so that lines of several processes do not mix.
    fn line(&mut self, tabs: usize, text: impl Display) -> io::Result<()> {
        self.line.clear();
        write!(self.line, "{text}").map_err(io::Error::other)?;
        if self.escapes
            && let Cow::Owned(escaped) = escape(&self.line)
        {
            self.line = escaped;
        }
        (0..tabs).for_each(|_| self.line.insert(0, '\t'));
        self.line.push('\n');
        self.to.write_all(self.line.as_bytes())
    }

    /// Writes JSON, or a piece of it that cuts through no character.
    fn json(&mut self, text: &[u8]) -> io::Result<()> {
        if self.escapes {
            let text = String::from_utf8_lossy(text);
            return self.to.write_all(escape_json(&text).as_bytes());
        }
        self.to.write_all(text)
    }
}

/// Escapes control characters (C0, DEL, C1), characters that change the direction of text, and the
/// separators of lines and paragraphs as Go's `%q` does: `\n`, `\x1b`, `\u202e`. Everything else
/// stays as it is, backslashes too, so that a path can be copied. Escaping twice changes no more.
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_harmful) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            c if c.is_ascii_control() => escaped.push_str(&format!("\\x{:02x}", u32::from(c))),
            c if is_harmful(c) => escaped.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => escaped.push(c),
        }
    }
    Cow::Owned(escaped)
}

/// A path to print: escaped, with bytes that are not UTF-8 as `\xff`.
pub(crate) fn shown(path: &Path) -> String {
    let mut text = String::new();
    for chunk in path.as_os_str().as_bytes().utf8_chunks() {
        text.push_str(&escape(chunk.valid()));
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

/// Escapes JSON, where such characters except newlines occur in strings only.
fn escape_json(text: &str) -> Cow<'_, str> {
    let harmful = |c: char| c != '\n' && is_harmful(c);
    if !text.chars().any(harmful) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if harmful(c) {
            escaped.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

/// Whether a character makes a line look like something else. None of them lies beyond U+FFFF.
fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Copies a stream to its end.
pub(crate) fn copy(source: &mut dyn BufRead, target: &mut dyn Write) -> Result<(), Failure> {
    loop {
        let length = match source.fill_buf() {
            Ok([]) => break,
            Ok(piece) => {
                target.write_all(piece).map_err(stream)?;
                piece.len()
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Failure::Stream(error)),
        };
        source.consume(length);
    }
    target.flush().map_err(stream)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    #[test]
    fn what_is_harmful_is_escaped_and_the_rest_stays() {
        for (text, escaped) in [
            ("", ""),
            ("usr/bin/µ-größe 名前 🚀", "usr/bin/µ-größe 名前 🚀"),
            ("dev-disk\\x2dby\\x2did", "dev-disk\\x2dby\\x2did"),
            ("a\nD /etc", "a\\nD /etc"),
            ("\u{1b}[2J\u{7}\r\t\0", "\\x1b[2J\\x07\\r\\t\\x00"),
            ("\u{7f}\u{9b}31m", "\\x7f\\u009b31m"),
            (
                "txt.\u{202e}exe\u{2066}\u{200f}",
                "txt.\\u202eexe\\u2066\\u200f",
            ),
            ("a\u{2028}b\u{2029}", "a\\u2028b\\u2029"),
            ("e\u{301} \u{200d}", "e\u{301} \u{200d}"),
        ] {
            assert_eq!(escape(text), escaped, "{text:?}");
            assert_eq!(escape(escaped), escaped, "{text:?} twice");
        }
        let path = Path::new(OsStr::from_bytes(b"a\xff\xfe\n\xc3\xa9\xc3"));
        assert_eq!(shown(path), "a\\xff\\xfe\\né\\xc3");
    }

    #[test]
    fn a_question_takes_one_line() {
        let long = "y".repeat(200);
        for (input, answers) in [
            ("yes\nno\n", vec![Some("yes"), Some("no"), None]),
            ("", vec![None]),
            ("yes", vec![None]),
            (&long, vec![None]),
        ] {
            let (mut out, mut err) = (Vec::new(), Vec::new());
            let input = Box::new(io::Cursor::new(input.as_bytes().to_vec()));
            let mut streams = Streams::new(&mut out, &mut err, input);
            for answer in answers {
                assert_eq!(streams.ask("a\nb? ").unwrap().as_deref(), answer);
            }
            assert!(err.starts_with(b"a\\nb? "));
        }
    }

    #[test]
    fn json_keeps_its_values() {
        let value = serde_json::json!({ "a\u{9b}": ["\n\u{1b}\u{7f}\u{202e}é"] });
        let text = serde_json::to_string_pretty(&value).expect("a value");
        let escaped = escape_json(&text);
        assert!(!escaped.chars().any(|c| c != '\n' && is_harmful(c)));
        let read: serde_json::Value = serde_json::from_str(&escaped).expect("still JSON");
        assert_eq!(read, value);
    }

    proptest::proptest! {
        /// A line of any name is one line without anything that a terminal acts on, and tells
        /// harmless names as they are.
        #[test]
        fn any_name_is_one_harmless_line(name in "(\\PC|\\p{C}|[\\n\\t\\x1b\u{9b}\u{202e}\u{2066}]){0,40}") {
            let act = |streams: &mut Streams<'_>| streams.line(format_args!("A {name}")).expect("memory");
            let (text, _) = written(true, false, act);
            let line = text.strip_suffix('\n').expect("a newline at the end");
            proptest::prop_assert!(!line.chars().any(is_harmful));
            if !name.chars().any(is_harmful) {
                proptest::prop_assert_eq!(line, format!("A {name}"));
            }
            proptest::prop_assert_eq!(escape(line), line);
        }

        /// So is one of any path, which need not be text.
        #[test]
        fn any_path_is_one_harmless_line(path in proptest::collection::vec(proptest::num::u8::ANY, 0..40)) {
            let text = shown(Path::new(OsStr::from_bytes(&path)));
            proptest::prop_assert!(!text.chars().any(is_harmful));
            proptest::prop_assert_eq!(escape(&text), text.as_str());
            let harmless = std::str::from_utf8(&path).is_ok_and(|path| !path.chars().any(is_harmful));
            proptest::prop_assert_eq!(text.as_bytes() == path, harmless);
        }
    }

    /// What `act` writes to both streams.
    fn written(out: bool, err: bool, act: impl Fn(&mut Streams<'_>)) -> (String, String) {
        let (mut to_out, mut to_err) = (Vec::new(), Vec::new());
        let mut streams =
            Streams::new(&mut to_out, &mut to_err, Box::new(io::empty())).on_terminals(out, err);
        act(&mut streams);
        let text = |bytes| String::from_utf8(bytes).expect("text");
        (text(to_out), text(to_err))
    }

    #[test]
    fn a_line_is_one_line_where_lines_are_escaped() {
        let act = |streams: &mut Streams<'_>| {
            streams.indented(1, "a\nb\t\u{1b}").expect("memory");
            streams.note("c\nd").expect("memory");
            streams.exact().write_all(b"\x1b\n").expect("memory");
            let item = "[\"\u{9b}\"]";
            streams.json(item).expect("memory");
            streams.json_list([item, "1"].iter()).expect("memory");
            streams.json_list([""; 0].iter()).expect("memory");
        };
        let raw = "\ta\nb\t\u{1b}\n\u{1b}\n[\"\u{9b}\"]\n[[\"\u{9b}\"],1]\n[]\n";
        let escaped = "\ta\\nb\\t\\x1b\n\u{1b}\n[\"\\u009b\"]\n[[\"\\u009b\"],1]\n[]\n";
        assert_eq!(written(false, false, act), (raw.into(), "c\nd\n".into()));
        assert_eq!(written(true, false, act), (escaped.into(), "c\nd\n".into()));
        assert_eq!(written(false, true, act), (raw.into(), "c\\nd\n".into()));
        let everywhere = |streams: &mut Streams<'_>| {
            streams.escape_everywhere();
            act(streams);
        };
        let both = (escaped.to_owned(), "c\\nd\n".to_owned());
        assert_eq!(written(false, false, everywhere), both);
    }
}
