//! Any sequence of operations on several handles against a simple model.

use layerhold_lockfile::{LockFile, ReadGuard, Token, WriteGuard};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    TryRead(usize),
    TryWrite(usize),
    /// With no time to wait, which must behave like trying.
    ReadTimeout(usize),
    WriteTimeout(usize),
    ReleaseRead(usize),
    ReleaseWrite,
    Record,
    CheckTokens,
    /// Removes the file, as a process that recreates the directory does: locks
    /// held on it no longer matter to later ones.
    RemoveFile,
    /// Removes the directory with it.
    RemoveDir,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let handle = 0..3_usize;
    let step = prop_oneof![
        4 => handle.clone().prop_map(Step::TryRead),
        4 => handle.clone().prop_map(Step::TryWrite),
        2 => handle.clone().prop_map(Step::ReadTimeout),
        2 => handle.prop_map(Step::WriteTimeout),
        5 => (0..4_usize).prop_map(Step::ReleaseRead),
        5 => Just(Step::ReleaseWrite),
        4 => Just(Step::Record),
        4 => Just(Step::CheckTokens),
        1 => Just(Step::RemoveFile),
        1 => Just(Step::RemoveDir),
    ];
    proptest::collection::vec(step, 1..40)
}

/// The guards on the file that has the name now, and what is in that file.
#[derive(Default)]
struct Model {
    readers: Vec<ReadGuard>,
    writer: Option<WriteGuard>,
    token: Token,
    seen: Vec<Token>,
}

impl Model {
    fn read(&mut self, taken: Option<ReadGuard>) {
        assert_eq!(taken.is_some(), self.writer.is_none(), "reading");
        self.readers.extend(taken);
    }

    fn write(&mut self, taken: Option<WriteGuard>) {
        let free = self.writer.is_none() && self.readers.is_empty();
        assert_eq!(taken.is_some(), free, "writing");
        self.writer = self.writer.take().or(taken);
    }

    fn record(&mut self) {
        if let Some(writer) = &self.writer {
            let token = writer.record_write().unwrap();
            assert!(!self.seen.contains(&token), "tokens repeat");
            self.token = token;
            self.seen.push(token);
        }
    }

    fn check_tokens(&self) {
        for reader in &self.readers {
            assert_eq!(reader.token().unwrap(), self.token);
        }
        if let Some(writer) = &self.writer {
            assert_eq!(writer.token().unwrap(), self.token);
        }
    }
}

fn run(steps: &[Step]) {
    let place = layerhold_testkit::scratch();
    let path = place.path().join("dir/x.lock");
    let handles: Vec<_> = (0..3).map(|_| LockFile::new(&path).unwrap()).collect();
    let mut model = Model::default();
    for step in steps {
        match step {
            Step::TryRead(handle) => model.read(handles[*handle].try_read().unwrap()),
            Step::TryWrite(handle) => model.write(handles[*handle].try_write().unwrap()),
            Step::ReadTimeout(handle) => {
                let taken = handles[*handle].read_timeout(std::time::Duration::ZERO);
                model.read(taken.unwrap());
            }
            Step::WriteTimeout(handle) => {
                let taken = handles[*handle].write_timeout(std::time::Duration::ZERO);
                model.write(taken.unwrap());
            }
            Step::ReleaseRead(reader) => {
                if *reader < model.readers.len() {
                    drop(model.readers.swap_remove(*reader));
                }
            }
            Step::ReleaseWrite => drop(model.writer.take()),
            Step::Record => model.record(),
            Step::CheckTokens => model.check_tokens(),
            Step::RemoveFile => {
                drop(std::fs::remove_file(&path));
                model = Model::default();
            }
            Step::RemoveDir => {
                drop(std::fs::remove_dir_all(path.parent().unwrap()));
                model = Model::default();
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn handles_follow_the_model(steps in steps()) {
        run(&steps);
    }
}
