//! A worker: a random sequence of changes to its part of the store, each noted before it begins and
//! when it is done.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::fixtures::{Fixtures, Supply};
use super::judge::part_of;
use super::model::{Box_, Imported, State};
use super::store::{Program, Store};
use crate::differential::random::Random;
use layerhold_sys::best_effort;
use layerhold_testkit::run;

/// What a worker has done, as others may look at it at any time.
#[derive(Default)]
pub(super) struct History(Mutex<Past>);

#[derive(Default, Clone)]
pub(super) struct Past {
    /// The states after each change that was reported as done; empty before the first.
    pub(super) done: Vec<(String, State)>,
    /// The change in progress, and the state after it.
    pub(super) running: Option<(String, State)>,
}

impl History {
    pub(super) fn now(&self) -> Past {
        self.0.lock().unwrap().clone()
    }

    fn begin(&self, command: &str, after: &State) {
        self.0.lock().unwrap().running = Some((command.to_owned(), after.clone()));
    }

    /// The change in progress is over, and has left this state.
    fn end(&self, state: &State) {
        let mut past = self.0.lock().unwrap();
        let done = past.running.take();
        let done = done.map(|(command, _)| (command, state.clone()));
        past.done.extend(done);
    }
}

/// So many of a hundred commands are killed on their way.
const KILLED: usize = 15;

/// A change: the words of a command, and the state after it.
struct Change {
    program: Program,
    words: Vec<String>,
    after: State,
}

pub(super) struct Worker<'a> {
    pub(super) number: usize,
    pub(super) store: &'a Store,
    pub(super) fixtures: &'a Fixtures,
    pub(super) random: Random,
    pub(super) history: &'a History,
}

