//! The tables of version 1 of the format (Go: `ConvertToV2`).

use std::collections::BTreeSet;

use layerhold_toml_table::{Document, Table};

use crate::check::{RawRegistry, location};
use crate::error::RegistriesError;
use crate::section::{self, List, finish};
use crate::warning::Warning;

/// The lists of version 1, with their lines.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    pub(crate) search: Option<List>,
    insecure: Option<List>,
    block: Option<List>,
}

impl Lists {
    pub(crate) fn take(
        mut section: Table<'_>,
        warnings: &mut Vec<Warning>,
    ) -> Result<Self, RegistriesError> {
        let mut list = |key| -> Result<_, RegistriesError> {
            let Some(mut below) = section.table(key)? else {
                return Ok(None);
            };
            let list = section::list(&mut below, "registries")?;
            finish(below, warnings);
            Ok(list)
        };
        let lists = Lists {
            search: list("search")?,
            insecure: list("insecure")?,
            block: list("block")?,
        };
        finish(section, warnings);
        Ok(lists)
    }

    /// The line of the first list, if there is one; even an empty list counts.
    pub(crate) fn line(&self) -> Option<usize> {
        let lists = [&self.search, &self.insecure, &self.block];
        let lines = lists.into_iter().flatten().map(|(line, _)| *line);
        lines.min()
    }

    /// The same as tables of version 2.
    pub(crate) fn registries(
        &self,
        document: &Document,
    ) -> Result<Vec<RawRegistry<'_>>, RegistriesError> {
        let block = locations(document, self.block.as_ref())?;
        let insecure = locations(document, self.insecure.as_ref())?;
        let blocked: BTreeSet<_> = block.iter().map(|(_, location)| *location).collect();
        let is_insecure: BTreeSet<_> = insecure.iter().map(|(_, location)| *location).collect();
        let mut seen = BTreeSet::new();
        let all = block.iter().chain(&insecure).copied();
        let unique = all.filter(|(_, location)| seen.insert(*location));
        let registries = unique.map(|(line, location)| RawRegistry {
            line,
            location,
            insecure: is_insecure.contains(location),
            blocked: blocked.contains(location),
            ..RawRegistry::default()
        });
        Ok(registries.collect())
    }
}

fn locations<'d>(
    document: &Document,
    list: Option<&'d List>,
) -> Result<Vec<(usize, &'d str)>, RegistriesError> {
    let Some((line, texts)) = list else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for text in texts {
        location(document, *line, text)?;
        found.push((*line, text.trim_end_matches('/')));
    }
    Ok(found)
}
