//! Chooses the labels of a container: those of the policy, changed by options.

use std::path::Path;

use crate::level::UNCONFINED;
use crate::{Context, LabelError, Labels, Policy, UsedLevels};

/// Labels without their level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelPattern {
    process: Context,
    file: Context,
}

impl LabelPattern {
    /// Returns the labels with a level.
    #[must_use]
    pub fn at(&self, level: &str) -> Labels {
        let label = |context: &Context| {
            let level = Some(level.to_owned());
            Context {
                level,
                ..context.clone()
            }
            .to_string()
        };
        Labels {
            process: label(&self.process),
            mount: label(&self.file),
        }
    }
}

/// The labels chosen for a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChosenLabels {
    /// The labels.
    pub labels: Labels,
    /// The labels without their level, for drawing again if the level turns out to be taken. `None`
    /// if the level was not drawn.
    pub pattern: Option<LabelPattern>,
}

impl ChosenLabels {
    fn fixed(process: String, mount: String) -> Self {
        Self {
            labels: Labels { process, mount },
            pattern: None,
        }
    }
}

/// Chooses the labels of a container: those of the policy at `root`, changed by options. `used` is
/// called for the levels in use only if a level has to be drawn.
///
/// The options are `user:USER`, `role:ROLE`, `type:TYPE` and `level:LEVEL` for the process label,
/// `filetype:TYPE` for the file label, which has the same user and level, and `disable` for
/// processes without a label.
///
/// # Errors
///
/// [`LabelError::Option`] for an unknown option.
pub fn choose(
    root: &Path,
    options: &[String],
    used: impl FnOnce() -> UsedLevels,
) -> Result<ChosenLabels, LabelError> {
    match Policy::read(root)? {
        Some(policy) => apply(policy, options, used),
        None => Ok(ChosenLabels::fixed(String::new(), String::new())),
    }
}

fn apply(
    policy: Policy,
    options: &[String],
    used: impl FnOnce() -> UsedLevels,
) -> Result<ChosenLabels, LabelError> {
    let Policy {
        mut process,
        mut file,
    } = policy;
    // A policy without levels does not separate containers by them.
    let mut is_drawn = process.level.is_some();
    for option in options {
        if option == "disable" {
            file.level = Some(UNCONFINED.to_owned());
            return Ok(ChosenLabels::fixed(String::new(), file.to_string()));
        }
        let unknown = || LabelError::Option {
            option: option.clone(),
        };
        let (part, value) = option.split_once(':').ok_or_else(unknown)?;
        let value = value.to_owned();
        match part {
            "user" => {
                process.user.clone_from(&value);
                file.user = value;
            }
            "role" => process.role = value,
            "type" => process.kind = value,
            "filetype" => file.kind = value,
            "level" => {
                is_drawn = false;
                let level = Some(value).filter(|level| !level.is_empty());
                process.level.clone_from(&level);
                file.level = level;
            }
            _ => return Err(unknown()),
        }
    }
    if !is_drawn {
        return Ok(ChosenLabels::fixed(process.to_string(), file.to_string()));
    }
    let pattern = LabelPattern { process, file };
    let level = used().draw()?;
    Ok(ChosenLabels {
        labels: pattern.at(&level),
        pattern: Some(pattern),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(level: &str) -> Policy {
        let label = |kind: &str| Context::parse(&format!("system_u:system_r:{kind}{level}"));
        Policy {
            process: label("container_t").unwrap(),
            file: label("container_file_t").unwrap(),
        }
    }

    fn chosen(level: &str, options: &[&str]) -> Result<ChosenLabels, LabelError> {
        let options: Vec<String> = options.iter().map(ToString::to_string).collect();
        apply(policy(level), &options, UsedLevels::default)
    }

    #[test]
    fn options_change_parts() {
        let cases: [(&[&str], &str, &str); 6] = [
            (
                &["level:s0:c7"],
                "system_u:system_r:container_t:s0:c7",
                "system_u:system_r:container_file_t:s0:c7",
            ),
            (
                &["user:u", "role:r", "type:t", "filetype:f", "level:s1"],
                "u:r:t:s1",
                "u:system_r:f:s1",
            ),
            (
                &["level:s1", "level:s2", "type:a", "type:b"],
                "system_u:system_r:b:s2",
                "system_u:system_r:container_file_t:s2",
            ),
            (
                &["level:"],
                "system_u:system_r:container_t",
                "system_u:system_r:container_file_t",
            ),
            (
                &["disable"],
                "",
                "system_u:system_r:container_file_t:s0:c1022,c1023",
            ),
            // What follows is not looked at.
            (
                &["disable", "nonsense"],
                "",
                "system_u:system_r:container_file_t:s0:c1022,c1023",
            ),
        ];
        for (options, process, mount) in cases {
            let chosen = chosen(":s0", options).unwrap();
            assert_eq!(
                chosen,
                ChosenLabels::fixed(process.to_owned(), mount.to_owned()),
                "{options:?}"
            );
        }
    }

    #[test]
    fn a_level_is_drawn_where_the_policy_has_levels() {
        let first = chosen(":s0", &["type:spc_t"]).unwrap();
        let level = first
            .labels
            .process
            .strip_prefix("system_u:system_r:spc_t:")
            .unwrap();
        assert!(level.starts_with("s0:c"), "{level}");
        assert_eq!(
            first.labels.mount,
            format!("system_u:system_r:container_file_t:{level}")
        );
        assert_eq!(
            first.pattern.unwrap().at("x").process,
            "system_u:system_r:spc_t:x"
        );
        let without = chosen("", &[]).unwrap();
        assert_eq!(without.labels.mount, "system_u:system_r:container_file_t");
        assert_eq!(without.pattern, None);
    }

    #[test]
    fn unknown_options_are_refused() {
        for option in ["enable", "color:red", "", ":", "Type:x"] {
            let error = chosen(":s0", &[option]).unwrap_err();
            assert!(matches!(error, LabelError::Option { .. }), "{option:?}");
        }
    }
}
