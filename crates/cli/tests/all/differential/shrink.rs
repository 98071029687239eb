//! The shortest sequence that still shows a difference.

use super::command::Command;

/// Leaves out what is not needed for `fails`, which may be asked so many times.
pub(crate) fn shrink(
    mut commands: Vec<Command>,
    mut tries: usize,
    mut fails: impl FnMut(&[Command]) -> bool,
) -> Vec<Command> {
    let mut length = commands.len() / 2;
    while length > 0 {
        // The last command is the one that shows it.
        let mut end = commands.len().saturating_sub(1);
        while end > 0 && tries > 0 {
            let start = end.saturating_sub(length);
            let mut shorter = commands.clone();
            shorter.drain(start..end);
            tries -= 1;
            if fails(&shorter) {
                commands = shorter;
            }
            end = start;
        }
        length = if length == 1 && tries == 0 {
            0
        } else {
            length / 2
        };
    }
    commands
}

#[test]
fn what_does_not_matter_is_left_out() {
    let commands = (0..40).map(|serial| Command {
        serial,
        ..Command::default()
    });
    let fails = |commands: &[Command]| {
        let has = |wanted| commands.iter().any(|command| command.serial == wanted);
        has(3) && has(17) && has(39)
    };
    let found: Vec<usize> = shrink(commands.collect(), 200, fails)
        .iter()
        .map(|c| c.serial)
        .collect();
    assert_eq!(found, [3, 17, 39]);
}