impl Worker<'_> {
    /// Works until it is told to stop; the text tells of a command that failed.
    pub(super) fn work(mut self, stop: &AtomicBool) -> Result<(), String> {
        let mut state = State::default();
        let mut serial = 0;
        while !stop.load(Ordering::Relaxed) {
            serial += 1;
            let Some(change) = self.next(&state, serial) else {
                continue;
            };
            let after = change.after.clone().completed(self.fixtures);
            self.history.begin(&change.words.join(" "), &after);
            state = match self.random.chance(KILLED) {
                true => self.run_and_kill(&change, state, after)?,
                false => {
                    let mut command = self.store.command(change.program);
                    run(command.args(&change.words)).into_result()?;
                    after
                }
            };
            self.history.end(&state);
        }
        Ok(())
    }

    /// Kills a command on its way, and finds out whether it was done.
    fn run_and_kill(
        &mut self,
        change: &Change,
        before: State,
        after: State,
    ) -> Result<State, String> {
        let mut command = self.store.command(change.program);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let command = command.stderr(Stdio::null()).args(&change.words);
        let mut child = command.spawn().map_err(|error| error.to_string())?;
        let pause = self.random.below(60_000);
        std::thread::sleep(Duration::from_micros(pause as u64));
        best_effort(child.kill());
        child.wait().map_err(|error| error.to_string())?;
        self.store.layerhold(["gc"]).into_result()?;
        let found = part_of(self.store, self.number, self.fixtures)?;
        if found == after || found == before {
            return Ok(found);
        }
        Err(format!(
            "killed after {pause} µs, {} left\n  {found:?}\nof\n  {before:?}\nor\n  {after:?}",
            change.words.join(" ")
        ))
    }

    fn supply(&self) -> &Supply {
        &self.fixtures.workers[self.number]
    }

    fn id(&self, serial: usize) -> String {
        format!("{:x}{serial:063x}", 10 + self.number)
    }

    fn name(&self, what: &str, serial: usize) -> String {
        format!("localhost/{what}-w{}:{serial}", self.number)
    }

    /// Chooses a change that will succeed; none when the choice does not fit the state.
    fn next(&mut self, state: &State, serial: usize) -> Option<Change> {
        match self.random.below(17) {
            0..=3 => self.load(state, serial),
            4..=6 => self.import(state, serial),
            7..=9 => self.create(state, serial),
            10 => self.add_item(state, serial),
            11 => self.rename_image(state, serial),
            12 => self.rename_container(state, serial),
            13 => self.remove_container(state),
            14 => self.remove_image(state),
            15 => Some(layerhold(["gc"], state.clone())),
            _ => self.remove_layer(state),
        }
    }

    fn load(&mut self, state: &State, serial: usize) -> Option<Change> {
        let position = self.random.below(self.supply().images.len());
        let image = &self.supply().images[position];
        let name = self.name("image", serial);
        let mut after = state.clone();
        after
            .images
            .entry(image.id.clone())
            .or_default()
            .insert(name.clone());
        let path = image.path.display().to_string();
        Some(layerhold(["load", "--name", &name, &path], after))
    }

    fn import(&mut self, state: &State, serial: usize) -> Option<Change> {
        let used: BTreeSet<_> = state.imported.values().map(|one| &one.digest).collect();
        let free = self
            .supply()
            .layers
            .iter()
            .find(|tar| !used.contains(&tar.digest));
        let (digest, path) =
            free.map(|tar| (tar.digest.clone(), tar.path.display().to_string()))?;
        let ids: Vec<String> = state.imported.keys().cloned().collect();
        let parent = match ids.is_empty() || self.random.chance(50) {
            true => String::new(),
            false => self.random.pick(&ids).clone(),
        };
        let id = self.id(serial);
        let mut words = vec!["import-layer".to_owned(), "-i".to_owned(), id.clone()];
        words.extend(["-f".to_owned(), path]);
        words.extend(Some(parent.clone()).filter(|parent| !parent.is_empty()));
        let mut after = state.clone();
        after.imported.insert(id, Imported { digest, parent });
        Some(containers_storage(words, after))
    }

    fn create(&mut self, state: &State, serial: usize) -> Option<Change> {
        let images: Vec<String> = state.images.keys().cloned().collect();
        if images.is_empty() {
            return None;
        }
        let image = self.random.pick(&images).clone();
        let (id, name) = (self.id(serial), format!("box-w{}-{serial}", self.number));
        let words = ["create-container", "-i", &id, "-n", &name, &image];
        let words = words.map(str::to_owned).to_vec();
        let mut after = state.clone();
        let one = Box_ {
            image,
            names: BTreeSet::from([name]),
            data: BTreeSet::new(),
        };
        after.containers.insert(id, one);
        Some(containers_storage(words, after))
    }

    fn a_container(&mut self, state: &State) -> Option<String> {
        let ids: Vec<String> = state.containers.keys().cloned().collect();
        (!ids.is_empty()).then(|| self.random.pick(&ids).clone())
    }

    fn add_item(&mut self, state: &State, serial: usize) -> Option<Change> {
        let id = self.a_container(state)?;
        let position = self.random.below(self.supply().layers.len());
        let file = self.supply().layers[position].path.display().to_string();
        // Some are there already, and are replaced.
        let key = format!("item{}", serial % 3);
        let words = ["set-container-data", "-f", &file, &id, &key];
        let words = words.map(str::to_owned).to_vec();
        let mut after = state.clone();
        after.containers.get_mut(&id)?.data.insert(key);
        Some(containers_storage(words, after))
    }

    fn rename_image(&mut self, state: &State, serial: usize) -> Option<Change> {
        let ids: Vec<String> = state.images.keys().cloned().collect();
        if ids.is_empty() {
            return None;
        }
        let id = self.random.pick(&ids).clone();
        let name = self.name("renamed", serial);
        let mut after = state.clone();
        let names = after.images.get_mut(&id)?;
        let command = match self.random.chance(50) {
            true => "add-names",
            false => {
                names.clear();
                "set-names"
            }
        };
        names.insert(name.clone());
        let words = [command, "-n", &name, &id].map(str::to_owned);
        Some(containers_storage(words.to_vec(), after))
    }

    fn rename_container(&mut self, state: &State, serial: usize) -> Option<Change> {
        let id = self.a_container(state)?;
        let name = format!("other-w{}-{serial}", self.number);
        let mut after = state.clone();
        after.containers.get_mut(&id)?.names = BTreeSet::from([name.clone()]);
        let words = ["set-names", "-n", &name, &id].map(str::to_owned);
        Some(containers_storage(words.to_vec(), after))
    }

    fn remove_container(&mut self, state: &State) -> Option<Change> {
        let id = self.a_container(state)?;
        let mut after = state.clone();
        drop(after.containers.remove(&id));
        Some(layerhold(["rm", &id], after))
    }

    fn remove_image(&mut self, state: &State) -> Option<Change> {
        let unused = state.unused_images();
        if unused.is_empty() {
            return None;
        }
        let id = self.random.pick(&unused).clone();
        let mut after = state.clone();
        drop(after.images.remove(&id));
        Some(layerhold(["rm", &id], after))
    }

    fn remove_layer(&mut self, state: &State) -> Option<Change> {
        let leaves = state.leaves();
        if leaves.is_empty() {
            return None;
        }
        let id = self.random.pick(&leaves).clone();
        let mut after = state.clone();
        drop(after.imported.remove(&id));
        Some(containers_storage(
            vec!["delete-layer".to_owned(), id],
            after,
        ))
    }
}

fn layerhold<const N: usize>(words: [&str; N], after: State) -> Change {
    Change {
        program: Program::People,
        words: words.map(str::to_owned).to_vec(),
        after,
    }
}

fn containers_storage(words: Vec<String>, after: State) -> Change {
    Change {
        program: Program::DropIn,
        words,
        after,
    }
}
