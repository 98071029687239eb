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
    pub(super) limit: Outcome,
}

/// The head of the table.
pub(super) fn head() -> &'static str {
    "| work | ours | peer | limit | peer / ours | peer / durable | ours / limit | peak, ours | peak, peer |\n\
     |---|---|---|---|---|---|---|---|---|"
}

impl Row {
    pub(super) fn markdown(&self) -> String {
        let durable = self
            .durable
            .as_ref()
            .map_or_else(String::new, |durable| ratio(&self.peer, durable));
        format!(
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            self.name,
            time(&self.ours),
            time(&self.peer),
            time(&self.limit),
            ratio(&self.peer, &self.ours),
            durable,
            ratio(&self.ours, &self.limit),
            peak(&self.ours),
            peak(&self.peer),
        )
    }

    /// The time of every round, and all errors.
    pub(super) fn details(&self, samples: bool) -> Vec<String> {
        let nothing = Ok(Vec::new());
        let durable = self.durable.as_ref().unwrap_or(&nothing);
        let all = [
            ("ours", &self.ours),
            ("durable", durable),
            ("peer", &self.peer),
            ("limit", &self.limit),
        ];
        let lines = all.into_iter().filter_map(|(who, outcome)| match outcome {
            Err(why) => Some(format!("{}, {who}: FAILED: {why}", self.name)),
            Ok(taken) if samples && !taken.is_empty() => {
                let times: Vec<_> = taken.iter().map(|sample| seconds(sample.wall)).collect();
                Some(format!("{}, {who}: {}", self.name, times.join(", ")))
            }
            Ok(_) => None,
        });
        lines.collect()
    }
}

fn time(outcome: &Outcome) -> String {
    match outcome {
        Err(_) => "failed".to_owned(),
        Ok(samples) => seconds(median(samples.iter().map(|sample| sample.wall))),
    }
}

/// The median of the ratios within rounds, with the smallest and the largest.
fn ratio(upper: &Outcome, lower: &Outcome) -> String {
    let (Ok(upper), Ok(lower)) = (upper, lower) else {
        return String::new();
    };
    let ratios: Vec<f64> = upper
        .iter()
        .zip(lower)
        .map(|(upper, lower)| upper.wall / lower.wall)
        .collect();
    let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = ratios.iter().copied().fold(0.0, f64::max);
    match ratios.len() {
        0 => String::new(),
        1 => format!("{least:.2}×"),
        _ => format!("**{:.2}×** ({least:.2}–{greatest:.2})", median(ratios)),
    }
}

fn peak(outcome: &Outcome) -> String {
    let Ok(samples) = outcome else {
        return String::new();
    };
    let peak = samples
        .iter()
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
    use super::*;

    fn outcome(walls: &[f64]) -> Outcome {
        Ok(walls
            .iter()
            .map(|wall| Sample {
                wall: *wall,
                peak_kib: 2048,
            })
            .collect())
    }

    #[test]
    fn a_row_shows_medians_and_ratios_within_rounds() {
        let row = Row {
            name: "work".to_owned(),
            ours: outcome(&[1.0, 2.0, 4.0]),
            durable: None,
            peer: outcome(&[2.0, 8.0, 12.0]),
            limit: Err("gone".to_owned()),
        };
        assert_eq!(
            row.markdown(),
            "| work | 2.00 s | 8.00 s | failed | **3.00×** (2.00–4.00) |  |  | 2.0 MiB | 2.0 MiB |"
        );
        assert_eq!(row.details(false), ["work, limit: FAILED: gone"]);
    }
}
