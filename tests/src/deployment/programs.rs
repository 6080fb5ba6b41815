//! The bridge's own programs, as cargo built them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

/// The path of each program.
#[derive(Clone, Debug)]
pub(super) struct Programs {
    pub(super) capture: PathBuf,
    pub(super) trail: PathBuf,
    pub(super) apply: PathBuf,
    pub(super) sweep: PathBuf,
    pub(super) operator: PathBuf,
}

impl Programs {
    /// Finds them in the folder of the running program, or one folder up if that program is a test.
    pub(super) fn find() -> anyhow::Result<Self> {
        let own = std::env::current_exe().context("the path of this program")?;
        let mut folders = own.ancestors().skip(1).take(2);
        let folder = folders.find(|folder| folder.join("capture").is_file());
        let programs = folder.map(|folder| Self {
            capture: folder.join("capture"),
            trail: folder.join("trail"),
            apply: folder.join("apply"),
            sweep: folder.join("sweep"),
            operator: folder.join("poolbridge"),
        });
        let there = |it: &Self| {
            [&it.trail, &it.apply, &it.sweep, &it.operator].iter().all(|program| program.is_file())
        };
        programs.filter(there).context(
            "the bridge's programs are not built\nhint: run `cargo build --release \
             -p poolbridge-capture -p poolbridge-trail -p poolbridge-apply -p poolbridge-sweep \
             -p poolbridge-operator`",
        )
    }

    /// The functions' programs, by name.
    pub(super) const fn functions(&self) -> [(&'static str, &PathBuf); 4] {
        [
            ("capture", &self.capture),
            ("trail", &self.trail),
            ("apply", &self.apply),
            ("sweep", &self.sweep),
        ]
    }

    /// Copies the functions' programs to where the CDK app expects them.
    pub(super) fn setup(&self, folder: &Path) -> anyhow::Result<()> {
        for (name, program) in self.functions() {
            let folder = folder.join(name);
            fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
            let copied = fs::copy(program, folder.join("bootstrap"))?;
            ensure!(copied > 0, "{} is empty", program.display());
        }
        Ok(())
    }
}
