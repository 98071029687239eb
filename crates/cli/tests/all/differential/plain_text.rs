//! Text without what differs between any two runs: places, dates, generated IDs.

use std::collections::HashMap;

/// What explicit IDs of 64 hexadecimal digits begin with here, to tell them from generated ones.
pub(crate) const CHOSEN: &str = "feedbeef";

/// The generated IDs of one store, and its place.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plain {
    /// The directory of the store, the directory of files, the program.
    places: Vec<(String, &'static str)>,
    ids: HashMap<String, String>,
    /// The other way round.
    real: HashMap<String, String>,
    /// How many IDs came up with one command.
    count: HashMap<usize, usize>,
}

impl Plain {
    pub(crate) fn new(places: Vec<(String, &'static str)>) -> Self {
        Plain {
            places,
            ..Plain::default()
        }
    }

    /// Takes the generated IDs of all other text from another store that is a copy.
    pub(crate) fn take_ids_of(&mut self, other: &Self) {
        self.ids.clone_from(&other.ids);
        self.real.clone_from(&other.real);
    }

    /// Gives the generated IDs in a record file names, in their order.
    pub(crate) fn learn(&mut self, records: &str, serial: usize) {
        for piece in records.split('"') {
            if is_generated(piece) && !self.ids.contains_key(piece) {
                let count = self.count.entry(serial).or_default();
                let name = format!("<id {serial}.{count}>");
                *count += 1;
                self.ids.insert(piece.to_owned(), name.clone());
                self.real.insert(name, piece.to_owned());
            }
        }
    }

    /// The word of a command with real IDs and places.
    pub(crate) fn real(&self, word: &str) -> String {
        let mut word = word.to_owned();
        for (place, short) in &self.places {
            word = word.replace(short, place);
        }
        if let Some(start) = word.find("<id ")
            && let Some(length) = word[start..].find('>')
            && let Some(real) = self.real.get(&word[start..=start + length])
        {
            word.replace_range(start..=start + length, real);
        }
        word
    }

    /// Notes the short name that an overlay layer has.
    pub(crate) fn learn_link(&mut self, layer: &str, link: &str) {
        let layer = self.text(layer);
        self.ids
            .insert(link.to_owned(), format!("<link of {layer}>"));
    }

    /// Replaces everything that differs.
    pub(crate) fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (place, short) in &self.places {
            text = text.replace(place, short);
        }
        let mut plain = String::with_capacity(text.len());
        for piece in pieces(&text) {
            if let Some(name) = self.ids.get(piece) {
                plain.push_str(name);
            } else if plain.ends_with("/temp-dir-") {
                plain.push_str("<number>");
            } else if is_date(piece) {
                plain.push_str("<date>");
            } else {
                plain.push_str(piece);
            }
        }
        plain
    }
}

fn is_generated(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) && !text.starts_with(CHOSEN)
}

/// Runs of what IDs and dates are made of, and of everything else.
fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let date = rest
            .char_indices()
            .find(|(_, c)| !is_of_date(*c))
            .map_or(rest.len(), |(at, _)| at);
        let length = if is_date(&rest[..date]) {
            date
        } else {
            let letter = |c: char| c.is_ascii_alphanumeric();
            let inside = rest.starts_with(letter);
            rest.find(|c| letter(c) != inside).unwrap_or(rest.len())
        };
        let (piece, after) = rest.split_at(length);
        pieces.push(piece);
        rest = after;
    }
    pieces
}

fn is_of_date(c: char) -> bool {
    c.is_ascii_digit() || "-:.TZ".contains(c)
}

fn is_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    text.len() >= 20 && text.ends_with('Z') && bytes[4] == b'-' && bytes[10] == b'T'
}

#[test]
fn ids_and_dates_are_replaced_and_nothing_else() {
    let mut plain = Plain::new(vec![("/tmp/x/go".to_owned(), "%")]);
    let id = "ab".repeat(32);
    plain.learn(&format!("[{{\"id\":\"{id}\"}}]"), 7);
    let text = format!(
        "/tmp/x/go/{id}.tar 2026-01-02T03:04:05.6Z 12-34 {}",
        "cd".repeat(32)
    );
    let expected = format!("%/<id 7.0>.tar <date> 12-34 {}", "cd".repeat(32));
    assert_eq!(plain.text(&text), expected);
    assert_eq!(plain.real("%/<id 7.0>"), format!("/tmp/x/go/{id}"));
}
