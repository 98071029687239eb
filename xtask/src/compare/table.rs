//! The results as Markdown.

use super::measure::{Outcome, Sample, median};

/// One workload with the outcomes of ours, ours with its usual durability (if that differs), the
/// peer and the limit.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) ours: Outcome,
    pub(super) durable: Option<Outcome>,
    pub(super) peer: Outcome,
    pub(super) limit: Option<Outcome>,
}

/// The head of the table.
pub(super) fn head() -> &'static str {
    "| work | ours | peer | limit | peer / ours | peer / durable | ours / limit | peak, ours | peak, peer | calls, ours | calls, peer |\n\
     |---|---|---|---|---|---|---|---|---|---|---|"
}

impl Row {
    pub(super) fn markdown(&self) -> String {
        let durable = self
            .durable
            .as_ref()
            .map_or_else(String::new, |durable| ratio(&self.peer, durable));
        let limit = self.limit.as_ref();
        format!(
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            self.name,
            time(&self.ours),
            time(&self.peer),
            limit.map_or_else(String::new, time),
            ratio(&self.peer, &self.ours),
            durable,
            limit.map_or_else(String::new, |limit| ratio(&self.ours, limit)),
            peak(&self.ours),
            peak(&self.peer),
            calls(&self.ours),
            calls(&self.peer),
        )
    }

    /// The time of every round, and all errors.
    pub(super) fn details(&self, samples: bool) -> Vec<String> {
        let lines = self
            .all()
            .into_iter()
            .filter_map(|(who, outcome)| match outcome {
                Err(why) => Some(format!("{}, {who}: FAILED: {why}", self.name)),
                Ok(taken) if samples && !taken.samples.is_empty() => {
                    let times: Vec<_> = taken
                        .samples
                        .iter()
                        .map(|sample| seconds(sample.wall))
                        .collect();
                    Some(format!("{}, {who}: {}", self.name, times.join(", ")))
                }
                Ok(_) => None,
            });
        lines.collect()
    }

    /// The contestants that took part.
    pub(super) fn all(&self) -> Vec<(&'static str, &Outcome)> {
        let always = [("ours", &self.ours), ("peer", &self.peer)];
        let durable = self.durable.as_ref().map(|outcome| ("durable", outcome));
        let limit = self.limit.as_ref().map(|outcome| ("limit", outcome));
        always.into_iter().chain(durable).chain(limit).collect()
    }

    /// The median of our time in parts of the peer's, with our durability on.
    pub(super) fn of_peer(&self) -> Option<f64> {
        let ratios = ratios(self.durable.as_ref().unwrap_or(&self.ours), &self.peer);
        (!ratios.is_empty()).then(|| median(ratios))
    }
}

fn time(outcome: &Outcome) -> String {
    match outcome {
        Err(_) => "failed".to_owned(),
        Ok(taken) => seconds(median(taken.samples.iter().map(|sample| sample.wall))),
    }
}

/// The median of the ratios within rounds, with the smallest and the largest.
fn ratio(upper: &Outcome, lower: &Outcome) -> String {
    let ratios = ratios(upper, lower);
    let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = ratios.iter().copied().fold(0.0, f64::max);
    match ratios.len() {
        0 => String::new(),
        1 => format!("{least:.2}×"),
        _ => format!("**{:.2}×** ({least:.2}–{greatest:.2})", median(ratios)),
    }
}

/// The ratios within rounds.
fn ratios(upper: &Outcome, lower: &Outcome) -> Vec<f64> {
    let (Ok(upper), Ok(lower)) = (upper, lower) else {
        return Vec::new();
    };
    let pairs = upper.samples.iter().zip(&lower.samples);
    pairs
        .map(|(upper, lower)| upper.wall / lower.wall)
        .collect()
}

fn calls(outcome: &Outcome) -> String {
    let calls = outcome.as_ref().ok().and_then(|taken| taken.calls);
    calls.map_or_else(String::new, |calls| calls.to_string())
}

fn peak(outcome: &Outcome) -> String {
    let Ok(taken) = outcome else {
        return String::new();
    };
    let samples = taken.samples.iter();
    let peak = samples
        .map(|sample: &Sample| sample.peak_kib)
        .max()
        .unwrap_or(0);
    if peak == 0 {
        String::new()
    } else {
        format!("{:.1} MiB", peak as f64 / 1024.0)
    }
}

fn seconds(value: f64) -> String {
    if value >= 1.0 {
        format!("{value:.2} s")
    } else if value >= 0.01 {
        format!("{:.0} ms", value * 1e3)
    } else {
        format!("{:.2} ms", value * 1e3)
    }
}

#[cfg(test)]
mod tests {
    use super::super::measure::Taken;
    use super::*;

    fn outcome(walls: &[f64]) -> Outcome {
        let sample = |wall: &f64| Sample {
            wall: *wall,
            peak_kib: 2048,
            calls: None,
        };
        Ok(Taken {
            samples: walls.iter().map(sample).collect(),
            calls: Some(walls.len() as u64),
        })
    }

    #[test]
    fn a_row_shows_medians_and_ratios_within_rounds() {
        let row = Row {
            name: "work".to_owned(),
            ours: outcome(&[1.0, 2.0, 4.0]),
            durable: None,
            peer: outcome(&[2.0, 8.0, 12.0]),
            limit: Some(Err("gone".to_owned())),
        };
        assert_eq!(
            row.markdown(),
            "| work | 2.00 s | 8.00 s | failed | **3.00×** (2.00–4.00) |  |  | 2.0 MiB | 2.0 MiB | 3 | 3 |"
        );
        assert_eq!(row.details(false), ["work, limit: FAILED: gone"]);
        assert_eq!(row.of_peer(), Some(1.0 / 3.0));
    }
}
